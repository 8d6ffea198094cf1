//! What a worker sends: received into one buffer and taken apart frame by frame. Body bytes are not copied: they are
//! ranges of the buffer, valid until [`Inbox::make_room`].

use krait_protocol::ProtocolError;
use krait_protocol::frame::{self, Header, Kind};
use krait_protocol::limits::FRAME_HEADER_BYTES;
use krait_sys::socket;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::os::fd::{BorrowedFd, OwnedFd};

/// The usual size of the buffer: large answers move in pieces of this.
const BUFFER_BYTES: usize = 256 << 10;
/// With less room than this, what is held is passed on before more is received.
const LEAST_ROOM_BYTES: usize = 64 << 10;
/// Descriptors that may wait for their `FILE` frame; a worker that sends more breaks the protocol.
const MOST_DESCRIPTORS: usize = 4;

/// One thing that a worker said; ranges are of [`Inbox::bytes`].
#[derive(Debug)]
pub(crate) enum Item {
    /// A whole frame of any kind but `DATA`.
    Frame(Header, Range<usize>),
    /// Body bytes: a `DATA` frame or a part of one.
    Data(Range<usize>),
}

/// What a receive came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filled {
    /// Bytes came.
    Some,
    /// Nothing is there (yet).
    Nothing,
    /// The worker closed its end.
    Closed,
}

/// The buffer; kept by its thread from request to request.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes of the present `DATA` frame still to come.
    data_left: usize,
    descriptors: VecDeque<OwnedFd>,
}

impl Inbox {
    /// Empties it for a new request.
    pub(crate) fn reset(&mut self) {
        if self.buffer.len() != BUFFER_BYTES {
            self.buffer = vec![0; BUFFER_BYTES];
        }
        (self.start, self.end, self.data_left) = (0, 0, 0);
        self.descriptors.clear();
    }

    pub(crate) fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.buffer.get(range).unwrap_or_default()
    }

    /// Whether everything received has been taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end && self.data_left == 0 && self.descriptors.is_empty()
    }

    /// The descriptor that came with a `FILE` frame.
    pub(crate) fn take_descriptor(&mut self) -> Option<OwnedFd> {
        self.descriptors.pop_front()
    }

    /// The next thing said; `None` when more must be received for it.
    pub(crate) fn next(&mut self) -> Result<Option<Item>, ProtocolError> {
        if self.data_left > 0 {
            return Ok(self.data());
        }
        let rest = self.buffer.get(self.start..self.end).unwrap_or_default();
        let Some(head) = rest.first_chunk::<FRAME_HEADER_BYTES>() else { return Ok(None) };
        let header = Header::decode(head)?;
        if !header.kind.is_from_worker() {
            return Err(ProtocolError::Unknown {
                what: "frame kind from a worker",
                code: header.kind as u64,
            });
        }
        if header.kind == Kind::Data {
            self.start += FRAME_HEADER_BYTES;
            self.data_left = header.length;
            return if header.length == 0 { Ok(Some(Item::Data(0..0))) } else { Ok(self.data()) };
        }
        let Some((header, _, used)) = frame::split(rest)? else { return Ok(None) };
        let payload = self.start + FRAME_HEADER_BYTES..self.start + used;
        self.start += used;
        Ok(Some(Item::Frame(header, payload)))
    }

    fn data(&mut self) -> Option<Item> {
        let count = self.data_left.min(self.end - self.start);
        if count == 0 {
            return None;
        }
        let range = self.start..self.start + count;
        self.start = range.end;
        self.data_left -= count;
        Some(Item::Data(range))
    }

    /// Whether [`Inbox::make_room`] is due before the next receive.
    pub(crate) fn is_tight(&self) -> bool {
        self.buffer.len() - self.end < LEAST_ROOM_BYTES
    }

    /// Moves what is not taken yet to the front, and grows where a frame needs it. Ranges given out are void.
    pub(crate) fn make_room(&mut self) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let frame = self.buffer.get(..self.end).and_then(|rest| rest.first_chunk::<FRAME_HEADER_BYTES>());
        if self.data_left == 0
            && let Some(Ok(header)) = frame.map(Header::decode)
            && header.kind != Kind::Data
        {
            // `decode` has held the length against the kind's limit.
            let needed = FRAME_HEADER_BYTES + header.length + LEAST_ROOM_BYTES;
            if needed > self.buffer.len() {
                self.buffer.resize(needed, 0);
            }
        }
    }

    /// Receives once.
    pub(crate) fn fill(&mut self, slot: BorrowedFd<'_>, wait: bool) -> io::Result<Filled> {
        let Some(room) = self.buffer.get_mut(self.end..).filter(|room| !room.is_empty()) else {
            return Err(io::ErrorKind::OutOfMemory.into());
        };
        match socket::receive(slot, room, wait) {
            Ok(received) => {
                if received.truncated
                    || self.descriptors.len() + received.descriptors.len() > MOST_DESCRIPTORS
                {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                self.descriptors.extend(received.descriptors);
                self.end += received.length;
                Ok(if received.length == 0 { Filled::Closed } else { Filled::Some })
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(Filled::Nothing),
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Ok(Filled::Closed),
                _ => Err(error),
            },
        }
    }
}
