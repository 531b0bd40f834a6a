//! Releases of Kafka: their numbers, and where each is.

use std::path::Path;
use std::process::Command;

/// The numbers of a release, or the first of them: `4.4` comes before `4.4.0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Release(Vec<u32>);

impl Release {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        text.split('.')
            .map(|part| part.parse().ok())
            .collect::<Option<_>>()
            .map(Self)
            .ok_or_else(|| format!("{text:?} is no release of Kafka"))
    }
}

/// A release of Kafka that is to be started beside Zurau.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// As Maven names it.
    pub(crate) name: String,
    pub(crate) release: Release,
    pub(crate) classpath: String,
}

impl Peer {
    /// The release of this name, or the one that `kafka-peer` names.
    pub(crate) fn find(folder: &Path, name: Option<&str>) -> Result<Self, String> {
        let script = folder.join("classpath");
        let mut command = Command::new(&script);
        if let Some(name) = name {
            command.env("KAFKA_VERSION", name);
        }
        let output = command
            .output()
            .map_err(|error| format!("{}: {error}", script.display()))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let classpath = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let mut peer = Self {
            name: String::new(),
            release: Release(Vec::new()),
            classpath,
        };
        let clients = peer.clients()?;
        let (_, name) = clients
            .rsplit_once("/kafka-clients-")
            .ok_or_else(|| format!("{clients} names no release"))?;
        peer.name = name.strip_suffix(".jar").unwrap_or(name).to_owned();
        peer.release = Release::parse(&peer.name)?;
        Ok(peer)
    }

    /// The jars of Kafka itself.
    pub(crate) fn jars(&self) -> impl Iterator<Item = &str> {
        self.classpath
            .split(':')
            .filter(|jar| jar.contains("/org/apache/kafka/"))
    }

    /// The jar that has the messages.
    pub(crate) fn clients(&self) -> Result<&str, String> {
        self.jars()
            .find(|jar| jar.contains("/kafka-clients-"))
            .ok_or_else(|| "kafka-clients is not on Kafka's class path".to_owned())
    }
}
