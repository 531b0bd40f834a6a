//! Requests that wait for a directory's disk. They wait on the runtime's blocking threads, and the number of these
//! threads is limited for each directory. All directories share one pool; a directory that hangs must not use up all
//! of it, or nobody could read from the other directories.

use std::io;
use std::sync::Arc;

use tokio::sync::Semaphore;

/// How many threads of the pool all directories together may use; the runtime has 512.
const FOR_ALL: usize = 384;

/// How many threads one directory may use. A disk serves only so many reads at a time; more requests do not help.
const MOST: usize = 64;

/// The blocking threads of one directory.
#[derive(Debug)]
pub(in crate::partition) struct BlockingThreads {
    free: Arc<Semaphore>,
    /// The one of them that may compute instead of waiting.
    busy: Arc<Semaphore>,
}

impl BlockingThreads {
    /// The share of one directory among the given number of directories.
    pub(in crate::partition) fn of_one_in(directories: usize) -> Self {
        let part = (FOR_ALL / directories.max(1)).clamp(1, MOST);
        Self {
            free: Arc::new(Semaphore::new(part)),
            busy: Arc::new(Semaphore::new(1)),
        }
    }

    /// Like [`Self::run`], for work that uses a processor for longer than a read does: one such job at a time. Many
    /// of them would leave too little processor time to the threads that serve sockets.
    ///
    /// # Errors
    /// When the broker ends.
    pub(in crate::partition) async fn run_in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let turn = Arc::clone(&self.busy).acquire_owned().await;
        let turn = turn.map_err(io::Error::other)?;
        self.run(move || {
            let result = work();
            drop(turn);
            result
        })
        .await
    }

    /// Runs `work`, which may wait for the disk, when a thread is free. Work that has begun is finished even if
    /// nobody waits for it any more.
    ///
    /// # Errors
    /// When the broker ends.
    pub(in crate::partition) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let free = Arc::clone(&self.free);
        let permit = free.acquire_owned().await.map_err(io::Error::other)?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            // not before: a caller that stops waiting does not free a thread that still waits
            drop(permit);
            result
        });
        done.await.map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[tokio::test]
    async fn what_keeps_a_processor_busy_is_done_one_at_a_time() {
        let threads = Arc::new(BlockingThreads::of_one_in(1));
        let (begin, begun) = std::sync::mpsc::channel();
        let (end, may_end) = std::sync::mpsc::channel::<()>();
        let first = {
            let threads = Arc::clone(&threads);
            let work = move || {
                begin.send(()).expect("somebody listens");
                may_end.recv()
            };
            tokio::spawn(async move { threads.run_in_turn(work).await.map(drop) })
        };
        let begun = tokio::task::spawn_blocking(move || begun.recv());
        begun.await.expect("no panic").expect("it has begun");
        let second = {
            let threads = Arc::clone(&threads);
            tokio::spawn(async move { threads.run_in_turn(|| 2).await })
        };
        // Reads go on.
        assert_eq!(threads.run(|| 1).await.expect("a thread"), 1);
        assert!(!second.is_finished());
        end.send(()).expect("somebody listens");
        first.await.expect("no panic").expect("a thread");
        assert_eq!(second.await.expect("no panic").expect("a thread"), 2);
    }

    #[tokio::test]
    async fn what_hangs_keeps_nobody_from_another_directory() {
        let (hanging, other) = (
            Arc::new(BlockingThreads::of_one_in(384)),
            BlockingThreads::of_one_in(2),
        );
        let disk = Arc::new(Barrier::new(2));
        let stuck = {
            let (hanging, disk) = (Arc::clone(&hanging), Arc::clone(&disk));
            tokio::spawn(async move { hanging.run(move || disk.wait()).await.map(drop) })
        };
        let next = {
            let hanging = Arc::clone(&hanging);
            tokio::spawn(async move { hanging.run(|| 1).await })
        };
        assert_eq!(other.run(|| 2).await.expect("a thread"), 2);
        assert!(!next.is_finished());
        tokio::task::spawn_blocking(move || disk.wait())
            .await
            .expect("no panic");
        stuck.await.expect("no panic").expect("a thread");
        assert_eq!(next.await.expect("no panic").expect("a thread"), 1);
    }
}
