//! The names in a case that stand for values: `$topic(a)`, `$now`, what was captured from answers.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

/// The symbols that every run has, whatever a case gives or captures.
pub(crate) const OF_THE_RUN: &[&str] = &["topic", "group", "name", "repeat", "topic_id"];

/// The values of one run against one broker.
#[derive(Clone, Debug)]
pub(crate) struct Symbols {
    /// Begins every topic and group of the run.
    prefix: String,
    values: BTreeMap<String, Json>,
}

impl Symbols {
    pub(crate) fn new(prefix: &str, now: i64) -> Self {
        let values = BTreeMap::from([("now".to_owned(), json!(now))]);
        Self {
            prefix: prefix.to_owned(),
            values,
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: Json) {
        self.values.insert(name.to_owned(), value);
    }

    /// Everything that has been set, which the comparison takes as pairs of what means the same.
    pub(crate) fn values(&self) -> &BTreeMap<String, Json> {
        &self.values
    }

    /// The text with the run's prefix as `~` and the ids that the run has met under their names.
    pub(crate) fn written(&self, text: &str) -> String {
        let mut text = text.replace(&self.prefix, "~");
        for (name, value) in &self.values {
            // Shorter ones, such as numbers, stand in texts by chance.
            if let Some(value) = value.as_str().filter(|value| value.len() >= 20) {
                text = text.replace(value, &format!("${name}"));
            }
        }
        text
    }

    /// The same tree with every symbol replaced and every `{repeat, entry}` written out.
    pub(crate) fn resolve(&self, json: &Json) -> Result<Json, String> {
        Ok(match json {
            Json::String(text) => self.text(text)?,
            Json::Array(list) => {
                let mut result = Vec::new();
                for one in list {
                    match repetition(one) {
                        Some((count, entry)) => {
                            let mut inner = self.clone();
                            for index in 0..self.resolve(count)?.as_i64().unwrap_or(0) {
                                inner.set("index", json!(index));
                                result.push(inner.resolve(entry)?);
                            }
                        }
                        None => result.push(self.resolve(one)?),
                    }
                }
                Json::Array(result)
            }
            Json::Object(fields) => {
                let mut result = Map::new();
                for (name, value) in fields {
                    result.insert(name.clone(), self.resolve(value)?);
                }
                Json::Object(result)
            }
            other => other.clone(),
        })
    }

    fn text(&self, text: &str) -> Result<Json, String> {
        let Some(start) = text.find('$') else {
            return Ok(json!(text));
        };
        let mut result = text[..start].to_owned();
        let mut rest = &text[start..];
        while let Some(at) = rest.find('$') {
            result.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                result.push('$');
                rest = after;
                continue;
            }
            let (value, after) = self.symbol(rest)?;
            // A symbol that stands alone keeps its type, and a number may be moved: `$epoch + 1`.
            if result.is_empty() && start == 0 {
                if after.is_empty() {
                    return Ok(value);
                }
                if let (Some(number), Some(moved)) = (value.as_i64(), offset(after)) {
                    return Ok(json!(number.wrapping_add(moved)));
                }
            }
            match value {
                Json::String(text) => result.push_str(&text),
                other => result.push_str(&other.to_string()),
            }
            rest = after;
        }
        result.push_str(rest);
        Ok(json!(result))
    }

    /// The value of the symbol at the beginning of `text` (behind its dollar), and what follows it.
    fn symbol<'t>(&self, text: &'t str) -> Result<(Json, &'t str), String> {
        let end = text
            .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
            .unwrap_or(text.len());
        let (name, mut rest) = text.split_at(end);
        let mut argument = "";
        if rest.starts_with('(') {
            let close = rest
                .find(')')
                .ok_or_else(|| format!("${text}: a parenthesis is open"))?;
            argument = &rest[1..close];
            rest = &rest[close + 1..];
        }
        let value = match name {
            "topic" => json!(self.name("topic", argument)),
            "group" => json!(self.name("group", argument)),
            "name" => json!(self.name("name", argument)),
            "repeat" => {
                let (piece, count) = argument
                    .split_once(',')
                    .ok_or_else(|| format!("$repeat({argument}): text and number are wanted"))?;
                let count = count
                    .trim()
                    .parse()
                    .map_err(|_| format!("repeat {count}"))?;
                json!(piece.repeat(count))
            }
            "topic_id" => self.value(&topic_id_symbol(argument))?,
            _ => self.value(name)?,
        };
        Ok((value, rest))
    }

    fn value(&self, name: &str) -> Result<Json, String> {
        self.values
            .get(name)
            .cloned()
            .ok_or_else(|| format!("${name} is not known"))
    }

    /// A name that no other run uses.
    pub(crate) fn name(&self, kind: &str, argument: &str) -> String {
        match argument {
            "" => format!("{}-{kind}", self.prefix),
            _ => format!("{}-{kind}-{argument}", self.prefix),
        }
    }
}

/// Under which name the id of a topic is kept.
pub(crate) fn topic_id_symbol(topic: &str) -> String {
    format!("topic_id({topic})")
}

fn repetition(json: &Json) -> Option<(&Json, &Json)> {
    let fields = json.as_object().filter(|fields| fields.len() == 2)?;
    Some((fields.get("repeat")?, fields.get("entry")?))
}

/// ` + 1` or ` - 1`.
fn offset(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, digits) = text.split_at_checked(1)?;
    let number: i64 = digits.trim().parse().ok()?;
    match sign {
        "+" => Some(number),
        "-" => Some(-number),
        _ => None,
    }
}
