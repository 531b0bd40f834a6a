//! What a service manager (systemd, with `Type=notify`) is told: how far the start is, that the broker serves,
//! that it stops. Without one, nothing is done.

use sd_notify::NotifyState;

use crate::partition::{ClosedLogs, OpenedLogs, RecoveryWatch};

/// Tells how far the logs are opened, and closed: `systemctl status` shows it.
#[derive(Debug)]
pub(super) struct StartStatus;

impl RecoveryWatch for StartStatus {
    fn logs_opened(&self, so_far: OpenedLogs<'_>) {
        tell(&[NotifyState::Status(&status(so_far))]);
    }

    fn logs_closed(&self, so_far: ClosedLogs<'_>) {
        tell(&[NotifyState::Status(&stop_status(so_far))]);
    }
}

fn status(so_far: OpenedLogs<'_>) -> String {
    let OpenedLogs {
        directory,
        opened,
        total,
        bytes_read,
    } = so_far;
    let directory = directory.display();
    format!("{opened} of {total} logs in {directory} are open, {bytes_read} bytes were checked")
}

fn stop_status(so_far: ClosedLogs<'_>) -> String {
    let ClosedLogs {
        directory,
        closed,
        total,
    } = so_far;
    let directory = directory.display();
    format!("stopping: {closed} of {total} logs in {directory} are synced and closed")
}

/// The broker serves.
pub(super) fn ready() {
    tell(&[NotifyState::Ready, NotifyState::Status("serving")]);
}

/// The broker stops.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager does not listen");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_status_is_for_people() {
        let so_far = OpenedLogs {
            directory: Path::new("/data"),
            opened: 3,
            total: 10,
            bytes_read: 4096,
        };
        assert_eq!(
            status(so_far),
            "3 of 10 logs in /data are open, 4096 bytes were checked"
        );
        let so_far = ClosedLogs {
            directory: Path::new("/data"),
            closed: 7,
            total: 10,
        };
        assert_eq!(
            stop_status(so_far),
            "stopping: 7 of 10 logs in /data are synced and closed"
        );
    }
}
