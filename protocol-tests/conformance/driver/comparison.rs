//! Comparing two answers field by field.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::rules::{Rules, Treatment};
use crate::symbols::Symbols;
use crate::values::{Value, uuid_text};

/// Clocks of one machine, and runs that wait in between.
const NEAR_MILLISECONDS: i64 = 10 * 60 * 1000;
/// Texts name bounds of what is allowed now, by default up to an hour away.
const BOUND_MILLISECONDS: i64 = 2 * 60 * 60 * 1000;

/// One field in which two answers differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Difference {
    pub(crate) field: String,
    pub(crate) kafka: String,
    pub(crate) zurau: String,
}

/// Compares the answers of one run and remembers which values of the brokers stand for each other.
#[derive(Debug)]
pub(crate) struct Comparison<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) now: i64,
    pub(crate) ports: (u16, u16),
    pairs: BTreeMap<String, BTreeMap<String, String>>,
    /// The same pairs for replacing them within texts.
    texts: BTreeMap<String, String>,
    api: String,
    differences: Vec<Difference>,
}

impl<'a> Comparison<'a> {
    pub(crate) fn new(rules: &'a Rules, now: i64, ports: (u16, u16)) -> Self {
        Self {
            rules,
            now,
            ports,
            pairs: BTreeMap::new(),
            texts: BTreeMap::new(),
            api: String::new(),
            differences: Vec::new(),
        }
    }

    /// Takes what both runs have captured under the same name as standing for each other in texts.
    pub(crate) fn learn(&mut self, kafka: &Symbols, zurau: &Symbols) {
        for (name, one) in kafka.values() {
            if let (Json::String(one), Some(Json::String(other))) = (one, zurau.values().get(name))
            {
                self.pair_texts(one, other);
            }
        }
    }

    fn pair_texts(&mut self, kafka: &str, zurau: &str) {
        // Short values, such as a node's number, stand in texts by chance.
        if kafka != zurau && kafka.len() >= 8 {
            self.texts.insert(kafka.to_owned(), zurau.to_owned());
        }
    }

    pub(crate) fn answers(&mut self, api: &str, kafka: &Value, zurau: &Value) -> Vec<Difference> {
        api.clone_into(&mut self.api);
        self.values("", kafka, zurau);
        std::mem::take(&mut self.differences)
    }

    fn differ(&mut self, path: &str, kafka: &dyn ToString, zurau: &dyn ToString) {
        self.differences.push(Difference {
            field: path.to_owned(),
            kafka: kafka.to_string(),
            zurau: zurau.to_string(),
        });
    }

    fn values(&mut self, path: &str, kafka: &Value, zurau: &Value) {
        let rules = self.rules;
        let mut key = None;
        for treatment in rules.treatments(&self.api, path) {
            match (treatment, kafka, zurau) {
                (Treatment::Ignored, _, _) => return,
                (Treatment::Pairs(kind), _, _) => return self.pair(kind, path, kafka, zurau),
                (Treatment::Now, Value::Number(one), Value::Number(other)) => {
                    if one != other && !(self.is_near(*one) && self.is_near(*other)) {
                        self.differ(path, one, other);
                    }
                    return;
                }
                (Treatment::OwnPort, Value::Number(one), Value::Number(other)) => {
                    let own = *one == i64::from(self.ports.0) && *other == i64::from(self.ports.1);
                    if one != other && !own {
                        self.differ(path, one, other);
                    }
                    return;
                }
                (Treatment::Unordered(field), _, _) => key = Some((field.as_str(), false)),
                (Treatment::Keyed(field), _, _) => key = Some((field.as_str(), true)),
                _ => {}
            }
        }
        match (kafka, zurau) {
            (Value::List(one), Value::List(other)) => self.lists(path, one, other, key),
            (Value::Struct(one), Value::Struct(other)) => self.structs(path, one, other),
            (Value::Text(one), Value::Text(other)) => {
                if self.differ_in_text(one, other) {
                    self.differ(path, kafka, zurau);
                }
            }
            _ if kafka == zurau => {}
            _ => self.differ(path, kafka, zurau),
        }
    }

    const fn is_near(&self, time: i64) -> bool {
        is_near(time, self.now)
    }

    fn differ_in_text(&self, kafka: &str, zurau: &str) -> bool {
        let kafka = self.translated(kafka);
        kafka != zurau && without_times(&kafka, self.now) != without_times(zurau, self.now)
    }

    /// Kafka's text with its own ids, names and port replaced by Zurau's.
    fn translated(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (kafka, zurau) in &self.texts {
            text = text.replace(kafka, zurau);
        }
        text.replace(&format!(":{}", self.ports.0), &format!(":{}", self.ports.1))
    }

    /// Kafka's value of a field as Zurau has it: what is paired already, else what the texts say.
    fn paired(&self, path: &str, value: String) -> String {
        let known = |treatment: &&Treatment| match treatment {
            Treatment::Pairs(kind) => self.pairs.get(kind)?.get(&value).cloned(),
            _ => None,
        };
        let treatments = self.rules.treatments(&self.api, path);
        let found = treatments.iter().find_map(known);
        found.unwrap_or_else(|| self.translated(&value))
    }

    /// Values that stand for each other here must do so everywhere; equal ones say nothing.
    fn pair(&mut self, kind: &str, path: &str, kafka: &Value, zurau: &Value) {
        if is_nothing(kafka) || is_nothing(zurau) {
            if kafka != zurau {
                self.differ(path, kafka, zurau);
            }
            return;
        }
        let (one, other) = (kafka.to_string(), zurau.to_string());
        let pairs = self.pairs.entry(kind.to_owned()).or_default();
        let known = pairs.get(&one).cloned();
        let taken = pairs
            .iter()
            .any(|(key, value)| *value == other && *key != one);
        match known {
            Some(known) if known == other => {}
            None if !taken => {
                pairs.insert(one, other);
                self.pair_texts(&plain(kafka), &plain(zurau));
            }
            _ => {
                let expected = known.unwrap_or_else(|| "another".to_owned());
                self.differ(
                    path,
                    &format!("{one} ({kind}, elsewhere {expected})"),
                    &other,
                );
            }
        }
    }

    fn lists(&mut self, path: &str, kafka: &[Value], zurau: &[Value], key: Option<(&str, bool)>) {
        // All or nothing is one difference, not one per element.
        if kafka.is_empty() != zurau.is_empty() {
            let (kafka, zurau) = (kafka.to_vec(), zurau.to_vec());
            return self.differ(path, &Value::List(kafka), &Value::List(zurau));
        }
        match key {
            Some((field, in_order)) => {
                let one = self.keyed(path, kafka, field, true);
                let other = self.keyed(path, zurau, field, false);
                if in_order {
                    self.order(path, &one, &other);
                }
                let mut other: BTreeMap<String, Value> = other.into_iter().collect();
                for (name, value) in one {
                    let at = format!("{path}[{name}]");
                    match other.remove(&name) {
                        Some(theirs) => self.values(&at, &value, &theirs),
                        None => self.differ(&at, &value, &"absent"),
                    }
                }
                for (name, value) in other {
                    self.differ(&format!("{path}[{name}]"), &"absent", &value);
                }
            }
            None => {
                for index in 0..kafka.len().max(zurau.len()) {
                    let at = format!("{path}[{index}]");
                    match (kafka.get(index), zurau.get(index)) {
                        (Some(one), Some(other)) => self.values(&at, one, other),
                        (Some(one), None) => self.differ(&at, one, &"absent"),
                        (None, Some(other)) => self.differ(&at, &"absent", other),
                        (None, None) => {}
                    }
                }
            }
        }
    }

    /// What both lists have must come in the same order.
    fn order(&mut self, path: &str, kafka: &[(String, Value)], zurau: &[(String, Value)]) {
        let common = |list: &[(String, Value)], other: &[(String, Value)]| -> Vec<String> {
            let in_other = |name: &String| other.iter().any(|(theirs, _)| theirs == name);
            let names = list.iter().map(|(name, _)| name.clone());
            names.filter(in_other).collect()
        };
        let (one, other) = (common(kafka, zurau), common(zurau, kafka));
        if one != other {
            let at = format!("{path} (order)");
            self.differ(&at, &one.join(", "), &other.join(", "));
        }
    }

    /// Elements with their keys; the second one with the same key is `key#2`.
    fn keyed(
        &self,
        path: &str,
        list: &[Value],
        field: &str,
        of_kafka: bool,
    ) -> Vec<(String, Value)> {
        let mut result: Vec<(String, Value)> = Vec::new();
        for value in list {
            let mut name = plain_field(value, field);
            if of_kafka {
                name = self.paired(&join(path, field), name);
            }
            let mut unique = name.clone();
            let mut count = 1;
            while result.iter().any(|(taken, _)| *taken == unique) {
                count += 1;
                unique = format!("{name}#{count}");
            }
            result.push((unique, value.clone()));
        }
        result
    }

    fn structs(&mut self, path: &str, kafka: &[(String, Value)], zurau: &[(String, Value)]) {
        let find = |fields: &[(String, Value)], name: &str| {
            let found = fields.iter().find(|(field, _)| field == name);
            found.map(|(_, value)| value.clone())
        };
        for (name, one) in kafka {
            let at = join(path, name);
            match find(zurau, name) {
                Some(other) => self.values(&at, one, &other),
                None => self.absent(&at, one, true),
            }
        }
        for (name, other) in zurau {
            if find(kafka, name).is_none() {
                self.absent(&join(path, name), other, false);
            }
        }
    }

    /// A tagged field that one broker has sent and the other has not.
    fn absent(&mut self, path: &str, value: &Value, of_kafka: bool) {
        let rules = self.rules.treatments(&self.api, path);
        if rules.iter().any(|rule| matches!(rule, Treatment::Ignored)) {
            return;
        }
        if of_kafka {
            self.differ(path, value, &"absent");
        } else {
            self.differ(path, &"absent", value);
        }
    }
}

const fn is_near(time: i64, now: i64) -> bool {
    time.saturating_sub(now).saturating_abs() < NEAR_MILLISECONDS
}

const fn is_bound(time: i64, now: i64) -> bool {
    time.saturating_sub(now).saturating_abs() < BOUND_MILLISECONDS
}

/// The text with every number that is a time near now left out.
pub(crate) fn without_times(text: &str, now: i64) -> String {
    let mut result = String::new();
    let mut digits = String::new();
    let flush = |digits: &mut String, result: &mut String| {
        match digits.parse() {
            // A bound that is "any time before now" is Kafka's greatest number away from it.
            Ok(time) if is_bound(time, now) || is_bound(i64::MAX - time, now) => {
                result.push_str("<time>");
            }
            _ => result.push_str(digits),
        }
        digits.clear();
    };
    for letter in text.chars() {
        if letter.is_ascii_digit() {
            digits.push(letter);
        } else {
            flush(&mut digits, &mut result);
            result.push(letter);
        }
    }
    flush(&mut digits, &mut result);
    result
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The values that mean "none" stand for nothing but themselves.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Number(number) => *number == -1,
        Value::Text(text) => text.is_empty(),
        Value::Uuid(id) => *id == [0; 16],
        _ => false,
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Uuid(id) => uuid_text(id),
        other => other.to_string(),
    }
}

fn plain_field(value: &Value, field: &str) -> String {
    if field.is_empty() {
        return plain(value);
    }
    // What a topic is called differs between versions: `Topic|TopicId`.
    let found = field.split('|').find_map(|name| value.field(name));
    found.map(plain).unwrap_or_default()
}
