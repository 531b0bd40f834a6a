//! Conformance by difference: the same requests to a real Apache Kafka and to Zurau, and every field of
//! the answers compared. `protocol-tests/conformance/README.md` says how cases are written.
//!
//! Nothing here knows Zurau's code or its protocol crate. What a message looks like comes from the
//! definitions in Kafka's own jar, what is right from Kafka's answers.
//!
//! A run: [`cases`] are read, [`plan`] says which versions of each run, [`execution`] carries one out
//! against each broker, [`judgement`] compares the two transcripts, [`report`] prints. [`schedules`] are chosen by
//! chance instead. [`news`] is something else: what one release of Kafka has that another has not.

mod batches;
mod brokers;
mod cases;
mod chosen;
mod client;
mod comparison;
mod connection;
mod decoding;
mod definitions;
mod disk;
mod encoding;
mod execution;
mod judgement;
mod news;
mod patterns;
mod plan;
mod release;
mod report;
mod rules;
mod schedules;
mod setup;
mod symbols;
mod values;
mod yaml;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use clap::Parser;

use brokers::Broker;
use chosen::Chosen;
use client::Client;
use definitions::Definitions;
use execution::{Run, Versions};
use judgement::Judge;
use plan::Wanted;
use release::Peer;
use report::Report;
use rules::Rules;

/// Runs that wait for a broker cost nothing, so there are more of them than cores.
const RUNS_AT_ONCE: usize = 6;

/// Compares Zurau's answers with those of a real Apache Kafka.
#[derive(Debug, Parser)]
#[command(name = "conformance")]
struct Options {
    /// Fewer versions of each case, and no look at the disks
    #[arg(long)]
    quick: bool,
    /// The release binary that is compared
    #[arg(long, value_name = "BINARY", default_value = "target/release/zurau")]
    zurau: PathBuf,
    /// A second Kafka in Zurau's place: a case that fails then is not determined
    #[arg(long, conflicts_with = "compare_release")]
    twice: bool,
    /// Prints what Kafka answers to each request
    #[arg(long)]
    show: bool,
    /// Keep both brokers' directories
    #[arg(long)]
    keep: bool,
    /// The release of Kafka beside Zurau, instead of the one that kafka-peer names
    #[arg(long, value_name = "RELEASE")]
    release: Option<String>,
    /// Runs no case: prints what the release of Kafka has that this one has not
    #[arg(long, value_name = "RELEASE", conflicts_with = "names")]
    compare_release: Option<String>,
    /// Instead of cases: so many random schedules of group members
    #[arg(long, value_name = "COUNT", conflicts_with = "names")]
    schedules: Option<u64>,
    /// The seed of the first schedule
    #[arg(long, default_value_t = 0, requires = "schedules")]
    seed: u64,
    /// APIs or cases, by name or pattern: Fetch, 'Fetch/session*'
    names: Vec<String>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = match &options.compare_release {
        Some(earlier) => news::print(&options, earlier),
        None => compared(&options),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            println!("FAIL  {problem}\n0 passed, 1 failed");
            ExitCode::FAILURE
        }
    }
}

fn compared(options: &Options) -> Result<bool, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol-tests");
    let own = folder.join("conformance");
    let wanted = Wanted {
        quick: options.quick,
        names: options.names.clone(),
    };
    let cases = cases::read_all(&own.join("cases"))?;
    let rules = Rules::read(&own.join("rules.yaml"))?;
    let newest = Peer::find(&folder.join("kafka-peer"), None)?;
    let mut definitions = Definitions::read(newest.clients()?)?;
    let mut peer = newest;
    if let Some(name) = options.release.as_deref() {
        peer = Peer::find(&folder.join("kafka-peer"), Some(name))?;
        let newer = std::mem::replace(&mut definitions, Definitions::read(peer.clients()?)?);
        definitions.also_name(&newer);
    }
    let chosen = Chosen::read(&own.join("chosen-differences.yaml"), &peer)?;

    let mut directory = tempfile::Builder::new()
        .prefix("zurau-conformance-")
        .tempdir()
        .map_err(|error| error.to_string())?;
    directory.disable_cleanup(options.keep);
    let launcher = folder.join("kafka-peer/start-kafka");
    let mut kafka = Broker::kafka(&launcher, &peer, &directory.path().join("kafka"))?;
    let other = directory.path().join("zurau");
    let mut zurau = if options.twice {
        Broker::kafka(&launcher, &peer, &other)?
    } else {
        Broker::zurau(&options.zurau, &other)?
    };

    let began = Instant::now();
    let mut session = Session::begin(&definitions, &kafka, &zurau)?;
    session.show = options.show;
    if let Some(count) = options.schedules {
        return session.schedules(count, options);
    }
    let runs = plan::runs(
        &cases,
        &wanted,
        &session.in_common,
        &definitions,
        &peer.release,
    )?;
    if runs.is_empty() {
        return Err("there is no such case".to_owned());
    }
    let judge = Judge {
        rules: &rules,
        chosen: &chosen,
        ports: (kafka.port, zurau.port),
    };
    let mut report = session.carry_out(&runs, &judge);
    report.check(
        "Zurau stops in order",
        zurau.stop().err().into_iter().collect(),
    );
    // Kafka takes its time to stop, and only its disk is worth the wait.
    if !wanted.quick {
        report.check(
            "Kafka stops in order",
            kafka.stop().err().into_iter().collect(),
        );
        let (what, problems) = disk::compare(
            &peer.classpath,
            &kafka.data(),
            &zurau.data(),
            directory.path(),
            &chosen,
        )?;
        report.check(
            &format!("Kafka's dump tool finds the same on both disks ({what})"),
            problems,
        );
    }
    if wanted.is_everything() && !options.twice {
        report.check(
            "every advertised version is in a case",
            report.uncovered(&session.advertised),
        );
        report.check("every rule is of use", rules.unused());
        report.check("every chosen difference is still there", chosen.unused());
    }
    let well = report.print(&session.advertised, chosen.used(), began.elapsed());
    if options.keep {
        println!("directories are in {}", directory.path().display());
    }
    Ok(well)
}

/// Two brokers that are ready for cases.
struct Session<'a> {
    definitions: &'a Definitions,
    addresses: (String, String),
    /// What Zurau says that it speaks, as far as this release of Kafka has a name for it.
    advertised: Versions,
    in_common: Versions,
    /// Prints Kafka's side of every run.
    show: bool,
}

impl<'a> Session<'a> {
    fn begin(definitions: &'a Definitions, kafka: &Broker, zurau: &Broker) -> Result<Self, String> {
        let addresses = (kafka.address(), zurau.address());
        let client = |address| Client {
            definitions,
            address,
        };
        let mut advertised = setup::advertised(&client(&addresses.1))?;
        for (api, range) in &mut advertised {
            if let Ok(request) = definitions.request(api) {
                range.high = range.high.min(request.valid.high);
            }
        }
        let in_common = setup::in_common(&setup::advertised(&client(&addresses.0))?, &advertised);
        for address in [&addresses.0, &addresses.1] {
            setup::coordinators(&client(address))?;
            setup::producer_ids(&client(address))?;
            setup::transactions(&client(address))?;
        }
        Ok(Self {
            definitions,
            addresses,
            advertised,
            in_common,
            show: false,
        })
    }

    /// Random schedules instead of cases.
    fn schedules(&self, count: u64, options: &Options) -> Result<bool, String> {
        let client = |address| Client {
            definitions: self.definitions,
            address,
        };
        let clients = [client(&self.addresses.0), client(&self.addresses.1)];
        let wanted = schedules::Wanted {
            count,
            first: options.seed,
            show: options.show,
        };
        schedules::compare(clients, &self.in_common, wanted)
    }

    /// Those that must be alone one after the other, then all others several at a time.
    fn carry_out(&self, runs: &[Run<'_>], judge: &Judge<'_>) -> Report {
        let report = Mutex::new(Report::default());
        let alone = runs.partition_point(|run| run.case.alone);
        for run in &runs[..alone] {
            self.one(run, judge, &report);
        }
        let next = AtomicUsize::new(alone);
        std::thread::scope(|scope| {
            for _ in 0..RUNS_AT_ONCE {
                scope.spawn(|| {
                    while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        self.one(run, judge, &report);
                    }
                });
            }
        });
        report.into_inner().unwrap_or_default()
    }

    fn one(&self, run: &Run<'_>, judge: &Judge<'_>, report: &Mutex<Report>) {
        let against = |address: &str| run.against(address, self.definitions, &self.in_common);
        let (kafka, zurau) = std::thread::scope(|scope| {
            let theirs = scope.spawn(|| against(&self.addresses.0));
            let ours = against(&self.addresses.1);
            (theirs.join(), ours)
        });
        // A panic of the driver is a bug of the driver, and ends it.
        let kafka = kafka.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        if self.show {
            println!("{}", kafka.shown(run));
        }
        let verdict = judge.judge(run, &kafka, &zurau);
        if let Ok(mut report) = report.lock() {
            report.run(&run.case.full_name(), run.version, verdict);
        }
    }
}
