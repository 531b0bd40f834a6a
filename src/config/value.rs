//! Values: from text to canonical text, and from that to Rust's types.
//!
//! These are two steps, since most values are stored and shown as text, and only few are read as numbers.
//! [`Definition::canonical`] checks a text and writes it as Kafka shows it; [`FromValue`] reads a text that has been
//! checked. The texts of refusals are Kafka's own.

use std::collections::HashSet;

use super::InvalidConfig;
use super::definitions::{Allowed, Definition, Kind, Scope};

impl Definition {
    /// Checks `text` against type and range and returns its canonical form, or the reason why it cannot be
    /// used (Kafka's text, to follow "Invalid value x for configuration y:").
    pub fn canonical(&self, text: &str) -> Result<String, String> {
        let text = text.trim();
        match self.kind {
            Kind::Boolean => canonical_boolean(text),
            Kind::Short | Kind::Int | Kind::Long => self.canonical_whole(text),
            Kind::Double => self.canonical_double(text),
            Kind::List => self.canonical_list(text),
            Kind::String | Kind::Class => match self.allowed {
                Allowed::OneOf(words) => one_of(text, words).map(|()| text.to_owned()),
                Allowed::OneOfAnyCase(words) => {
                    one_of(&text.to_lowercase(), words).map(|()| text.to_owned())
                }
                _ => Ok(text.to_owned()),
            },
            Kind::Password => Ok(text.to_owned()),
        }
    }

    /// The same, but the error is Kafka's whole sentence. Kafka names what it has parsed: the number, or the wrong
    /// item of a list.
    pub(super) fn checked(&self, text: &str) -> Result<String, InvalidConfig> {
        self.canonical(text)
            .map_err(|reason| InvalidConfig(self.refusal(text, &reason)))
    }

    fn refusal(&self, text: &str, reason: &str) -> String {
        let name = self.name;
        let items = list_items(text);
        let shown = match (self.kind, self.allowed) {
            (Kind::List, _) if items.iter().any(|item| item.is_empty()) => {
                return format!("Configuration '{name}' values must not be empty.");
            }
            (Kind::List, Allowed::ListOf(words) | Allowed::SomeOf(words)) => {
                let wrong = items.into_iter().find(|item| !words.contains(item));
                wrong.unwrap_or(text).to_owned()
            }
            (Kind::List, Allowed::ThrottledReplicas) => {
                let items = items.join(", ");
                return format!(
                    "Invalid value [{items}] for configuration {name}: {name} must be the literal '*' or a \
                     list of replicas in the following format: \
                     [partitionId]:[brokerId],[partitionId]:[brokerId],..."
                );
            }
            (Kind::Double, _) => match text.trim().parse::<f64>() {
                Ok(number) => format!("{number:?}"),
                Err(_) => text.to_owned(),
            },
            _ => text.to_owned(),
        };
        format!("Invalid value {shown} for configuration {name}: {reason}")
    }

    /// What a value must be, as the cure in an error message ("use ...").
    pub fn expectation(&self) -> String {
        match (self.kind, self.allowed) {
            (Kind::Boolean, _) => "true or false".to_owned(),
            (Kind::Long, Allowed::Range(least, i64::MAX)) => {
                format!("a whole number of at least {least}")
            }
            (_, Allowed::Range(least, greatest)) => {
                let greatest = greatest.min(self.whole_bounds().1);
                format!("a whole number from {least} to {greatest}")
            }
            (_, Allowed::RangeOr(least, greatest, other)) => {
                format!("a whole number from {least} to {greatest}, or {other}")
            }
            (_, Allowed::Fraction) => "a number from 0 to 1".to_owned(),
            (_, Allowed::OneOf(words) | Allowed::OneOfAnyCase(words)) => {
                format!("one of {}", words.join(", "))
            }
            (_, Allowed::ListOf(words)) => {
                format!("a list of {} without repetitions", words.join(", "))
            }
            (_, Allowed::SomeOf(words)) => {
                let words = words.join(", ");
                format!("a list of at least one of {words}, without repetitions")
            }
            (_, Allowed::NonEmptyList) => "a list of at least one, without repetitions".to_owned(),
            (_, Allowed::DistinctList) => "a list without repetitions".to_owned(),
            (_, Allowed::ThrottledReplicas) => "* or a list of partition:broker".to_owned(),
            (Kind::Short | Kind::Int | Kind::Long, Allowed::Any) => {
                let (least, greatest) = self.whole_bounds();
                format!("a whole number from {least} to {greatest}")
            }
            (Kind::Double, Allowed::Any) => "a number".to_owned(),
            (_, Allowed::Any) => "a text".to_owned(),
        }
    }

    fn whole_bounds(&self) -> (i64, i64) {
        match self.kind {
            Kind::Short => (i16::MIN.into(), i16::MAX.into()),
            Kind::Int => (i32::MIN.into(), i32::MAX.into()),
            _ => (i64::MIN, i64::MAX),
        }
    }

    fn canonical_whole(&self, text: &str) -> Result<String, String> {
        let (least, greatest) = self.whole_bounds();
        let number = text
            .parse::<i64>()
            .ok()
            .filter(|number| (least..=greatest).contains(number))
            .ok_or_else(|| format!("Not a number of type {}", self.kind))?;
        match self.allowed {
            Allowed::Range(least, _) if number < least => {
                Err(format!("Value must be at least {least}"))
            }
            Allowed::Range(_, greatest) if number > greatest => {
                Err(format!("Value must be no more than {greatest}"))
            }
            Allowed::RangeOr(least, greatest, other)
                if number != other && !(least..=greatest).contains(&number) =>
            {
                Err(format!(
                    "Value must be between {least} and {greatest} or equal to {other}"
                ))
            }
            _ => Ok(number.to_string()),
        }
    }

    fn canonical_double(&self, text: &str) -> Result<String, String> {
        let number = text
            .parse::<f64>()
            .ok()
            .filter(|number| !number.is_nan())
            .ok_or_else(|| format!("Not a number of type {}", self.kind))?;
        match self.allowed {
            Allowed::Fraction if number < 0.0 => Err("Value must be at least 0".to_owned()),
            Allowed::Fraction if number > 1.0 => Err("Value must be no more than 1".to_owned()),
            _ => Ok(as_java_writes(number)),
        }
    }

    fn canonical_list(&self, text: &str) -> Result<String, String> {
        let mut items = list_items(text);
        if self.scope == Scope::Topic {
            // For topics Kafka accepts repetitions, since older releases have stored them.
            let mut seen = HashSet::new();
            items.retain(|item| item.is_empty() || seen.insert(*item));
        }
        if let Some(item) = items
            .iter()
            .enumerate()
            .find_map(|(index, item)| items[..index].contains(item).then_some(item))
        {
            return Err(format!("Duplicate value {item}"));
        }
        match self.allowed {
            Allowed::NonEmptyList | Allowed::SomeOf(_) if items.is_empty() => {
                return Err("List must not be empty".to_owned());
            }
            Allowed::ListOf(words) | Allowed::SomeOf(words) => {
                items.iter().try_for_each(|item| one_of(item, words))?;
            }
            Allowed::ThrottledReplicas
                if items != ["*"] && !items.iter().all(|item| is_replica(item)) =>
            {
                return Err("Must be * or a list of partition:broker".to_owned());
            }
            _ => {}
        }
        if items.iter().any(|item| item.is_empty()) {
            return Err("List must not contain empty values".to_owned());
        }
        Ok(items.join(","))
    }
}

fn canonical_boolean(text: &str) -> Result<String, String> {
    if text.eq_ignore_ascii_case("true") {
        Ok("true".to_owned())
    } else if text.eq_ignore_ascii_case("false") {
        Ok("false".to_owned())
    } else {
        Err("Expected value to be either true or false".to_owned())
    }
}

fn one_of(text: &str, words: &[&str]) -> Result<(), String> {
    if words.contains(&text) {
        Ok(())
    } else {
        Err(format!("String must be one of: {}", words.join(", ")))
    }
}

/// Whether `item` is `partition:broker`.
fn is_replica(item: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    item.split_once(':')
        .is_some_and(|(partition, broker)| is_number(partition) && is_number(broker))
}

/// The items of a list.
pub(super) fn list_items(text: &str) -> Vec<&str> {
    if text.trim().is_empty() {
        Vec::new()
    } else {
        text.split(',').map(str::trim).collect()
    }
}

/// A type as which a checked value can be read. A null value is `None`.
pub(super) trait FromValue: Sized {
    /// Whether this type holds every value of the setting, and null if it may be null.
    #[cfg(test)]
    fn suits(definition: &Definition) -> bool;

    /// The value, or `None` if the text is not of this type, which the definition rules out.
    fn from_value(text: Option<&str>) -> Option<Self>;
}

macro_rules! read_by_parsing {
    ($($type:ty => $($kind:ident)|+,)*) => { $(
        impl FromValue for $type {
            #[cfg(test)]
            fn suits(definition: &Definition) -> bool {
                matches!(definition.kind, $(Kind::$kind)|+) && definition.default.is_some()
            }

            fn from_value(text: Option<&str>) -> Option<Self> {
                text?.parse().ok()
            }
        }
    )* };
}

read_by_parsing! {
    bool => Boolean,
    i16 => Short,
    i32 => Int,
    i64 => Long,
    f64 => Double,
    String => String | Class,
}

impl FromValue for Vec<String> {
    #[cfg(test)]
    fn suits(definition: &Definition) -> bool {
        definition.kind == Kind::List && definition.default.is_some()
    }

    fn from_value(text: Option<&str>) -> Option<Self> {
        Some(list_items(text?).into_iter().map(str::to_owned).collect())
    }
}

impl<T: FromValue> FromValue for Option<T> {
    #[cfg(test)]
    fn suits(definition: &Definition) -> bool {
        definition.default.is_none()
            && T::suits(&Definition {
                default: Some(""),
                ..*definition
            })
    }

    fn from_value(text: Option<&str>) -> Option<Self> {
        match text {
            None => Some(None),
            Some(text) => T::from_value(Some(text)).map(Some),
        }
    }
}

/// A double as Java writes it: at least one digit after the point, and an exponent for very large and very small
/// numbers.
fn as_java_writes(number: f64) -> String {
    let magnitude = number.abs();
    if magnitude.is_infinite() {
        let sign = if number < 0.0 { "-" } else { "" };
        return format!("{sign}Infinity");
    }
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return format!("{number:?}");
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{exponent}")
}

#[cfg(test)]
mod tests {
    use crate::config::definitions;

    fn topic(name: &str, value: &str) -> Result<String, String> {
        definitions::topic(name).unwrap().canonical(value)
    }

    #[test]
    fn values_are_written_as_kafka_shows_them() {
        assert_eq!(topic("preallocate", " TRUE ").as_deref(), Ok("true"));
        assert_eq!(topic("retention.ms", "+0007").as_deref(), Ok("7"));
        assert_eq!(
            topic("min.cleanable.dirty.ratio", "1").as_deref(),
            Ok("1.0")
        );
        assert_eq!(
            topic("cleanup.policy", " delete , compact").as_deref(),
            Ok("delete,compact")
        );
        assert_eq!(topic("cleanup.policy", "").as_deref(), Ok(""));
        assert_eq!(topic("compression.gzip.level", "-1").as_deref(), Ok("-1"));
    }

    #[test]
    fn wrong_values_are_refused_in_kafkas_words() {
        let refusal = |name, value| topic(name, value).unwrap_err();
        assert_eq!(refusal("retention.ms", "abc"), "Not a number of type LONG");
        assert_eq!(
            refusal("retention.ms", "9223372036854775808"),
            "Not a number of type LONG"
        );
        assert_eq!(refusal("retention.ms", "-2"), "Value must be at least -1");
        assert_eq!(
            refusal("segment.bytes", "2147483648"),
            "Not a number of type INT"
        );
        assert_eq!(
            refusal("compression.lz4.level", "18"),
            "Value must be no more than 17"
        );
        assert_eq!(
            refusal("preallocate", "yes"),
            "Expected value to be either true or false"
        );
        assert_eq!(
            refusal("min.cleanable.dirty.ratio", "NaN"),
            "Not a number of type DOUBLE"
        );
        assert_eq!(
            refusal("cleanup.policy", "delet"),
            "String must be one of: compact, delete"
        );
        assert_eq!(topic("cleanup.policy", "delete,delete").unwrap(), "delete");
        let broker = definitions::broker("log.cleanup.policy").unwrap();
        let twice = broker.canonical("delete,delete").unwrap_err();
        assert_eq!(twice, "Duplicate value delete");
        assert_eq!(
            refusal("leader.replication.throttled.replicas", "1:2,x"),
            "Must be * or a list of partition:broker"
        );
    }
    #[test]
    fn what_was_read_is_named_in_the_refusal() {
        let refusal = |name, value: &str| {
            let definition = definitions::topic(name).unwrap();
            definition.checked(value).unwrap_err().0
        };
        assert_eq!(
            refusal("cleanup.policy", "delete,wrong"),
            "Invalid value wrong for configuration cleanup.policy: String must be one of: compact, delete"
        );
        assert_eq!(
            refusal("cleanup.policy", "delete,"),
            "Configuration 'cleanup.policy' values must not be empty."
        );
        assert_eq!(
            refusal("min.cleanable.dirty.ratio", "2"),
            "Invalid value 2.0 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"
        );
    }

    #[test]
    fn doubles_are_written_as_java_writes_them() {
        for (number, text) in [
            (0.5, "0.5"),
            (1.0, "1.0"),
            (0.0, "0.0"),
            (-2.5, "-2.5"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (9_999_999.0, "9999999.0"),
            (10_000_000.0, "1.0E7"),
            (12_345_678.9, "1.23456789E7"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(super::as_java_writes(number), text);
        }
    }
}
