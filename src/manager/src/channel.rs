//! Our end of a control channel: packets in and out, never waiting.

use crate::sources::{Source, Sources};
use krait_protocol::control;
use krait_protocol::limits::MAX_CONTROL_BYTES;
use krait_sys::socket::{self, Credentials};
use mio::Token;
use serde::Serialize;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Packets taken from one channel before others have their turn.
pub(crate) const PACKETS_PER_TURN: usize = 64;

/// One packet as it came.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) bytes: Vec<u8>,
    pub(crate) descriptors: Vec<OwnedFd>,
    pub(crate) sender: Option<Credentials>,
}

/// What a look into a channel brought.
#[derive(Debug)]
pub(crate) enum Incoming {
    Packet(Packet),
    /// Nothing is there now.
    Empty,
    /// The other side is gone.
    Closed,
    /// A packet of more bytes or descriptors than any message has.
    Oversized,
}

/// Takes one packet out of any packet socket.
pub(crate) fn receive(fd: BorrowedFd<'_>) -> Incoming {
    // Most packets are small; the buffer's pages are only touched as far as one reaches.
    let mut bytes = vec![0; MAX_CONTROL_BYTES];
    let result = loop {
        match socket::receive_packet(fd, &mut bytes, false) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The other side is gone and left a message of ours unread. Told once; what it said is still there.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            result => break result,
        }
    };
    match result {
        Ok(received) if received.truncated => Incoming::Oversized,
        Ok(received) if received.length == 0 => Incoming::Closed,
        Ok(received) => {
            bytes.truncate(received.length);
            Incoming::Packet(Packet {
                bytes,
                descriptors: received.descriptors,
                sender: received.credentials,
            })
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Incoming::Empty,
        Err(_) => Incoming::Closed,
    }
}

/// A channel that the event loop watches.
#[derive(Debug)]
pub(crate) struct Channel {
    fd: OwnedFd,
    token: Token,
}

impl Channel {
    pub(crate) fn open(fd: OwnedFd, sources: &mut Sources, source: Source) -> io::Result<Channel> {
        let token = sources.add(fd.as_fd(), source)?;
        Ok(Channel { fd, token })
    }

    pub(crate) fn receive(&self) -> Incoming {
        receive(self.fd.as_fd())
    }

    /// Sends without waiting.
    ///
    /// # Errors
    /// `WouldBlock` where the other side does not read, which is its fault; other errors of `sendmsg(2)`.
    pub(crate) fn send<M: Serialize>(&self, message: &M, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        send(self.fd.as_fd(), message, descriptors)
    }

    pub(crate) fn token(&self) -> Token {
        self.token
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Ends the conversation for all who hold an end of it.
    pub(crate) fn shut_down(&self) {
        socket::shut_down(self.fd.as_fd());
    }

    pub(crate) fn close(self, sources: &mut Sources) {
        sources.remove(self.fd.as_fd(), self.token);
    }
}

/// Sends a message over any packet socket, without waiting.
///
/// # Errors
/// As [`Channel::send`]; `InvalidData` where the message is too large.
pub(crate) fn send<M: Serialize>(
    fd: BorrowedFd<'_>,
    message: &M,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let packet =
        control::encode(message).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    socket::send(fd, &[IoSlice::new(&packet)], descriptors, false).map(drop)
}
