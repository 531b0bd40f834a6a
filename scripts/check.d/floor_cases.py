"""What scripts/check-floors --self-test shows to it: a tree without fault, and one fault of each kind."""

CLEAN = {
    "lib.rs": "pub mod base;\n",
    "log/mod.rs": "//! Not tokio.\nuse crate::base::Offset; // crate::handlers\nconst A: &str = \"crate::cluster\";\n"
                  "#[cfg(test)]\nmod tests {\n    use super::super::record::B;\n    fn f() { tokio::x(); sleep(1) }\n}\n"
                  "#[cfg(test)]\nmod fixture;\nfn g<'a>(_: &'a str) -> char { '\"' }\n",
    "log/fixture.rs": "use kafka_protocol::A;\nuse std::time::Instant;\nfn now() { Instant::now(); }\n" + "\n" * 900,
    "handlers/a.rs": "use crate::{metrics::M, partition::{P, cluster}, config};\nfn f() -> [u8; 2] { [0; 2] }\n",
    "record/a.rs": "use crate::metrics::Counter;\n",
}

CAUGHT = [  # a file, its text, and what must be said of it
    ("log/a.rs", "use crate::log::B;\nuse crate::metadata::Image;", "a.rs:2: log (floor 2) imports metadata (floor 3)"),
    ("cluster/a.rs", "use crate::{base::C, partition::{self, P}};", "imports partition"),
    ("cli/a.rs", "fn f() { crate::broker::run() }", "imports broker"),
    ("base/a.rs", "use crate::metrics::M;", "imports metrics"),
    ("log/b/c.rs", "use super::super::super::handlers::H;", "imports handlers"),
    ("group/a.rs", "#[cfg(test)]\nmod tests {\n use crate::coordinator::Host;\n}", "a.rs:3: group (floor 4) imports"),
    ("record/a.rs", "use crate::misc::A;", "misc is no room"),
    ("misc/a.rs", "", "room misc has no floor"),
    ("log/a.rs", "#[cfg(test)]\nuse tokio::a;\nuse tokio::b;", "a.rs:3: tokio in log"),
    ("coordinator/a.rs", "use kafka_protocol::A;", "kafka_protocol in coordinator"),
    ("txn/a.rs", "fn f() { SystemTime::now() }", "SystemTime::now in txn"),
    ("log/a.rs", "fn f() { rand::random() }", "rand:: in log"),
    ("controller/a.rs", "fn f() { KafkaUuid::random() }", "KafkaUuid::random in controller"),
    ("group/a.rs", "use std::fs::File;", "std::fs in group"),
    ("handlers/a.rs", "use std::fs;", "std::fs in handlers"),
    ("handlers/a.rs", "use std::sync::Mutex;", "Mutex in handlers"),
    ("handlers/a.rs", "fn f() { tokio::task::spawn_blocking(g) }", "spawn_blocking in handlers"),
    ("partition/a.rs", "fn f() { tokio::time::sleep(a).await }", "sleep( in partition"),
    ("wire/a.rs", "use kafka_protocol::records::RecordBatchDecoder;", "RecordBatchDecoder in wire"),
    ("wire/a.rs", "\n" * 801, "801 lines outside tests"),
    ("wire/a.rs", "fn long() {" + "\n" * 120 + "}", "fn long has 121 lines"),
]
