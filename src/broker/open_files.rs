//! The process's limit of open files, which logs and connections share.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one, as Java does: the soft limit guards programs that keep
/// descriptors in bit sets, and this one does not. Returns the limit; `None` is no limit.
pub(super) fn raise_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files cannot be raised");
            limit.current
        }
    }
}

/// How many files the logs may keep open after their use: a quarter of the descriptors. Another quarter is for
/// what is opened for a moment.
pub(super) fn kept_files(limit: Option<u64>) -> usize {
    let quarter = limit.and_then(|limit| usize::try_from(limit / 4).ok());
    quarter.unwrap_or(usize::MAX)
}

/// How many connections there may be when `wanted` are configured: at most half of the descriptors,
/// so that a crowd of clients cannot keep the logs from opening their files.
pub(super) fn connections(wanted: usize, limit: Option<u64>) -> usize {
    let half = limit.and_then(|limit| usize::try_from(limit / 2).ok());
    wanted.min(half.unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::{connections, kept_files};

    #[test]
    fn connections_leave_half_of_the_descriptors_to_the_logs() {
        assert_eq!(connections(1_000_000, Some(1024)), 512);
        assert_eq!(connections(100, Some(1024)), 100);
        assert_eq!(connections(100, None), 100);
        assert_eq!(
            (kept_files(Some(1024)), kept_files(None)),
            (256, usize::MAX)
        );
    }
}
