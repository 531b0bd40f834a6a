//! Lines on their way to standard error, bounded in bytes.
//!
//! Lines that do not fit are counted and dropped. After the first one, all lines are dropped until the writing thread
//! has taken the queue, so that the line that says how many were dropped is in their place. The lock is held to copy
//! a line or to take all of them, never while anything is written.

use std::io::{self, ErrorKind, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

/// How many bytes may be queued or being written.
const LIMIT: usize = 1 << 20;

/// The queue. Any thread may push; one thread writes.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Signals that there is something to write.
    filled: Condvar,
    /// Signals that everything has been written.
    drained: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Whole lines, oldest first.
    lines: Vec<u8>,
    /// The number of later lines for which there was no room.
    dropped: u64,
    /// Bytes that are being written.
    in_writing: usize,
}

impl State {
    const fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.dropped == 0
    }
}

impl Queue {
    /// Queues a line, including its line end, or counts it as dropped. Never waits for standard error.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.state();
        let held = state.lines.len() + state.in_writing;
        if state.dropped > 0 || held + line.len() > LIMIT {
            state.dropped += 1;
        } else {
            state.lines.extend_from_slice(line);
        }
        drop(state);
        self.filled.notify_one();
    }

    /// Queues a line even if there is no room.
    pub(super) fn push_in_any_case(&self, line: &str) {
        self.state().lines.extend_from_slice(line.as_bytes());
        self.filled.notify_one();
    }

    /// Waits until everything has been written, but not longer than `patience`. Returns whether it was.
    pub(super) fn drained(&self, patience: Duration) -> bool {
        let waiting = |state: &mut State| !state.is_empty() || state.in_writing > 0;
        let (state, _) = self
            .drained
            .wait_timeout_while(self.state(), patience, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        state.is_empty() && state.in_writing == 0
    }

    /// Writes queued lines, for ever. `dropped` formats the line that says how many were dropped.
    pub(super) fn write_to(&self, mut output: impl Write, dropped: impl Fn(u64) -> String) {
        let mut lost = Lost::default();
        loop {
            let (lines, count) = self.take();
            lost.tell(&mut output, &dropped);
            lost.count += lost.write(&mut output, &lines);
            lost.count += count;
            lost.tell(&mut output, &dropped);
            self.state().in_writing = 0;
            self.drained.notify_all();
        }
    }

    /// Waits for lines, and takes all of them.
    fn take(&self) -> (Vec<u8>, u64) {
        let mut state = self
            .filled
            .wait_while(self.state(), |state| state.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let lines = std::mem::take(&mut state.lines);
        // The line about dropped ones counts, too: until it is written, the queue is not drained.
        state.in_writing = lines.len().max(1);
        (lines, std::mem::take(&mut state.dropped))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Dropped lines that have not been reported yet.
#[derive(Default)]
struct Lost {
    count: u64,
    /// Whether the last write ended in the middle of a line.
    is_line_open: bool,
}

impl Lost {
    fn tell(&mut self, output: &mut impl Write, dropped: &impl Fn(u64) -> String) {
        if self.count > 0 && self.write(output, dropped(self.count).as_bytes()) == 0 {
            self.count = 0;
        }
    }

    /// Writes these lines, and returns how many could not be written.
    fn write(&mut self, output: &mut impl Write, lines: &[u8]) -> u64 {
        if self.is_line_open && output.write_all(b"\n").is_ok() {
            self.is_line_open = false;
        }
        let mut rest = lines;
        while !rest.is_empty() {
            match output.write(rest) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => {
                    let written = lines.len() - rest.len();
                    self.is_line_open |= lines[..written].last().is_some_and(|last| *last != b'\n');
                    return rest.iter().filter(|byte| **byte == b'\n').count() as u64;
                }
                Ok(count) => rest = &rest[count..],
            }
        }
        0
    }
}

/// Standard error. It waits for room even if the process was started with a non-blocking one.
pub(super) struct StandardError;

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut stderr = io::stderr();
        loop {
            match stderr.write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], None)?;
                }
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread;

    use super::*;

    /// Longer than any wait, so that a test that hangs fails.
    const LONG: Duration = Duration::from_secs(60);

    /// A reader that reads when the test says so.
    struct Pipe {
        begun: Sender<()>,
        taken: Receiver<io::Result<()>>,
        read: Sender<Vec<u8>>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.begun.send(());
            match self.taken.recv() {
                Ok(Err(error)) => Err(error),
                // The test is over, or it has read.
                Ok(Ok(())) | Err(_) => {
                    let _ = self.read.send(bytes.to_vec());
                    Ok(bytes.len())
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Reader {
        queue: Arc<Queue>,
        begun: Receiver<()>,
        takes: Sender<io::Result<()>>,
        read: Receiver<Vec<u8>>,
    }

    impl Reader {
        fn new() -> Self {
            let queue = Arc::new(Queue::default());
            let (begun_sender, begun) = channel();
            let (takes, taken) = channel();
            let (read_sender, read) = channel();
            let pipe = Pipe {
                begun: begun_sender,
                taken,
                read: read_sender,
            };
            let writer = Arc::clone(&queue);
            thread::Builder::new()
                .name("log-writer".to_owned())
                .spawn(move || writer.write_to(pipe, |count| format!("{count} lost\n")))
                .expect("a thread");
            Self {
                queue,
                begun,
                takes,
                read,
            }
        }

        /// Waits until something is to be written.
        fn wait(&self) {
            self.begun.recv_timeout(LONG).expect("a write");
        }

        fn read(&self) -> String {
            self.takes.send(Ok(())).expect("a writer");
            let bytes = self.read.recv_timeout(LONG).expect("what was written");
            String::from_utf8(bytes).expect("text")
        }
    }

    #[test]
    fn who_logs_does_not_wait_and_what_was_lost_is_said_in_its_place() {
        let reader = Reader::new();
        reader.queue.push(b"first\n");
        reader.wait();
        let line = [[b'x'; 1023].as_slice(), b"\n"].concat();
        for _ in 0..3_000 {
            reader.queue.push(&line);
        }
        assert!(!reader.queue.drained(Duration::ZERO));
        reader
            .queue
            .push(b"short, and yet not before those that were lost\n");
        reader.queue.push_in_any_case("last words\n");

        assert_eq!(reader.read(), "first\n");
        reader.wait();
        let queued = reader.read();
        let kept = (LIMIT - "first\n".len()) / line.len();
        assert_eq!(queued.len(), kept * line.len() + "last words\n".len());
        reader.wait();
        reader.queue.push(b"later\n");
        assert_eq!(reader.read(), format!("{} lost\n", 3_001 - kept));
        reader.wait();
        assert_eq!(reader.read(), "later\n");
        assert!(reader.queue.drained(LONG));
    }

    #[test]
    fn what_could_not_be_written_is_said_when_something_can_be() {
        let reader = Reader::new();
        let fail = || {
            reader.wait();
            let full = Err(ErrorKind::StorageFull.into());
            reader.takes.send(full).expect("a writer");
        };
        reader.queue.push(b"one\ntwo\n");
        fail();
        // The line that says so.
        fail();
        assert!(reader.queue.drained(LONG));
        reader.queue.push(b"three\n");
        reader.wait();
        assert_eq!(reader.read(), "2 lost\n");
        reader.wait();
        assert_eq!(reader.read(), "three\n");
        assert!(reader.queue.drained(LONG));
    }
}
