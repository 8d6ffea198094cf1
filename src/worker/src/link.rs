//! The slot's socket as its receiving and its sending half see it.

use crate::log::to_stderr;
use krait_protocol::ProtocolError;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

/// One slot's end of its socketpair.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) stream: UnixStream,
    /// Bytes of a `BODY` frame are still to be received. As long as they are, the child may be blocked sending
    /// them and not read what we send.
    under_way: AtomicBool,
}

impl Link {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Link { stream: UnixStream::from(fd), under_way: AtomicBool::new(false) }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    pub(crate) fn under_way(&self) -> bool {
        self.under_way.load(Ordering::SeqCst)
    }

    pub(crate) fn set_under_way(&self, is: bool) {
        self.under_way.store(is, Ordering::SeqCst);
    }

    /// Ends the conversation: the child sees it at once.
    pub(crate) fn shut_down(&self) {
        krait_sys::socket::shut_down(self.fd());
    }
}

/// Why the slot cannot be used further, or not now.
#[derive(Debug)]
pub(crate) enum LinkError {
    /// The other side ended the conversation: the client went away, or the slot is being taken down.
    Gone,
    /// A signal arrived before anything was received or sent; Python's handlers want to run.
    Interrupted,
    /// The child broke the protocol; the slot is shut down.
    Protocol(ProtocolError),
}

impl From<ProtocolError> for LinkError {
    fn from(error: ProtocolError) -> Self {
        LinkError::Protocol(error)
    }
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::Interrupted => LinkError::Interrupted,
            // Whatever else a connected socket says, the conversation is over.
            _ => LinkError::Gone,
        }
    }
}

/// Logs that httpd's side of a slot sent what it may not.
pub(crate) fn tell_protocol(error: &ProtocolError) {
    to_stderr(format!("KRT0620: httpd broke the slot's protocol: {error}").as_bytes());
}
