//! Starting and stopping the two brokers, with the settings that must be the same.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::release::Peer;

/// Kafka with a cold disk cache, on a machine that is busy.
const START: Duration = Duration::from_secs(120);

/// What both are told, so that their answers can be the same.
const SETTINGS: &[&str] = &[
    "node.id=1",
    "offsets.topic.num.partitions=5",
    "offsets.topic.replication.factor=1",
    "transaction.state.log.num.partitions=5",
    "transaction.state.log.replication.factor=1",
    "transaction.state.log.min.isr=1",
    // A transaction whose time is up must not make a case take ten seconds.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms=100",
    "group.initial.rebalance.delay.ms=0",
    // Sessions that run out must not make a case take seconds.
    "group.min.session.timeout.ms=100",
    "group.consumer.min.session.timeout.ms=100",
    "group.consumer.min.heartbeat.interval.ms=50",
    // Whether a heartbeat finds a new assignment must not depend on how much time has passed.
    "group.consumer.assignment.interval.ms=0",
    // So that a case can fill a group.
    "group.consumer.max.size=4",
    // Retention would take the records with old timestamps away, whenever it comes.
    "log.retention.check.interval.ms=3600000",
    "log.initial.task.delay.ms=3600000",
];

/// A running broker.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    pub(crate) directory: PathBuf,
    process: Child,
}

impl Broker {
    pub(crate) fn kafka(launcher: &Path, peer: &Peer, directory: &Path) -> Result<Self, String> {
        // Kafka cannot say which port it took for port 0.
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|probe| probe.local_addr())
            .map_err(|error| format!("no free port: {error}"))?
            .port();
        let mut command = Command::new(launcher);
        command
            .env("KAFKA_VERSION", &peer.name)
            .arg(directory)
            .arg(port.to_string())
            .args(SETTINGS);
        let (process, _) = start(&mut command, directory, "kafka ready")?;
        Ok(Self {
            name: "kafka",
            port,
            directory: directory.to_owned(),
            process,
        })
    }

    pub(crate) fn zurau(binary: &Path, directory: &Path) -> Result<Self, String> {
        let mut command = Command::new(binary);
        let data = format!("log.dirs={}", directory.join("data").display());
        for setting in SETTINGS
            .iter()
            .copied()
            .chain(["listeners=PLAINTEXT://127.0.0.1:0", data.as_str()])
        {
            command.args(["--override", setting]);
        }
        let (process, line) = start(&mut command, directory, "zurau ready")?;
        let port = line
            .split_once("PLAINTEXT://127.0.0.1:")
            .map(|(_, rest)| {
                rest.chars()
                    .take_while(char::is_ascii_digit)
                    .collect::<String>()
            })
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| format!("no port in {line:?}"))?;
        Ok(Self {
            name: "zurau",
            port,
            directory: directory.to_owned(),
            process,
        })
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Stops it in order and says if it did not like that.
    pub(crate) fn stop(&mut self) -> Result<(), String> {
        if let Ok(Some(status)) = self.process.try_wait() {
            return Err(format!("{} died by itself: {status}", self.name));
        }
        terminate(&self.process);
        let status = self.process.wait();
        let status = status.map_err(|error| format!("{}: {error}", self.name))?;
        // A JVM that was asked to stop says so: 128 + 15.
        if status.success() || status.code() == Some(143) {
            Ok(())
        } else {
            Err(format!("{} stopped with {status}", self.name))
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

fn terminate(process: &Child) {
    let id = i32::try_from(process.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    if let Some(id) = id {
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
    }
}

/// Starts a process and waits for the line of its standard output that begins so.
fn start(command: &mut Command, directory: &Path, ready: &str) -> Result<(Child, String), String> {
    let failed = |error: std::io::Error| format!("{command:?}: {error}");
    fs::create_dir_all(directory).map_err(failed)?;
    let log = directory.join("broker.log");
    let errors = File::create(&log).map_err(failed)?;
    let mut process = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let (sender, lines) = mpsc::channel();
    let output = process.stdout.take();
    let reader = std::thread::Builder::new().name("broker-output".to_owned());
    let wanted = ready.to_owned();
    let spawned = reader.spawn(move || {
        // Read on after the line, so that the broker never writes to a closed pipe.
        for line in output
            .into_iter()
            .flat_map(|pipe| BufReader::new(pipe).lines())
            .map_while(Result::ok)
        {
            if line.starts_with(&wanted) {
                let _ = sender.send(line);
            }
        }
    });
    let line = spawned.ok().and_then(|_| lines.recv_timeout(START).ok());
    let Some(line) = line else {
        let _ = process.kill();
        let _ = process.wait();
        let said = fs::read_to_string(&log).unwrap_or_default();
        return Err(format!("{command:?} did not become ready:\n{said}"));
    };
    Ok((process, line))
}
