//! How far one change may move a setting. These are Kafka's rules. They apply to changes only: at its start a broker
//! takes any valid value.

use crate::config::InvalidConfig;
use crate::config::broker::BrokerConfig;

/// The buffer of keys of one cleaner thread must be larger than this.
const LEAST_MAP_BYTES: i64 = 1024 * 1024;

/// Checks whether the configuration may change from `now` to `next`.
pub(super) fn check(now: &BrokerConfig, next: &BrokerConfig) -> Result<(), InvalidConfig> {
    let fail = |text: String| {
        Err(InvalidConfig(format!(
            "Invalid dynamic configuration: {text}"
        )))
    };
    for (name, now, next) in [
        (
            "num.network.threads",
            now.num_network_threads,
            next.num_network_threads,
        ),
        ("num.io.threads", now.num_io_threads, next.num_io_threads),
        (
            "num.recovery.threads.per.data.dir",
            now.num_recovery_threads_per_data_dir,
            next.num_recovery_threads_per_data_dir,
        ),
        (
            "background.threads",
            now.background_threads,
            next.background_threads,
        ),
        (
            "log.cleaner.threads",
            now.log_cleaner_threads,
            next.log_cleaner_threads,
        ),
    ] {
        let (least, most) = ((now / 2).max(1), now.max(1).saturating_mul(2));
        if now != next && !(least..=most).contains(&next) {
            return fail(format!(
                "{name} cannot change from {now} to {next} at once: one change can at most double or halve a \
                 number of threads, so use {least} to {most}"
            ));
        }
    }
    for (name, now, next) in [
        ("max.connections", now.max_connections, next.max_connections),
        (
            "max.connection.creation.rate",
            now.max_connection_creation_rate,
            next.max_connection_creation_rate,
        ),
    ] {
        if now != next && next < 1 {
            return fail(format!("{name} cannot be {next}: use at least 1"));
        }
    }
    let map_bytes = |config: &BrokerConfig| {
        config.log_cleaner_dedupe_buffer_size / i64::from(config.log_cleaner_threads.max(1))
    };
    if map_bytes(now) != map_bytes(next) && map_bytes(next) <= LEAST_MAP_BYTES {
        return fail(format!(
            "log.cleaner.dedupe.buffer.size ({}) must be more than 1 MiB for each of log.cleaner.threads ({})",
            next.log_cleaner_dedupe_buffer_size, next.log_cleaner_threads
        ));
    }
    Ok(())
}
