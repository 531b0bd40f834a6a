//! The thread of a log directory that makes and removes replicas there, in the order in which the image asks for
//! it.
//!
//! Whoever follows the image (the controller's thread) only decides what is to be done and hands it over; so a
//! directory that hangs delays what is to be made there and nothing else. In one directory a topic's removal
//! has come to its end before another topic of the same name is made.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use crate::base::lock;

/// Something to do in the directory; it may wait for the disk and for the directory's lanes.
type Change = Box<dyn FnOnce() + Send>;

/// The way to the thread.
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

    /// Has something done after all that was sent before. After the end it is dropped.
    pub(in crate::partition) fn send(&self, change: impl FnOnce() + Send + 'static) {
        let queue = lock(&self.queue);
        if let Some(queue) = &*queue {
            drop(queue.send(Box::new(change)));
        }
    }

    /// Ends the thread after what was sent so far.
    pub(in crate::partition) fn end(&self) {
        *lock(&self.queue) = None;
    }
}

fn make_all(queue: &Receiver<Change>) {
    for change in queue {
        change();
    }
}
