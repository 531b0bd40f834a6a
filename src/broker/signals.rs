//! The signals that end the broker in order.
//!
//! SIGTERM and SIGINT always do. SIGHUP does too, as in Kafka: it says that the terminal is gone. But who was
//! started to outlive that (`nohup`) has it ignored, and it stays so.

use std::fs;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end the broker.
pub(super) struct Ends {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Option<Signal>,
}

impl Ends {
    /// From now on they no longer end the process at once.
    pub(super) fn taken() -> io::Result<Self> {
        let ignored = ignored_signals(&fs::read_to_string("/proc/self/status").unwrap_or_default());
        let hang_up = SignalKind::hangup();
        let is_ignored = ignored & signal_bit(hang_up) != 0;
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: if is_ignored {
                None
            } else {
                Some(signal(hang_up)?)
            },
        })
    }

    /// The name of the next one.
    pub(super) async fn next(&mut self) -> &'static str {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = hang_up => "SIGHUP",
        }
    }
}

/// The signals that this process ignores, a bit for each, as Linux tells.
fn ignored_signals(status: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

fn signal_bit(kind: SignalKind) -> u64 {
    1 << (kind.as_raw_value() - 1)
}

#[cfg(test)]
mod tests {
    use super::{SignalKind, ignored_signals, signal_bit};

    #[test]
    fn what_is_ignored_is_read_from_the_status() {
        let status = "Name:\tzurau\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n";
        let ignored = ignored_signals(status);
        assert_ne!(ignored & signal_bit(SignalKind::hangup()), 0);
        assert_eq!(ignored & signal_bit(SignalKind::terminate()), 0);
        assert_eq!(ignored_signals("Name:\tzurau\n"), 0);
    }
}
