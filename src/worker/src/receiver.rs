//! The receiving half of a slot: requests, and the request body that the application pulls.
//!
//! Plain Rust: nothing here knows Python, so all of it can run detached from the interpreter.

use crate::link::{Link, LinkError};
use krait_protocol::ProtocolError;
use krait_protocol::frame::{self, BodyEnd, Header, Kind};
use krait_protocol::limits::{FRAME_HEADER_BYTES, MAX_DATA_BYTES};
use std::io::{IoSliceMut, Read};
use std::ops::Range;
use std::sync::Arc;

/// Room for the usual request or a small read of the body; larger requests grow it for their time.
const BUFFER_BYTES: usize = 64 << 10;
/// The least the child is asked for: fewer turns for an application that reads in small pieces. What it leaves of
/// this waits in the socket, whose buffer it fits, so a slow reader does not hold the child up. Whoever wants more
/// takes it all at once.
const ASK_BYTES: usize = 256 << 10;
/// From here on body bytes go straight to where the application wants them.
const DIRECT_BYTES: usize = 16 << 10;

/// Where the rest of the body comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// There is no more.
    Done,
    /// The child is asked; the number of bytes still to come, where known.
    Pull(Option<u64>),
    /// The body ended early.
    Broken(BodyEnd),
}

#[derive(Debug)]
pub(crate) struct Receiver {
    link: Arc<Link>,
    buffer: Vec<u8>,
    /// What of `buffer` is received and not yet consumed.
    filled: Range<usize>,
    source: Source,
    /// Bytes of the current `BODY` frame that are still in the socket.
    in_socket: usize,
    /// A `READ` was sent and its answer has not begun.
    asked: bool,
}

impl Receiver {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        let buffer = vec![0; BUFFER_BYTES];
        Receiver { link, buffer, filled: 0..0, source: Source::Done, in_socket: 0, asked: false }
    }

    /// Waits for the next request and returns where its payload stands in [`Self::bytes`]; `None` at the end of
    /// the conversation.
    pub(crate) fn request(&mut self) -> Result<Option<Range<usize>>, LinkError> {
        if self.buffer.len() > BUFFER_BYTES && self.filled.is_empty() {
            self.buffer.truncate(BUFFER_BYTES);
            self.buffer.shrink_to_fit();
        }
        loop {
            let have = self.buffer.get(self.filled.clone()).unwrap_or_default();
            let mut wanted = FRAME_HEADER_BYTES;
            if let Some(head) = have.first_chunk::<FRAME_HEADER_BYTES>() {
                let header = Header::decode(head)?;
                if header.kind != Kind::Request {
                    return Err(ProtocolError::Bad("frame instead of a request").into());
                }
                wanted += header.length;
                if have.len() > wanted {
                    return Err(ProtocolError::Trailing(have.len() - wanted).into());
                }
                if have.len() == wanted {
                    let payload = self.filled.start + FRAME_HEADER_BYTES..self.filled.end;
                    self.filled = 0..0;
                    return Ok(Some(payload));
                }
            }
            if wanted > self.buffer.len() {
                self.buffer.resize(wanted, 0);
            }
            let room = self.buffer.get_mut(self.filled.end..).unwrap_or_default();
            match (&self.link.stream).read(room) {
                Ok(0) if self.filled.is_empty() => return Ok(None),
                Ok(0) => return Err(ProtocolError::Truncated("request").into()),
                Ok(count) => self.filled.end += count,
                Err(error) => match LinkError::from(error) {
                    // Between requests the end of the conversation is nothing unusual, however it is told.
                    LinkError::Gone => return Ok(None),
                    other => return Err(other),
                },
            }
        }
    }

    pub(crate) fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.buffer.get(range).unwrap_or_default()
    }

    /// Says where the body of the request just received is: inline at the end of its payload, or to be pulled.
    pub(crate) fn begin_body(&mut self, inline: Range<usize>, source: Source) {
        self.filled = inline;
        self.source = source;
        self.asked = false;
    }

    /// Forgets the rest of the body; what is on its way is received first, so that the next frame is a request.
    pub(crate) fn end_body(&mut self) -> Result<(), LinkError> {
        self.filled = 0..0;
        let mut waste = [0; 4096];
        while self.in_socket > 0 || self.asked {
            match self.pull(&mut waste) {
                Ok(_) => self.filled = 0..0,
                Err(LinkError::Interrupted) => {}
                Err(error) => return Err(error),
            }
        }
        self.source = Source::Done;
        Ok(())
    }

    pub(crate) fn source(&self) -> Source {
        self.source
    }

    pub(crate) fn buffered(&self) -> &[u8] {
        self.bytes(self.filled.clone())
    }

    /// Moves buffered bytes out.
    pub(crate) fn take(&mut self, target: &mut [u8]) -> usize {
        let have = self.buffered();
        let count = have.len().min(target.len());
        if let (Some(to), Some(from)) = (target.get_mut(..count), have.get(..count)) {
            to.copy_from_slice(from);
        }
        self.filled.start += count;
        count
    }

    /// How much the child must be asked for before [`Self::pull`] can wait; `None` where bytes are on their way.
    pub(crate) fn to_ask(&self, wanted: usize) -> Option<u32> {
        if self.in_socket > 0 || self.asked {
            return None;
        }
        let Source::Pull(left) = self.source else { return None };
        let most = left.and_then(|left| usize::try_from(left).ok()).unwrap_or(usize::MAX);
        u32::try_from(wanted.clamp(ASK_BYTES, MAX_DATA_BYTES).min(most)).ok()
    }

    pub(crate) fn asked(&mut self) {
        self.asked = true;
    }

    /// Whether an application that wants this much gets it straight into its own memory.
    pub(crate) fn is_direct(wanted: usize) -> bool {
        wanted >= DIRECT_BYTES
    }

    /// Waits for body bytes and puts them into the buffer, which must be empty. 0 when the body is over.
    pub(crate) fn fill(&mut self) -> Result<usize, LinkError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = self.pull(&mut buffer);
        self.buffer = buffer;
        self.filled = 0..*result.as_ref().unwrap_or(&0);
        result
    }

    /// Receives all that is on its way into the buffer.
    pub(crate) fn settle(&mut self) -> Result<(), LinkError> {
        while self.in_socket > 0 {
            let end = self.filled.end;
            if self.buffer.len() < end + self.in_socket {
                self.buffer.resize(end + self.in_socket, 0);
            }
            let room = self.buffer.get_mut(end..end + self.in_socket).unwrap_or_default();
            match (&self.link.stream).read(room) {
                Ok(0) => return Err(LinkError::Gone),
                Ok(count) => {
                    self.filled.end += count;
                    self.account(count)?;
                }
                Err(error) => match LinkError::from(error) {
                    LinkError::Interrupted => {}
                    other => return Err(other),
                },
            }
        }
        Ok(())
    }

    /// Waits for body bytes and puts them into `target`: at least one, or 0 when the body is over.
    pub(crate) fn pull(&mut self, target: &mut [u8]) -> Result<usize, LinkError> {
        let mut count = 0;
        if self.in_socket == 0 {
            if !self.asked {
                return Ok(0);
            }
            let (header, more) = self.header(target)?;
            self.asked = false;
            match header.kind {
                Kind::Body if header.length == 0 => return Err(ProtocolError::Bad("empty body frame").into()),
                Kind::Body => self.in_socket = header.length,
                Kind::BodyEnd if header.length == 0 && more == 0 => {
                    let end = BodyEnd::from_code(header.code)?;
                    self.source = match (end, self.source) {
                        (BodyEnd::Complete, Source::Pull(None)) => Source::Done,
                        // Less came than was announced: never pass it off as complete.
                        (BodyEnd::Complete, _) => Source::Broken(BodyEnd::Aborted),
                        (other, _) => Source::Broken(other),
                    };
                    return Ok(0);
                }
                _ => return Err(ProtocolError::Bad("answer to a read").into()),
            }
            count = more;
            self.link.set_under_way(true);
        } else {
            let most = target.len().min(self.in_socket);
            let room = target.get_mut(..most).unwrap_or_default();
            count += (&self.link.stream).read(room)?;
            if count == 0 {
                return Err(LinkError::Gone);
            }
        }
        self.account(count)?;
        // Only the header has come so far: wait for the bytes themselves.
        if count == 0 { self.pull(target) } else { Ok(count) }
    }

    /// Receives a frame's header and, in the same call, what follows it.
    fn header(&mut self, target: &mut [u8]) -> Result<(Header, usize), LinkError> {
        let mut head = [0; FRAME_HEADER_BYTES];
        let mut have = 0;
        while have < FRAME_HEADER_BYTES {
            let rest = head.get_mut(have..).unwrap_or_default();
            let mut parts = [IoSliceMut::new(rest), IoSliceMut::new(target)];
            match (&self.link.stream).read_vectored(&mut parts) {
                Ok(0) => return Err(LinkError::Gone),
                Ok(count) => have += count,
                Err(error) => match LinkError::from(error) {
                    LinkError::Interrupted if have > 0 => {}
                    other => return Err(other),
                },
            }
        }
        Ok((Header::decode(&head)?, have - FRAME_HEADER_BYTES))
    }

    /// Counts received body bytes against the frame and the announced length.
    fn account(&mut self, count: usize) -> Result<(), LinkError> {
        self.in_socket =
            self.in_socket.checked_sub(count).ok_or(ProtocolError::Bad("length of a body frame"))?;
        if self.in_socket == 0 {
            self.link.set_under_way(false);
        }
        if let Source::Pull(Some(left)) = self.source {
            let left = left.checked_sub(count as u64).ok_or(ProtocolError::Bad("length of the body"))?;
            self.source = if left == 0 { Source::Done } else { Source::Pull(Some(left)) };
        }
        Ok(())
    }
}

/// The payload of a `READ` frame, whole.
pub(crate) fn push_read(out: &mut Vec<u8>, wanted: u32) {
    frame::push(out, Kind::Read, 0, &wanted.to_le_bytes());
}
