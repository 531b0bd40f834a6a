//! What a connection reads from and writes to.

use std::fs::File;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

/// A stream of bytes in both directions. Support for files and packets is optional: without it, bytes are read and
/// written.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin {
    /// Whether [`Self::poll_send_file`] works.
    const SENDS_FILES: bool = false;

    /// Ready when a read may find something, or the end of the stream. A waiting connection then needs no read
    /// buffer. A stream that cannot tell is always ready.
    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = context;
        Poll::Ready(Ok(()))
    }

    /// Ready when reads may find `least` bytes, or the end of the stream behind fewer. A stream that cannot tell is
    /// ready when it is readable.
    fn poll_arrived(&self, context: &mut Context<'_>, least: usize) -> Poll<io::Result<()>> {
        let _ = least;
        self.poll_readable(context)
    }

    /// A watch for the peer's close behind unread bytes, if the stream supports it.
    fn watch_end(&self) -> Option<EndWatch> {
        None
    }

    /// Writes `slices`, or the beginning of them. With `more`, other bytes follow at once, so these need no packet of
    /// their own.
    fn poll_write_slices(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        more: bool,
    ) -> Poll<io::Result<usize>> {
        let _ = more;
        Pin::new(self).poll_write_vectored(context, slices)
    }

    /// Sends up to `length` bytes of `file` from `position` on, without a copy in our memory. It blocks if they are
    /// not in the page cache. Zero bytes mean that the file ends there.
    fn poll_send_file(
        &mut self,
        _: &mut Context<'_>,
        file: &File,
        position: u64,
        length: usize,
    ) -> Poll<io::Result<usize>> {
        let _ = (file, position, length);
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }
}

#[cfg(target_os = "linux")]
pub(super) use tcp::EndWatch;

/// This stream cannot watch for the peer's close.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub(super) enum EndWatch {}

#[cfg(not(target_os = "linux"))]
impl EndWatch {
    pub(super) fn poll_end(&self, _: &mut Context<'_>) -> Poll<io::Result<u64>> {
        match *self {}
    }
}

#[cfg(target_os = "linux")]
mod tcp {
    use super::Stream;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::ioctl_fionread;
    use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
    use std::fs::File;
    use std::io::{self, IoSlice};
    use std::os::fd::AsFd as _;
    use std::task::{Context, Poll, ready};
    use tokio::io::Interest;
    use tokio::net::TcpStream;

    /// Watches for the end of a connection behind unread bytes. Each descriptor reports its readiness only once, and
    /// the connection's own descriptor must not lose the information that there are bytes. So this uses a descriptor
    /// of its own.
    #[derive(Debug)]
    pub(in crate::wire) struct EndWatch(TcpStream);

    impl EndWatch {
        fn new(stream: &TcpStream) -> io::Result<Self> {
            let socket = stream.as_fd().try_clone_to_owned()?;
            Ok(Self(TcpStream::from_std(socket.into())?))
        }

        /// Ready when the peer has closed, with the number of unread bytes, or with the error when it has reset the
        /// connection.
        pub(in crate::wire) fn poll_end(&self, context: &mut Context<'_>) -> Poll<io::Result<u64>> {
            ready!(self.0.poll_arrived(context, usize::MAX))?;
            if let Some(error) = self.0.take_error()? {
                return Poll::Ready(Err(error));
            }
            Poll::Ready(Ok(ioctl_fionread(&self.0)?))
        }
    }

    impl Stream for TcpStream {
        const SENDS_FILES: bool = true;

        fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.poll_read_ready(context)
        }

        fn poll_arrived(&self, context: &mut Context<'_>, least: usize) -> Poll<io::Result<()>> {
            loop {
                ready!(self.poll_read_ready(context))?;
                // With too few bytes, the socket is treated as empty, so that it wakes us when more come.
                let enough = || {
                    if ioctl_fionread(self)? >= least as u64 || has_ended(self)? {
                        Ok(())
                    } else {
                        Err(io::ErrorKind::WouldBlock.into())
                    }
                };
                match self.try_io(Interest::READABLE, enough) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => return Poll::Ready(result),
                }
            }
        }

        fn watch_end(&self) -> Option<EndWatch> {
            // Without a descriptor for it the close is noticed later.
            EndWatch::new(self).ok()
        }

        fn poll_write_slices(
            &mut self,
            context: &mut Context<'_>,
            slices: &[IoSlice<'_>],
            more: bool,
        ) -> Poll<io::Result<usize>> {
            let mut flags = SendFlags::NOSIGNAL;
            flags.set(SendFlags::MORE, more);
            let socket = &*self;
            poll_write_io(socket, context, || {
                let mut nothing = SendAncillaryBuffer::default();
                Ok(sendmsg(socket, slices, &mut nothing, flags)?)
            })
        }

        fn poll_send_file(
            &mut self,
            context: &mut Context<'_>,
            file: &File,
            position: u64,
            length: usize,
        ) -> Poll<io::Result<usize>> {
            let socket = &*self;
            poll_write_io(socket, context, || {
                let mut from = Some(position);
                let count = rustix::fs::sendfile(socket, file, from.as_mut(), length)?;
                Ok(count)
            })
        }
    }

    /// Whether the peer has closed or reset the connection.
    fn has_ended(stream: &TcpStream) -> io::Result<bool> {
        let mut socket = [PollFd::new(stream, PollFlags::RDHUP)];
        Ok(poll(&mut socket, Some(&Timespec::default()))? > 0)
    }

    /// Runs `write` once the socket takes something.
    fn poll_write_io(
        stream: &TcpStream,
        context: &mut Context<'_>,
        write: impl Fn() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(stream.poll_write_ready(context))?;
            match stream.try_io(Interest::WRITABLE, &write) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return Poll::Ready(result),
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Stream for tokio::net::TcpStream {
    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(context)
    }
}

#[cfg(test)]
impl Stream for tokio::io::DuplexStream {}
