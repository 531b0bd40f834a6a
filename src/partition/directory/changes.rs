//! The thread of a log directory that creates and removes replicas there, in the order of the metadata image.
//!
//! The publisher's thread of `cluster` brings each image here. It only decides what to do and hands the work over, so
//! a directory that hangs delays only its own replicas. Within one directory, the removal of a topic ends before another topic of the
//! same name is created.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use crate::base::lock;

/// A job in the directory; it may wait for the disk and for the directory's lanes.
type Change = Box<dyn FnOnce() + Send>;

/// The sending side of the thread's queue.
#[derive(Debug)]
pub(in crate::partition) struct Changes {
    queue: Mutex<Option<Sender<Change>>>,
}

impl Changes {
    /// Starts the thread of directory number `number`.
    pub(in crate::partition) fn start(number: usize) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (sender, queue) = channel();
        let thread = std::thread::Builder::new()
            .name(format!("storage-changes-{number}"))
            .spawn(move || make_all(&queue))?;
        let changes = Self {
            queue: Mutex::new(Some(sender)),
        };
        Ok((changes, thread))
    }

    /// Queues a job behind all earlier jobs. After the end the job is dropped.
    pub(in crate::partition) fn send(&self, change: impl FnOnce() + Send + 'static) {
        let queue = lock(&self.queue);
        if let Some(queue) = &*queue {
            drop(queue.send(Box::new(change)));
        }
    }

    /// Ends the thread after the jobs that are queued now.
    pub(in crate::partition) fn end(&self) {
        *lock(&self.queue) = None;
    }
}

fn make_all(queue: &Receiver<Change>) {
    for change in queue {
        change();
    }
}
