//! The request's body: small ones travel with the request, others are pulled by the worker.

use crate::failure::Failure;
use crate::httpd::input::{Broken, Input, Progress};
use crate::httpd::request::Request;
use krait_protocol::frame::{BodyEnd, Header, Kind};
use krait_protocol::limits::MAX_INLINE_BODY_BYTES;
use krait_protocol::request::Body;
use krait_sys::socket;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;

/// A request's body on its way to the worker.
#[derive(Debug)]
pub(crate) struct Source<'r> {
    input: Option<Input<'r>>,
    announced: Announced,
    /// Bytes read and not yet sent; all of the body where it is inline.
    buffer: Vec<u8>,
    end: Option<BodyEnd>,
    /// The status that httpd gives a body it refused.
    pub(crate) refused: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Announced {
    Nothing,
    Inline,
    Stream,
}

/// What a send of body came to.
pub(crate) type Sent = io::Result<()>;

impl<'r> Source<'r> {
    /// Looks at what the client announces, and reads a small body at once, before a slot is leased.
    pub(crate) fn new(r: Request<'r>) -> Result<Self, Failure> {
        let header = |name| r.headers_in().and_then(|headers| headers.get(name));
        let length = header(c"Content-Length").and_then(parse_length);
        let is_chunked = header(c"Transfer-Encoding").is_some();
        let may_have_one =
            is_chunked || length.map_or_else(|| r.may_have_unannounced_body(), |length| length > 0);
        let announced = if may_have_one { Announced::Stream } else { Announced::Nothing };
        let mut source = Source { input: None, announced, buffer: Vec::new(), end: None, refused: None };
        if announced == Announced::Nothing {
            return Ok(source);
        }
        source.input = Input::new(r);
        if !is_chunked
            && length.is_some_and(|length| length <= MAX_INLINE_BODY_BYTES as u64)
            && !r.is_expecting_continue()
        {
            source.read_all()?;
            source.announced = Announced::Inline;
        }
        Ok(source)
    }

    fn read_all(&mut self) -> Result<(), Failure> {
        let Some(input) = &mut self.input else { return Err(Failure::Body(500)) };
        loop {
            let left = (MAX_INLINE_BODY_BYTES + 1).saturating_sub(self.buffer.len());
            match input.read(&mut self.buffer, left, true) {
                Ok(Progress::End) => return Ok(()),
                // Longer than announced: an input filter inflates it. What was read is too much to travel inline.
                Ok(_) if self.buffer.len() > MAX_INLINE_BODY_BYTES => return Err(Failure::Body(413)),
                Ok(_) => {}
                Err(Broken(status)) => return Err(Failure::Body(status)),
            }
        }
    }

    /// How the body is announced to the worker. A streamed one without its length, also where the client gave one:
    /// input filters change it, and only httpd's end of stream is the end.
    pub(crate) fn announce(&self) -> Body<'_> {
        match self.announced {
            Announced::Nothing => Body::None,
            Announced::Inline => Body::Inline(&self.buffer),
            Announced::Stream => Body::Unknown,
        }
    }

    /// Answers a worker's `READ`: waits for some bytes of the body, takes what else is there, and sends it.
    pub(crate) fn serve(&mut self, slot: BorrowedFd<'_>, wanted: usize) -> Sent {
        if self.end.is_none() {
            self.fill(wanted);
        }
        if !self.buffer.is_empty() {
            let header = Header::encode(Kind::Body, 0, self.buffer.len());
            let sent = send_all(slot, &header, &self.buffer);
            self.buffer.clear();
            return sent;
        }
        let end = self.end.unwrap_or(BodyEnd::Complete);
        send_all(slot, &Header::encode(Kind::BodyEnd, end as u8, 0), &[])
    }

    fn fill(&mut self, wanted: usize) {
        let Some(input) = &mut self.input else {
            self.end = Some(BodyEnd::Complete);
            return;
        };
        while self.end.is_none() && self.buffer.len() < wanted {
            let wait = self.buffer.is_empty();
            let left = wanted - self.buffer.len();
            match input.read(&mut self.buffer, left, wait) {
                Ok(Progress::Some) => {}
                Ok(Progress::Nothing) => break,
                Ok(Progress::End) => self.end = Some(BodyEnd::Complete),
                Err(Broken(status)) => {
                    self.refused = Some(status);
                    self.end = Some(if status == 413 { BodyEnd::TooLarge } else { BodyEnd::Aborted });
                }
            }
        }
    }
}

fn parse_length(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

/// How long a worker may not take what it asked for.
const TAKE_TRIES: u32 = 150;

/// Sends the first bytes of a request; an error means that the worker got none of it.
pub(crate) fn send_first(slot: BorrowedFd<'_>, frame: &[u8]) -> io::Result<usize> {
    loop {
        match socket::send(slot, &[IoSlice::new(frame)], &[], true) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // An idle worker's buffer is empty, so it has room; what it holds back it will not take later.
            other => return other,
        }
    }
}

/// Sends all of header and payload. The socket's own timeout (200 ms) ends each wait; a worker that takes nothing for
/// 30 seconds has lost its turn.
pub(crate) fn send_all(slot: BorrowedFd<'_>, header: &[u8], payload: &[u8]) -> io::Result<()> {
    let (mut header, mut payload, mut tries) = (header, payload, 0);
    while !header.is_empty() || !payload.is_empty() {
        let sent = if header.is_empty() {
            socket::send(slot, &[IoSlice::new(payload)], &[], true)
        } else if payload.is_empty() {
            socket::send(slot, &[IoSlice::new(header)], &[], true)
        } else {
            socket::send(slot, &[IoSlice::new(header), IoSlice::new(payload)], &[], true)
        };
        match sent {
            Ok(count) => {
                let of_header = count.min(header.len());
                header = header.get(of_header..).unwrap_or_default();
                payload = payload.get(count - of_header..).unwrap_or_default();
                tries = 0;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && tries < TAKE_TRIES => tries += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
