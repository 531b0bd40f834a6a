//! Running one case in one version against one broker, and what came of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::cases::{Case, Expected, Step};
use crate::client::{Client, Outcome};
use crate::connection::Connection;
use crate::symbols::Symbols;
use crate::{definitions::Definitions, setup, values::from_hex};

/// How long `until` may take.
const UNTIL: Duration = Duration::from_secs(30);

/// One request and what became of it.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Counted from 1; `with` makes several of one.
    pub(crate) step: i16,
    pub(crate) api: String,
    pub(crate) version: i16,
    pub(crate) outcome: Outcome,
    /// Where the outcome is not what the case says that Kafka does.
    pub(crate) surprise: Option<String>,
}

/// Everything that happened between one run and one broker.
#[derive(Debug)]
pub(crate) struct Transcript {
    pub(crate) exchanges: Vec<Exchange>,
    /// Why the run could not go on.
    pub(crate) stopped: Option<String>,
    pub(crate) symbols: Symbols,
}

impl Transcript {
    /// Every answer on a line of its own, for those who write cases.
    pub(crate) fn shown(&self, run: &Run<'_>) -> String {
        let mut text = format!("{} version {}", run.case.full_name(), run.version);
        for exchange in &self.exchanges {
            let outcome = self.symbols.written(&exchange.outcome.to_string());
            let (step, api, version) = (exchange.step, &exchange.api, exchange.version);
            text.push_str(&format!("\n    {step} {api} {version}: {outcome}"));
        }
        if let Some(stopped) = &self.stopped {
            text.push_str(&format!("\n    stopped: {stopped}"));
        }
        text
    }
}

/// The versions that both brokers speak, by API.
pub(crate) type Versions = BTreeMap<String, crate::definitions::Versions>;

/// One case in one version of its API.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) case: &'a Case,
    pub(crate) version: i16,
    /// Milliseconds, the same for both brokers.
    pub(crate) now: i64,
}

impl Run<'_> {
    /// Begins the names of the run's topics and groups.
    pub(crate) fn prefix(&self) -> String {
        let case = self
            .case
            .name
            .replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
        format!("{}-{case}-{}", self.case.api, self.version)
    }

    pub(crate) fn against(
        &self,
        address: &str,
        definitions: &Definitions,
        versions: &Versions,
    ) -> Transcript {
        let mut execution = Execution {
            run: self,
            client: Client {
                definitions,
                address,
            },
            versions,
            symbols: Symbols::new(&self.prefix(), self.now),
            connections: BTreeMap::new(),
            pending: BTreeMap::new(),
            next_correlation_id: 1,
            exchanges: Vec::new(),
        };
        let stopped = execution.all().err();
        Transcript {
            exchanges: execution.exchanges,
            stopped,
            symbols: execution.symbols,
        }
    }
}

/// A request that has been sent.
#[derive(Clone, Debug)]
struct Sent {
    connection: String,
    correlation_id: i32,
    api: String,
    version: i16,
}

struct Execution<'a> {
    run: &'a Run<'a>,
    client: Client<'a>,
    versions: &'a Versions,
    symbols: Symbols,
    connections: BTreeMap<String, Connection>,
    pending: BTreeMap<String, Sent>,
    next_correlation_id: i32,
    exchanges: Vec<Exchange>,
}

impl Execution<'_> {
    fn all(&mut self) -> Result<(), String> {
        setup::topics(
            &self.client,
            self.versions,
            &self.run.case.topics,
            &mut self.symbols,
        )
        .map_err(|error| format!("setup: {error}"))?;
        let run = self.run;
        if run.case.has_consumer_groups() {
            setup::known_to_coordinators(
                &self.client,
                self.versions,
                &run.case.topics,
                &self.symbols,
            )
            .map_err(|error| format!("setup: {error}"))?;
        }
        for (index, step) in run.case.steps.iter().enumerate() {
            for (name, value) in &step.chosen {
                let value = self.symbols.resolve(value)?;
                self.symbols.set(name, value);
            }
            let number = i16::try_from(index + 1).unwrap_or(i16::MAX);
            self.step(number, step)
                .map_err(|error| format!("step {number}: {error}"))?;
        }
        Ok(())
    }

    fn step(&mut self, number: i16, step: &Step) -> Result<(), String> {
        if step.close {
            self.connections.remove(&step.connection);
            return Ok(());
        }
        if let Some(name) = &step.awaited {
            let sent = self
                .pending
                .remove(name)
                .ok_or_else(|| format!("nothing was sent as {name}"))?;
            return self.finish(number, step, sent);
        }
        let began = Instant::now();
        loop {
            let sent = self.send(step)?;
            if let Some(name) = &step.later {
                self.pending.insert(name.clone(), sent);
                return Ok(());
            }
            if step.no_answer {
                return Ok(());
            }
            if step.until.is_empty() {
                return self.finish(number, step, sent);
            }
            let outcome = self.outcome(&sent);
            if self.unmet(&step.until, &outcome)?.is_none() {
                return self.record(number, step, sent, outcome);
            }
            if began.elapsed() > UNTIL {
                return Err(format!("it did not become so in time: {outcome}"));
            }
            setup::pause();
        }
    }

    fn send(&mut self, step: &Step) -> Result<Sent, String> {
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id += 1;
        let mut sent = Sent {
            connection: step.connection.clone(),
            correlation_id,
            api: "bytes".to_owned(),
            version: 0,
        };
        let frame = if let Some(digits) = &step.bytes {
            from_hex(digits)?
        } else {
            sent.api = step.send.clone().unwrap_or_default();
            sent.version = self.version_of(step, &sent.api)?;
            let body = self.symbols.resolve(&step.body)?;
            let client_id = Json::from(step.client_id.as_deref().unwrap_or("conformance"));
            let client_id = self.symbols.resolve(&client_id)?;
            let client_id = client_id.as_str().unwrap_or_default();
            let mut request =
                self.client
                    .request(&sent.api, sent.version, correlation_id, client_id, &body)?;
            request.truncate(request.len().saturating_sub(step.cut));
            request.extend(from_hex(&step.append)?);
            let size = step.frame_size.unwrap_or(request.len() as i32);
            [size.to_be_bytes().as_slice(), &request].concat()
        };
        if !self.connections.contains_key(&step.connection) {
            let opened = Connection::open(self.client.address)?;
            self.connections.insert(step.connection.clone(), opened);
        }
        if let Some(connection) = self.connections.get_mut(&step.connection) {
            connection.send(&frame);
            if step.shutdown {
                connection.end_our_side();
            }
        }
        Ok(sent)
    }

    /// The step's own version, the run's for the API that the case is about, else the newest.
    fn version_of(&self, step: &Step, api: &str) -> Result<i16, String> {
        match step.version {
            Some(version) => Ok(version),
            None if api == self.run.case.api => Ok(self.run.version),
            None => self
                .versions
                .get(api)
                .map(|versions| versions.high)
                .ok_or_else(|| format!("the brokers have no version of {api} in common")),
        }
    }

    fn outcome(&mut self, sent: &Sent) -> Outcome {
        let Some(connection) = self.connections.get_mut(&sent.connection) else {
            return Outcome::Closed;
        };
        let answer = connection.answer(sent.correlation_id);
        let outcome = self.client.outcome(&sent.api, sent.version, answer);
        if !matches!(outcome, Outcome::Answer(_)) {
            // The next step that names it gets a new one.
            self.connections.remove(&sent.connection);
        }
        outcome
    }

    fn finish(&mut self, number: i16, step: &Step, sent: Sent) -> Result<(), String> {
        let outcome = self.outcome(&sent);
        self.record(number, step, sent, outcome)
    }

    fn record(
        &mut self,
        number: i16,
        step: &Step,
        sent: Sent,
        outcome: Outcome,
    ) -> Result<(), String> {
        let surprise = match (step.outcome, &outcome) {
            (Expected::Answer, Outcome::Answer(_)) => self.unmet(&step.expect, &outcome)?,
            (Expected::Closed, Outcome::Closed) | (Expected::Any, _) => None,
            (expected, _) => Some(format!("{expected:?} was expected, it is {outcome}")),
        };
        let mut captured = Vec::new();
        if let Outcome::Answer(value) = &outcome {
            for (name, path) in &step.capture {
                captured.push((
                    name,
                    path,
                    value.at(path).map(crate::values::Value::to_json),
                ));
            }
        }
        self.exchanges.push(Exchange {
            step: number,
            api: sent.api,
            version: sent.version,
            outcome,
            surprise,
        });
        for (name, path, value) in captured {
            let value = value.ok_or_else(|| format!("the answer has no {path} to capture"))?;
            self.symbols.set(name, value);
        }
        Ok(())
    }

    /// The first of these that the answer does not meet.
    fn unmet(
        &self,
        wanted: &BTreeMap<String, Json>,
        outcome: &Outcome,
    ) -> Result<Option<String>, String> {
        for (path, value) in wanted {
            let value = self.symbols.resolve(value)?;
            let found = match outcome {
                Outcome::Answer(answer) => answer.at(path),
                _ => None,
            };
            if found.map(crate::values::Value::to_json).as_ref() != Some(&value) {
                let found = found.map_or_else(|| outcome.to_string(), ToString::to_string);
                return Ok(Some(format!("{path} should be {value}, it is {found}")));
            }
        }
        Ok(None)
    }
}
