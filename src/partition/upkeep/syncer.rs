//! The thread beside a lane that waits for the disk in its place.
//!
//! A closed segment may take seconds to sync; meanwhile the lane that closed it continues with appends. It hands the
//! work over and gets the result back as a task of its own, so the log still has one owner.
//!
//! There is one syncer per lane: it starts and ends with it, and a lane's logs share a disk already. The
//! queue is bounded by what exists, since a log has at most one piece of work under way.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use super::workers::{Signal, Workers};

/// A job that waits for the disk, and reports its result.
type Work = Box<dyn FnOnce() + Send>;

/// The running thread; dropping it ends it.
#[derive(Debug)]
pub(in crate::partition) struct Syncer {
    work: Option<Sender<Work>>,
    worker: Workers,
}

impl Syncer {
    /// Starts the syncer of the lane of this name.
    pub(in crate::partition) fn start(lane: &str) -> std::io::Result<Self> {
        let (work, queue) = channel();
        let worker = Workers::start_one(format!("storage-sync-{lane}"), move |signal| {
            run(&queue, signal);
        })?;
        Ok(Self {
            work: Some(work),
            worker,
        })
    }

    /// Queues a job. After the end it is dropped: the log is synced when it is closed.
    pub(in crate::partition) fn send(&self, work: impl FnOnce() + Send + 'static) {
        if let Some(queue) = &self.work {
            drop(queue.send(Box::new(work)));
        }
    }

    /// Finishes the running job and drops the others.
    pub(in crate::partition) fn stop(&mut self) {
        self.worker.signal().end();
        // The thread may be waiting for work.
        self.work = None;
        self.worker.stop();
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(queue: &Receiver<Work>, signal: &Signal) {
    while let Ok(work) = queue.recv() {
        if signal.has_ended() {
            return;
        }
        let begun = Instant::now();
        work();
        // Rests as long as the job took: at least half of the disk's time belongs to the syncs that somebody waits
        // for. The rest ends at once with the lane.
        if signal.rest(begun.elapsed()).is_break() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Barrier};

    #[test]
    fn work_is_done_in_order_and_the_end_drops_what_is_left() {
        let mut syncer = Syncer::start("0-0").expect("a thread");
        let (done, results) = channel();
        let under_way = Arc::new(Barrier::new(2));
        for number in 0..5 {
            let (done, under_way) = (done.clone(), Arc::clone(&under_way));
            syncer.send(move || {
                if number == 2 {
                    under_way.wait();
                    // continues only when the end has been called
                    under_way.wait();
                }
                done.send(number).expect("the test waits");
            });
        }
        drop(done);
        under_way.wait();
        syncer.worker.signal().end();
        under_way.wait();
        syncer.stop();
        assert_eq!(results.iter().collect::<Vec<_>>(), [0, 1, 2]);
        syncer.send(|| panic!("after the end"));
    }
}
