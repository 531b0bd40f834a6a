//! Fuzz targets: bytes as they come from clients and from disks, tried by the hundred thousand.
//!
//! All targets are one program, which builds in a quarter of the time; `FUZZ_TARGET` names the one that
//! runs. `protocol-tests/fuzz/run` builds it with the coverage that guides the engine, and starts it.
//!
//! A target fails by panicking, by taking more memory or time than it is given, or where what it read is not
//! what it reads again. Each takes the bytes of the thing itself where that is possible, so that any
//! file of that kind is a seed; where more is needed, [`input`] says how it is put in front.

#![no_main]

mod batches;
mod codecs;
mod groups;
mod indexes;
mod input;
mod metadata;
mod replica;
mod small_files;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

type Target = fn(&[u8]);

/// protocol-tests/fuzz/run reads the names off these lines.
const TARGETS: &[(&str, Target)] = &[
    ("batch", batches::batch),
    ("record", batches::record),
    ("produce", batches::produce),
    ("gzip", codecs::gzip),
    ("snappy", codecs::snappy),
    ("lz4", codecs::lz4),
    ("zstd", codecs::zstd),
    ("offset-index", indexes::offset_index),
    ("time-index", indexes::time_index),
    ("producer-snapshot", small_files::producer_snapshot),
    ("offset-checkpoint", small_files::offset_checkpoint),
    (
        "leader-epoch-checkpoint",
        small_files::leader_epoch_checkpoint,
    ),
    ("meta-properties", small_files::meta_properties),
    ("partition-metadata", small_files::partition_metadata),
    ("replica-directory", replica::directory),
    ("metadata-record", metadata::record),
    ("metadata-log", metadata::log),
    ("group-records", groups::records),
];

/// The target that the environment names.
fn chosen() -> Target {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    found
        .unwrap_or_else(|| panic!("FUZZ_TARGET is {name:?}, which is no target"))
        .1
}

fuzz_target!(|bytes: &[u8]| {
    static TARGET: OnceLock<Target> = OnceLock::new();
    TARGET.get_or_init(chosen)(bytes);
});
