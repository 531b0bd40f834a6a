//! What a release of Kafka has that an earlier one has not, and what Zurau says to that: APIs, their versions and
//! fields, records, error codes, configurations and features.
//!
//! Messages and records come from the definitions in both releases' jars, configurations and features from running
//! brokers.

mod class_names;
mod facts;

use std::collections::BTreeMap;
use std::path::Path;

use crate::Options;
use crate::brokers::Broker;
use crate::client::Client;
use crate::definitions::Definitions;
use crate::release::Peer;
use crate::setup;
use facts::{Asked, Facts, Written};

/// Prints the news, each with what Zurau knows of it. It is there to be read: nothing of it is a failure.
pub(crate) fn print(options: &Options, earlier: &str) -> Result<bool, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol-tests/kafka-peer");
    let later = Peer::find(&folder, options.release.as_deref())?;
    let earlier = Peer::find(&folder, Some(earlier))?;
    if earlier.release >= later.release {
        return Err(format!(
            "Kafka {} is no earlier release than {}",
            earlier.name, later.name
        ));
    }
    let directory = tempfile::Builder::new()
        .prefix("zurau-conformance-")
        .tempdir()
        .map_err(|error| error.to_string())?;
    let asked = |peer: &Peer| {
        let launcher = folder.join("start-kafka");
        let mut kafka = Broker::kafka(&launcher, peer, &directory.path().join(&peer.name))?;
        let definitions = Definitions::read(peer.clients()?)?;
        let asked = Asked::of(&definitions, &kafka)?;
        kafka.stop()?;
        Ok::<_, String>(asked)
    };
    let (before, after) = (asked(&earlier)?, asked(&later)?);

    let definitions = Definitions::read(later.clients()?)?;
    let mut zurau = Broker::zurau(&options.zurau, &directory.path().join("zurau"))?;
    let spoken = setup::advertised(&Client {
        definitions: &definitions,
        address: &zurau.address(),
    })?;
    let known = Asked::of(&definitions, &zurau)?;
    zurau.stop()?;

    println!(
        "What Kafka {} has that {} has not, - what it has no more",
        later.name, earlier.name
    );
    let (written_before, written) = (Written::of(&earlier)?, Written::of(&later)?);
    changes("APIs", &written_before.apis, &written.apis, |name| {
        let api = name.split_whitespace().next().unwrap_or(name);
        Some(spoken.get(api).map_or_else(not_served, |range| {
            format!("Zurau: versions {}-{}", range.low, range.high)
        }))
    });
    let silent = |_: &str| None;
    let fields = (&written_before.api_fields, &written.api_fields);
    changes("fields of APIs", fields.0, fields.1, silent);
    let (before_records, records) = (&written_before.records, &written.records);
    changes(
        "records and other messages",
        before_records,
        records,
        silent,
    );
    let fields = (&written_before.record_fields, &written.record_fields);
    changes(
        "fields of records and other messages",
        fields.0,
        fields.1,
        silent,
    );
    changes(
        "error codes",
        &written_before.errors,
        &written.errors,
        silent,
    );
    let zuraus = |facts: &Facts, name: &str| {
        let fact = facts.get(name).map(|fact| format!("Zurau: {fact}"));
        Some(fact.unwrap_or_else(not_served))
    };
    let (old, new) = (&before.configurations, &after.configurations);
    changes("configurations", old, new, |name| {
        zuraus(&known.configurations, name)
    });
    changes("features", &before.features, &after.features, |name| {
        zuraus(&known.features, name)
    });
    Ok(true)
}

fn not_served() -> String {
    "not served by Zurau".to_owned()
}

/// Prints what is new, different and gone.
fn changes(
    what: &str,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
    zurau: impl Fn(&str) -> Option<String>,
) {
    println!("\n{what}");
    let remark = |name: &str| zurau(name).map_or_else(String::new, |text| format!("; {text}"));
    let mut count = 0;
    for (name, fact) in after {
        match before.get(name) {
            Some(old) if old == fact => continue,
            Some(old) => println!("  ~ {name}: {fact} (it was {old}){}", remark(name)),
            None => println!("  + {name}: {fact}{}", remark(name)),
        }
        count += 1;
    }
    for (name, fact) in before.iter().filter(|(name, _)| !after.contains_key(*name)) {
        println!("  - {name}: {fact}{}", remark(name));
        count += 1;
    }
    if count == 0 {
        println!("  nothing");
    }
}
