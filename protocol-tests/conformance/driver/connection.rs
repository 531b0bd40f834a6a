//! One connection to a broker: frames out, frames in, answers kept by their correlation id.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// Nothing in the cases waits this long, so that an answer which has not come will not come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Closed,
    Silent,
}

#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// Answers that came while another one was waited for.
    arrived: BTreeMap<i32, Vec<u8>>,
}

impl Connection {
    pub(crate) fn open(address: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(address).map_err(|error| format!("{address}: {error}"))?;
        let prepared = stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(PATIENCE)));
        prepared.map_err(|error| format!("{address}: {error}"))?;
        Ok(Self {
            stream,
            arrived: BTreeMap::new(),
        })
    }

    /// A broken connection shows when the answer is read.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    pub(crate) fn end_our_side(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Waits so long for the next answer to begin, or for the connection to end.
    pub(crate) fn is_ready(&self, patience: Duration) -> bool {
        let ready = self
            .stream
            .set_read_timeout(Some(patience))
            .and_then(|()| self.stream.peek(&mut [0]));
        let restored = self.stream.set_read_timeout(Some(PATIENCE));
        ready.is_ok() && restored.is_ok()
    }

    /// The answer to this request, without its size and correlation id.
    pub(crate) fn answer(&mut self, correlation_id: i32) -> Result<Vec<u8>, Missing> {
        loop {
            if let Some(answer) = self.arrived.remove(&correlation_id) {
                return Ok(answer);
            }
            let mut start = [0_u8; 8];
            self.read(&mut start)?;
            let [a, b, c, d, e, f, g, h] = start;
            let size = i32::from_be_bytes([a, b, c, d]) as usize;
            let mut body = vec![0_u8; size.saturating_sub(4)];
            self.read(&mut body)?;
            self.arrived.insert(i32::from_be_bytes([e, f, g, h]), body);
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), Missing> {
        self.stream.read_exact(buffer).map_err(|error| {
            use std::io::ErrorKind::{TimedOut, WouldBlock};
            if matches!(error.kind(), TimedOut | WouldBlock) {
                Missing::Silent
            } else {
                Missing::Closed
            }
        })
    }
}
