//! Reading the files in `cases/`. README.md describes the format for those who write them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::definitions::Versions;
use crate::release::Release;
use crate::symbols;
use crate::yaml;

/// One file: the cases of one API.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    api: String,
    /// Only read through anchors: what several cases share.
    #[serde(default, rename = "shared")]
    _shared: Json,
    cases: Vec<CaseText>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseText {
    name: String,
    #[serde(default)]
    versions: Json,
    #[serde(default)]
    since: Option<String>,
    #[serde(default)]
    alone: bool,
    #[serde(default)]
    topics: BTreeMap<String, TopicText>,
    #[serde(default)]
    body: Option<Json>,
    #[serde(default)]
    expect: BTreeMap<String, Json>,
    #[serde(default)]
    outcome: Expected,
    #[serde(default)]
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum TopicText {
    Partitions(i32),
    Full {
        partitions: i32,
        #[serde(default)]
        configs: BTreeMap<String, String>,
    },
}

/// A topic that is there before the first step.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) partitions: i32,
    pub(crate) configs: BTreeMap<String, String>,
}

/// What Kafka must do with a step's request; else the case is not what its author thinks.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Expected {
    #[default]
    Answer,
    Closed,
    Any,
}

/// One step of a case, with its fields as they are in the file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Step {
    /// The API whose request is sent.
    pub(crate) send: Option<String>,
    pub(crate) version: Option<i16>,
    pub(crate) body: Json,
    pub(crate) client_id: Option<String>,
    /// Raw bytes instead of a request, in hexadecimal.
    pub(crate) bytes: Option<String>,
    /// Waits for the answer to the step that was sent as `later`.
    #[serde(rename = "await")]
    pub(crate) awaited: Option<String>,
    /// Closes the connection.
    pub(crate) close: bool,
    /// Which of the run's connections; each is opened when it is first named.
    pub(crate) connection: String,
    /// Sends without waiting for the answer, which a later step awaits under this name.
    pub(crate) later: Option<String>,
    /// There is no answer to it, as for Produce with acks 0.
    pub(crate) no_answer: bool,
    /// Cuts so many bytes off the end of the request; its frame says the new length.
    pub(crate) cut: usize,
    /// Adds bytes (hexadecimal) to the end of the request; its frame says the new length.
    pub(crate) append: String,
    /// A length that the frame claims instead of its own.
    pub(crate) frame_size: Option<i32>,
    /// Ends our side of the connection after sending.
    pub(crate) shutdown: bool,
    /// Takes values out of the answer: name to path.
    pub(crate) capture: BTreeMap<String, String>,
    /// Sends again until the answer is so; only that answer counts.
    pub(crate) until: BTreeMap<String, Json>,
    /// What Kafka's answer must hold: path to value.
    pub(crate) expect: BTreeMap<String, Json>,
    pub(crate) outcome: Expected,
    /// The step is done once for each of the values: one name, a list.
    pub(crate) with: BTreeMap<String, Vec<Json>>,
    /// The values that `with` gave to this step.
    #[serde(skip)]
    pub(crate) chosen: Map<String, Json>,
}

#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) api: String,
    pub(crate) name: String,
    /// Of the API; without it all that both brokers speak.
    pub(crate) versions: Option<Vec<Versions>>,
    /// The first release of Kafka that does what it is about; without it every one.
    pub(crate) since: Option<Release>,
    /// It looks at the whole broker, so it runs before all others.
    pub(crate) alone: bool,
    pub(crate) topics: Vec<Topic>,
    pub(crate) steps: Vec<Step>,
}

impl Case {
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.api, self.name)
    }

    /// Whether this release of Kafka does what the case is about.
    pub(crate) fn is_known_to(&self, release: &Release) -> bool {
        self.since.as_ref().is_none_or(|since| since <= release)
    }

    /// Whether it needs group coordinators that know its topics.
    pub(crate) fn has_consumer_groups(&self) -> bool {
        let is_one = |step: &Step| step.send.as_deref() == Some("ConsumerGroupHeartbeat");
        self.steps.iter().any(is_one)
    }

    /// Whether the case is about this version of its API.
    pub(crate) fn is_for(&self, version: i16) -> bool {
        self.versions
            .as_ref()
            .is_none_or(|ranges| ranges.iter().any(|range| range.contains(version)))
    }
}

/// All cases, by file and then in their files' order.
pub(crate) fn read_all(folder: &Path) -> Result<Vec<Case>, String> {
    let entries =
        std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        if file
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            cases.extend(read_file(&file).map_err(|error| format!("{}: {error}", file.display()))?);
        }
    }
    Ok(cases)
}

fn read_file(path: &Path) -> Result<Vec<Case>, String> {
    let file: CaseFile =
        serde_json::from_value(yaml::read(path)?).map_err(|error| error.to_string())?;
    let mut cases: Vec<Case> = Vec::new();
    for text in file.cases {
        let name = text.name.clone();
        if cases.iter().any(|case| case.name == name) {
            return Err(format!("there are two cases {name}"));
        }
        cases.push(case(&file.api, text).map_err(|error| format!("{name}: {error}"))?);
    }
    Ok(cases)
}

fn case(api: &str, text: CaseText) -> Result<Case, String> {
    let mut steps = text.steps;
    if let Some(body) = text.body {
        steps.push(Step {
            body,
            expect: text.expect,
            outcome: text.outcome,
            ..Step::default()
        });
    }
    if steps.is_empty() {
        return Err("it has neither a body nor steps".to_owned());
    }
    let ranges = |list: &str| -> Result<Vec<Versions>, String> {
        list.split(',')
            .map(|range| Versions::parse(range.trim()))
            .collect()
    };
    let versions = match &text.versions {
        Json::Null => None,
        Json::String(list) => Some(ranges(list)?),
        // YAML takes a single version for a number.
        other => Some(ranges(&other.to_string())?),
    };
    let mut written_out = Vec::new();
    for mut step in steps {
        let is_request = step.bytes.is_none() && step.awaited.is_none() && !step.close;
        if is_request && step.send.is_none() {
            step.send = Some(api.to_owned());
        }
        written_out.extend(each(step)?);
    }
    Ok(Case {
        api: api.to_owned(),
        name: text.name,
        versions,
        since: text.since.as_deref().map(Release::parse).transpose()?,
        alone: text.alone,
        topics: text.topics.into_iter().map(topic).collect(),
        steps: written_out,
    })
}

fn each(mut step: Step) -> Result<Vec<Step>, String> {
    let with = std::mem::take(&mut step.with);
    let mut choices = with.into_iter();
    let Some((name, values)) = choices.next() else {
        return Ok(vec![step]);
    };
    if choices.next().is_some() {
        return Err("with takes one name".to_owned());
    }
    if symbols::OF_THE_RUN.contains(&name.as_str()) {
        return Err(format!(
            "${name} has a meaning of its own: with must name it otherwise"
        ));
    }
    let one = |(index, value)| {
        let mut step = step.clone();
        step.chosen.insert("index".to_owned(), Json::from(index));
        step.chosen.insert(name.clone(), value);
        step
    };
    Ok((0_i64..).zip(values).map(one).collect())
}

fn topic((name, text): (String, TopicText)) -> Topic {
    match text {
        TopicText::Partitions(partitions) => Topic {
            name,
            partitions,
            configs: BTreeMap::new(),
        },
        TopicText::Full {
            partitions,
            configs,
        } => Topic {
            name,
            partitions,
            configs,
        },
    }
}
