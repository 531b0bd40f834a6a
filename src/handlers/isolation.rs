//! Isolation levels (KIP-98): which records a reader wants to see.

/// Everything below the high watermark.
const READ_UNCOMMITTED: i8 = 0;
/// Nothing of transactions that are open or aborted.
pub(super) const READ_COMMITTED: i8 = 1;

/// Whether the number means something. Kafka fails over one that does not: its answer is
/// `UNKNOWN_SERVER_ERROR`.
pub(super) const fn is_isolation_level(level: i8) -> bool {
    matches!(level, READ_UNCOMMITTED | READ_COMMITTED)
}
