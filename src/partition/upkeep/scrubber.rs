//! A thread that slowly reads all segments of all partitions from time to time, to find data that has changed on disk
//! since it was written ([`ViewedSegment::scrub`]).
//!
//! ```text
//!   start --delay--> round ......... | rest until an interval after its begin | round ...
//!                    segment by segment, so many bytes a second
//! ```
//! A round reads the segments that exist when it reaches a partition. Data that was deleted, truncated or compacted
//! during the read is no finding: a finding counts only if the partition still has that very segment.
//!
//! The state of scrubbing is kept in memory only: the first round begins soon after the start.
//!
//! A finding is reported once, as long as it stays, and the partition continues to serve: consumers check the
//! checksum of what they get, as in Kafka, and all other batches are good. The thread sleeps between rounds and
//! between reads; the end of hosting wakes it.

use std::cell::Cell;
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::base::TopicId;
use crate::config::ScrubConfig;
use crate::log::{Finding, Scrubbed, ViewedSegment};
use crate::partition::environment::Environment;
use crate::partition::hosting::places::Places;
use crate::partition::replica::Replica;

use super::workers::{Signal, Workers};

/// What was scrubbed since the start.
#[derive(Debug, Default)]
pub(in crate::partition) struct ScrubCounts {
    /// Completed rounds.
    pub(in crate::partition) rounds: AtomicU64,
    /// Completely read segments.
    pub(in crate::partition) segments: AtomicU64,
    /// Bytes that were read.
    pub(in crate::partition) bytes: AtomicU64,
    /// Damaged places, each counted once.
    pub(in crate::partition) findings: AtomicU64,
}

/// Starts the scrubber, if it is enabled.
pub(in crate::partition) fn start(
    environment: &Environment,
    places: &Arc<Places>,
    counts: Arc<ScrubCounts>,
) -> std::io::Result<Option<Workers>> {
    let scrubbing = environment.settings().scrub();
    if scrubbing.bytes_per_second == 0 {
        return Ok(None);
    }
    let (environment, places) = (environment.clone(), Arc::clone(places));
    let scrubber = Workers::start_one("scrubber".to_owned(), move |signal| {
        let mut rounds = Rounds {
            environment,
            places,
            counts,
            pace: Pace::new(scrubbing.bytes_per_second, signal),
            known: HashSet::new(),
        };
        rounds.run(scrubbing);
    });
    scrubber.map(Some)
}

/// Identifies a finding, so that it is reported once.
type Known = (TopicId, PathBuf, u64);

struct Rounds<'a> {
    environment: Environment,
    places: Arc<Places>,
    counts: Arc<ScrubCounts>,
    pace: Pace<'a>,
    /// Findings of the last round, and of this one.
    known: HashSet<Known>,
}

impl Rounds<'_> {
    fn run(&mut self, scrubbing: ScrubConfig) {
        let mut rest = scrubbing.initial_delay.min(scrubbing.interval);
        while self.pace.wait(rest).is_continue() {
            let begun = Instant::now();
            if self.round().is_break() {
                return;
            }
            rest = scrubbing.interval.saturating_sub(begun.elapsed());
        }
    }

    fn round(&mut self) -> ControlFlow<()> {
        let begun = Instant::now();
        let bytes_before = self.counts.bytes.load(Ordering::Relaxed);
        let mut replicas = self.places.all();
        replicas.sort_unstable_by(|one, other| one.topic_partition().cmp(other.topic_partition()));
        // with frequent restarts all partitions are still reached, since rounds begin at different ones
        let first = self.environment.now().0.unsigned_abs() % replicas.len().max(1) as u64;
        replicas.rotate_left(usize::try_from(first).unwrap_or(0));
        // a round may take days: it does not keep deleted partitions in memory
        let replicas: Vec<Weak<Replica>> = replicas.iter().map(Arc::downgrade).collect();
        let mut found = HashSet::new();
        for replica in replicas {
            if let Some(replica) = replica.upgrade() {
                self.scrub(&replica, &mut found)?;
            }
        }
        self.known = found;
        let counts = &self.counts;
        counts.rounds.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(
            bytes = counts.bytes.load(Ordering::Relaxed) - bytes_before,
            damaged = self.known.len(),
            seconds = begun.elapsed().as_secs(),
            "scrubbed all segments"
        );
        ControlFlow::Continue(())
    }

    fn scrub(&mut self, replica: &Replica, found: &mut HashSet<Known>) -> ControlFlow<()> {
        let segments: Vec<ViewedSegment> = replica.published().view.segments().collect();
        for segment in segments {
            if replica.directory().is_offline() {
                return ControlFlow::Continue(());
            }
            let counts = &self.counts;
            let pace = |bytes| {
                counts.bytes.fetch_add(bytes, Ordering::Relaxed);
                self.pace.note(bytes)
            };
            match segment.scrub(&pace) {
                Scrubbed::Stopped => return ControlFlow::Break(()),
                Scrubbed::Gone => {}
                Scrubbed::NotOpened(error) => {
                    tracing::debug!(partition = %replica.topic_partition(), %error, "segment not scrubbed");
                }
                Scrubbed::Whole(findings) => {
                    counts.segments.fetch_add(1, Ordering::Relaxed);
                    if !findings.is_empty() && self.is_current(replica, &segment) {
                        self.tell(replica, findings, found);
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Whether the partition is still here and has this very segment.
    fn is_current(&self, replica: &Replica, segment: &ViewedSegment) -> bool {
        let partition = replica.topic_partition().partition;
        let hosted = self.places.find(replica.topic_id(), partition);
        hosted.is_ok_and(|hosted| {
            std::ptr::eq(&raw const *hosted, replica) && hosted.published().view.has(segment)
        })
    }

    fn tell(&mut self, replica: &Replica, findings: Vec<Finding>, found: &mut HashSet<Known>) {
        for finding in findings {
            let key = (replica.topic_id(), finding.path.clone(), finding.position);
            if self.known.insert(key.clone()) {
                self.counts.findings.fetch_add(1, Ordering::Relaxed);
                tracing::error!(
                    partition = %replica.topic_partition(),
                    offset = finding.offset.0,
                    before = finding.end.0,
                    file = %finding.path.display(),
                    position = finding.position,
                    reason = finding.reason,
                    "damaged on disk: the data differs from what was written; the rest of the partition is still served"
                );
            }
            found.insert(key);
        }
    }
}

/// The read rate, which also stops the reads at the end.
struct Pace<'a> {
    bytes_per_second: u64,
    signal: &'a Signal,
    /// The earliest time at which the bytes read so far may have been read.
    due: Cell<Instant>,
}

impl<'a> Pace<'a> {
    fn new(bytes_per_second: u64, signal: &'a Signal) -> Self {
        Self {
            bytes_per_second: bytes_per_second.max(1),
            signal,
            due: Cell::new(Instant::now()),
        }
    }

    /// Waits as long as these bytes take at the pace.
    fn note(&self, bytes: u64) -> ControlFlow<()> {
        let now = Instant::now();
        let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second);
        let takes = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        // a pause is not made up for
        let Some(due) = self.due.get().max(now).checked_add(takes) else {
            return self.wait(takes);
        };
        self.due.set(due);
        self.wait(due - now)
    }

    fn wait(&self, duration: Duration) -> ControlFlow<()> {
        self.signal.rest(duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{KafkaUuid, LeaderEpoch, Timestamp};
    use crate::log::{AppendOrigin, TransactionCheck};
    use crate::metadata::record::{MetadataRecord, RemoveTopic};
    use crate::partition::testing::{Broker, change};
    use crate::partition::{AppendOptions, RequiredAcks, Source};
    use crate::record::{BatchBuilder, BatchOptions};

    #[test]
    fn the_pace_is_kept_over_many_small_reads() {
        let signal = Signal::default();
        let pace = Pace::new(1_000_000, &signal);
        let begun = Instant::now();
        for _ in 0..50 {
            assert!(pace.note(1_000).is_continue());
        }
        assert!(begun.elapsed() >= Duration::from_millis(50));
        signal.end();
        assert!(pace.note(u64::MAX).is_break(), "an end comes at once");
    }

    /// Four batches, of which two fit a segment.
    async fn fill(broker: &Broker) {
        for _ in 0..4 {
            let mut batch = BatchBuilder::new(BatchOptions::default());
            batch.push(Timestamp(1_000), None, Some(&[7; 400_000]), &[]);
            let options = AppendOptions {
                records: batch.finish(),
                origin: AppendOrigin::Client,
                acks: RequiredAcks::Leader,
                source: Source::Broker,
                may_check_here: false,
                transactions: TransactionCheck::Trusted,
                expected_epoch: Some(LeaderEpoch(4)),
            };
            broker.replica().append(options).await.expect("an append");
        }
    }

    fn rounds<'a>(broker: &Broker, signal: &'a Signal) -> Rounds<'a> {
        Rounds {
            environment: broker.partitions.environment().clone(),
            places: Arc::clone(broker.partitions.places()),
            counts: Arc::clone(broker.partitions.scrubbed()),
            pace: Pace::new(u64::MAX, signal),
            known: HashSet::new(),
        }
    }

    #[tokio::test]
    async fn a_flipped_bit_is_told_once_and_not_of_what_is_gone() {
        let path = tempfile::tempdir().expect("a temporary directory");
        let settings = [
            ("log.segment.bytes", "1048576"),
            ("zurau.scrub.bytes.per.second", "0"),
        ];
        let broker = Broker::start(path.path(), KafkaUuid::random(), &settings);
        fill(&broker).await;
        let signal = Signal::default();
        let mut rounds = rounds(&broker, &signal);
        let told = |rounds: &Rounds<'_>| {
            let counts = &rounds.counts;
            (
                counts.segments.load(Ordering::Relaxed),
                counts.findings.load(Ordering::Relaxed),
            )
        };
        assert!(rounds.round().is_continue());
        assert_eq!(told(&rounds), (2, 0), "a closed one and the active one");

        let file = path.path().join("orders-0/00000000000000000000.log");
        let mut bytes = std::fs::read(&file).expect("a segment");
        bytes[500_000] ^= 16;
        std::fs::write(&file, bytes).expect("a segment");
        assert!(rounds.round().is_continue() && rounds.round().is_continue());
        assert_eq!(told(&rounds), (6, 1), "it is told once");

        // findings of a partition that was deleted during the read are not reported
        let replica = broker.replica();
        let segment = replica.published().view.segments().next().expect("one");
        assert!(rounds.is_current(&replica, &segment));
        let (image, delta) = change(
            &broker.image,
            &[MetadataRecord::RemoveTopic(RemoveTopic {
                topic_id: broker.id,
            })],
        );
        broker.partitions.apply(&image, &delta);
        assert!(!rounds.is_current(&replica, &segment));
        broker.partitions.stop(1);
    }

    #[tokio::test]
    async fn an_end_of_hosting_ends_a_round_at_a_slow_pace() {
        let path = tempfile::tempdir().expect("a temporary directory");
        let settings = [
            ("log.segment.bytes", "1048576"),
            ("log.initial.task.delay.ms", "0"),
            ("zurau.scrub.interval.ms", "1"),
            ("zurau.scrub.bytes.per.second", "1000"),
        ];
        let broker = Broker::start(path.path(), KafkaUuid::random(), &settings);
        fill(&broker).await;
        let counts = broker.partitions.scrubbed();
        let deadline = Instant::now() + Duration::from_secs(30);
        while counts.bytes.load(Ordering::Relaxed) == 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // what was read takes minutes at this pace
        assert!(counts.bytes.load(Ordering::Relaxed) > 100_000);
        let begun = Instant::now();
        broker.partitions.stop(1);
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}
