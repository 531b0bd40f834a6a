//! Comparing what both brokers have written, as Kafka's own dump tool reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::chosen::Chosen;
use crate::comparison::Difference;

/// Fields of a batch by the dump tool's names for them, in its order.
type Batch = BTreeMap<String, String>;
/// Batches by the segment's path below the data directory.
type Dump = BTreeMap<String, Vec<Batch>>;

/// What must be the same in every batch. Producer ids are compared as pairs; checksums follow from the
/// rest, and cover timestamps that the broker may have set.
const FIELDS: &[&str] = &[
    "baseOffset",
    "lastOffset",
    "count",
    "baseSequence",
    "lastSequence",
    "producerEpoch",
    "partitionLeaderEpoch",
    "isTransactional",
    "isControl",
    "deleteHorizonMs",
    "position",
    "size",
    "magic",
    "compresscodec",
    "isvalid",
];

/// Compares the segments of all topics that cases have made. Returns what was compared and what differs
/// that is not chosen.
pub(crate) fn compare(
    classpath: &str,
    kafka: &Path,
    zurau: &Path,
    work: &Path,
    chosen: &Chosen,
) -> Result<(String, Vec<String>), String> {
    let theirs = dump(classpath, kafka, &work.join("kafka-dump"))?;
    let ours = dump(classpath, zurau, &work.join("zurau-dump"))?;
    let mut problems = Vec::new();
    let mut batches = 0;
    for segment in theirs.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
        let found = match (theirs.get(segment), ours.get(segment)) {
            (Some(one), Some(other)) => {
                batches += one.len();
                segments(segment, one, other)
            }
            (Some(_), None) => vec![format!("{segment}: only Kafka has it")],
            (None, _) => vec![format!("{segment}: only Zurau has it")],
        };
        if !found.is_empty() && !is_chosen(chosen, segment) {
            problems.extend(found);
        }
    }
    Ok((
        format!("{} segments, {batches} batches", theirs.len()),
        problems,
    ))
}

/// Whether the partition of this segment is one in which we differ on purpose.
fn is_chosen(chosen: &Chosen, segment: &str) -> bool {
    let (partition, _) = segment.split_once('/').unwrap_or((segment, ""));
    let whatever = Difference {
        field: partition.to_owned(),
        kafka: String::new(),
        zurau: String::new(),
    };
    chosen.explains("", "Disk", 0, &whatever)
}

fn segments(name: &str, kafka: &[Batch], zurau: &[Batch]) -> Vec<String> {
    let mut problems = Vec::new();
    if kafka.len() != zurau.len() {
        problems.push(format!(
            "{name}: kafka {} batches, zurau {}",
            kafka.len(),
            zurau.len()
        ));
    }
    let mut producers = BTreeMap::new();
    for (one, other) in kafka.iter().zip(zurau) {
        // Whatever follows a batch that differs lies elsewhere, too.
        if !problems.is_empty() {
            break;
        }
        let at = one.get("baseOffset").map_or("", String::as_str);
        let mut wrong = |field: &str| {
            let value = |batch: &Batch| {
                batch
                    .get(field)
                    .cloned()
                    .unwrap_or_else(|| "absent".to_owned())
            };
            problems.push(format!(
                "{name} batch {at} {field}: kafka {}, zurau {}",
                value(one),
                value(other)
            ));
        };
        for field in FIELDS {
            if one.get(*field) != other.get(*field) {
                wrong(field);
            }
        }
        let (Some(producer), Some(theirs)) = (one.get("producerId"), other.get("producerId"))
        else {
            wrong("producerId");
            continue;
        };
        if producers
            .entry(producer.clone())
            .or_insert_with(|| theirs.clone())
            != theirs
        {
            wrong("producerId");
        }
        // A marker of a transaction is the broker's own, with the time at which it was written.
        let is_marker = one.get("isControl").is_some_and(|value| value == "true");
        let sent_as_it_is = producer == theirs && one.contains_key("CreateTime") && !is_marker;
        if sent_as_it_is && one.get("crc") != other.get("crc") {
            wrong("crc");
        }
    }
    problems
}

/// Runs the dump tool once over all segments of a data directory.
fn dump(classpath: &str, data: &Path, work: &Path) -> Result<Dump, String> {
    let failed = |problem: &dyn std::fmt::Display| format!("{}: {problem}", data.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(data)
        .map_err(|error| failed(&error))?
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        // Internal topics hold what other runs do at the same time; deleted ones vanish some time.
        if name.starts_with("__") || name.ends_with("-delete") || !entry.path().is_dir() {
            continue;
        }
        for file in fs::read_dir(entry.path())
            .map_err(|error| failed(&error))?
            .flatten()
        {
            let path = file.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                files.push(path.display().to_string());
            }
        }
    }
    if files.is_empty() {
        return Ok(Dump::new());
    }
    // A command line could not hold them all; the launcher of Java reads a file instead.
    let arguments = work.with_extension("arguments");
    let text = format!(
        "-Xmx512m\n-XX:+UseSerialGC\n-XX:TieredStopAtLevel=1\n-cp\n\"{classpath}\"\n\
         org.apache.kafka.tools.DumpLogSegments\n--deep-iteration\n--files\n\"{}\"\n",
        files.join(",")
    );
    fs::write(&arguments, text).map_err(|error| failed(&error))?;
    let output = Command::new("java")
        .arg(format!("@{}", arguments.display()))
        .output()
        .map_err(|error| failed(&error))?;
    if !output.status.success() {
        return Err(failed(&String::from_utf8_lossy(&output.stderr)));
    }
    Ok(parsed(&String::from_utf8_lossy(&output.stdout), data))
}

fn parsed(output: &str, data: &Path) -> Dump {
    let mut dump = Dump::new();
    let mut current = None;
    for line in output.lines() {
        if let Some(file) = line.strip_prefix("Dumping ") {
            let name = Path::new(file)
                .strip_prefix(data)
                .unwrap_or_else(|_| Path::new(file));
            current = Some(dump.entry(name.display().to_string()).or_default());
        } else if line.starts_with("baseOffset: ") {
            let words: Vec<&str> = line.split_whitespace().collect();
            let pairs = words.chunks_exact(2);
            let batch = pairs
                .map(|pair| (pair[0].trim_end_matches(':').to_owned(), pair[1].to_owned()))
                .collect();
            if let Some(batches) = &mut current {
                batches.push(batch);
            }
        }
    }
    dump
}
