//! The scenarios for the rust `rdkafka` crate. SCENARIO in the environment names the one to run.

mod admin;
mod errors;
mod group;
mod offsets;
mod records;
mod session;

fn main() {
    match std::env::var("SCENARIO").unwrap_or_default().as_str() {
        "records" => records::records(),
        "codecs" => records::codecs(),
        "idempotent" => records::idempotent(),
        "group-range" => group::members_come_and_go("range"),
        "group-cooperative-sticky" => group::members_come_and_go("cooperative-sticky"),
        "commits" => offsets::commits(),
        "positions" => offsets::positions(),
        "admin" => admin::topics_and_groups(),
        "errors" => errors::errors(),
        "without-auto-create" => errors::without_auto_create(),
        unknown => panic!("there is no scenario {unknown:?}"),
    }
}
