//! Which cases run in which versions.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::cases::Case;
use crate::definitions::{Definitions, Field, Kind, Message};
use crate::execution::{Run, Versions};
use crate::patterns::matches;
use crate::release::Release;

/// What was asked for on the command line.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) quick: bool,
    /// Names or patterns of APIs or cases; none means all.
    pub(crate) names: Vec<String>,
}

impl Wanted {
    pub(crate) fn includes(&self, case: &Case) -> bool {
        let full_name = case.full_name();
        self.names.is_empty()
            || self
                .names
                .iter()
                .any(|name| matches(name, &case.api) || matches(name, &full_name))
    }

    /// Whether nothing is left out, so that what is missing or unused is an error.
    pub(crate) fn is_everything(&self) -> bool {
        !self.quick && self.names.is_empty()
    }
}

/// The runs of these cases, those that must run alone first.
pub(crate) fn runs<'a>(
    cases: &'a [Case],
    wanted: &Wanted,
    versions: &Versions,
    definitions: &Definitions,
    release: &Release,
) -> Result<Vec<Run<'a>>, String> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = i64::try_from(now.as_millis()).unwrap_or_default();
    let mut runs = Vec::new();
    let known = cases.iter().filter(|case| case.is_known_to(release));
    for case in known.filter(|case| wanted.includes(case)) {
        let range = versions
            .get(&case.api)
            .ok_or_else(|| format!("the brokers have no version of {} in common", case.api))?;
        let request = definitions.request(&case.api)?;
        let response = definitions.response(&case.api)?;
        let before = runs.len();
        let all: Vec<i16> = (range.low..=range.high)
            .filter(|version| case.is_for(*version))
            .collect();
        for version in all.iter().copied() {
            let at_an_end = all.first() == Some(&version) || all.last() == Some(&version);
            // A sequence in every version is for the full run.
            let changes =
                case.steps.len() == 1 && (changed(request, version) || changed(response, version));
            if !wanted.quick || at_an_end || changes {
                runs.push(Run { case, version, now });
            }
        }
        // Another release of Kafka has them.
        let is_newer = !(0..=request.valid.high).any(|version| case.is_for(version));
        if runs.len() == before && !is_newer {
            return Err(format!(
                "{}: none of its versions is spoken",
                case.full_name()
            ));
        }
    }
    runs.sort_by_key(|run| !run.case.alone);
    Ok(runs)
}

/// Whether this version of a message looks different from the one before.
fn changed(message: &Message, version: i16) -> bool {
    message.flexible.low == version || fields_changed(&message.fields, version)
}

fn fields_changed(fields: &[Field], version: i16) -> bool {
    fields.iter().any(|field| {
        let appears = |versions: crate::definitions::Versions| {
            versions.low == version || versions.high == version - 1
        };
        appears(field.versions) || appears(field.nullable) || kind_changed(&field.kind, version)
    })
}

fn kind_changed(kind: &Kind, version: i16) -> bool {
    match kind {
        Kind::List(element) => kind_changed(element, version),
        Kind::Struct(fields) => fields_changed(fields, version),
        _ => false,
    }
}
