//! Isolation levels (KIP-98): the records that are visible to a reader.

/// Everything below the high watermark.
const READ_UNCOMMITTED: i8 = 0;
/// No records of open or aborted transactions.
pub(super) const READ_COMMITTED: i8 = 1;

/// Whether the number is valid. Kafka fails on an invalid one: its answer is `UNKNOWN_SERVER_ERROR`.
pub(super) const fn is_isolation_level(level: i8) -> bool {
    matches!(level, READ_UNCOMMITTED | READ_COMMITTED)
}
