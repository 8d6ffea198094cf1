//! The sending half of a slot: the state of one answer, and the frames it becomes.

use crate::head::Head;
use crate::link::{Link, LinkError};
use crate::log::{self, to_stderr};
use crate::outlet::Outlet;
use crate::receiver;
use krait_protocol::frame::{self, Header, Kind, LogLevel, Outcome};
use krait_protocol::limits::{MAX_DATA_BYTES, MAX_LOG_BYTES};
use pyo3::prelude::*;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// Up to here a block is copied behind its header, which is cheaper than a vector of two.
const COPY_BYTES: usize = 4 << 10;

/// What became of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// More may follow.
    More,
    /// The answer needs no more bytes: what follows may be left out.
    Enough,
    /// The block went past the declared Content-Length and was cut.
    Excess,
}

#[derive(Debug)]
pub(crate) struct Sender {
    outlet: Outlet,
    /// Text of `wsgi.errors` after its last line end.
    line: Vec<u8>,
    head: Option<Head>,
    /// `start_response` was called, well or not.
    called: bool,
    head_sent: bool,
    /// The request's method is HEAD.
    is_head: bool,
    sent: u64,
    ended: bool,
    excess_told: bool,
    /// `write()` was used, so no block is the whole body.
    written: bool,
    id: u64,
}

impl Sender {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Sender {
            outlet: Outlet::new(link),
            line: Vec::new(),
            head: None,
            called: false,
            head_sent: false,
            is_head: false,
            sent: 0,
            ended: false,
            excess_told: false,
            written: false,
            id: 0,
        }
    }

    /// Starts the next answer.
    pub(crate) fn begin(&mut self, id: u64, is_head: bool) {
        self.outlet.begin();
        self.line.clear();
        self.head = None;
        self.called = false;
        self.head_sent = false;
        self.is_head = is_head;
        self.sent = 0;
        self.ended = false;
        self.excess_told = false;
        self.written = false;
        self.id = id;
    }

    /// Notes a call of `start_response`; says whether there was one before.
    pub(crate) fn call(&mut self) -> bool {
        std::mem::replace(&mut self.called, true)
    }

    /// Notes a call of `write()`.
    pub(crate) fn note_write(&mut self) {
        self.written = true;
    }

    pub(crate) fn set_head(&mut self, head: Option<Head>) {
        self.head = head;
    }

    pub(crate) fn has_head(&self) -> bool {
        self.head.is_some()
    }

    pub(crate) fn head_sent(&self) -> bool {
        self.head_sent
    }

    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    pub(crate) fn gone(&self) -> bool {
        self.outlet.is_gone()
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Whether no byte of a body may be sent.
    pub(crate) fn is_bodiless(&self) -> bool {
        self.is_head || self.head.as_ref().is_some_and(Head::is_bodiless)
    }

    /// How many bytes the declared Content-Length leaves; `None` where none is declared or none matters.
    pub(crate) fn left(&self) -> Option<u64> {
        let declared = self.head.as_ref()?.content_length?;
        (!self.is_bodiless()).then(|| declared.saturating_sub(self.sent))
    }

    /// Declares the Content-Length that the application left out, where one may be declared.
    pub(crate) fn declare(&mut self, length: u64) {
        // An empty answer to HEAD says nothing about GET's: no 0 is invented.
        if self.head_sent || self.written || self.is_head && length == 0 {
            return;
        }
        if let Some(head) = self.head.as_mut() {
            head.declare(length);
        }
    }

    fn commit(&mut self) {
        if let Some(head) = self.head.as_ref().filter(|_| !self.head_sent) {
            self.outlet.frames.extend_from_slice(head.frame());
            self.head_sent = true;
        }
    }

    /// Sends a non-empty block, the head before it where that is still here. Ends the answer with it where the
    /// block is the `last` or completes the declared Content-Length.
    pub(crate) fn block(&mut self, py: Python<'_>, block: &[u8], last: bool) -> Result<Flow, LinkError> {
        if self.ended {
            return Ok(if self.is_bodiless() { Flow::Enough } else { Flow::Excess });
        }
        if self.is_bodiless() {
            return self.end(py).map(|()| Flow::Enough);
        }
        let left = self.left().map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        let (now, rest) = block.split_at_checked(left).unwrap_or((block, &[]));
        if !rest.is_empty() {
            self.tell_excess();
        }
        self.commit();
        self.sent += now.len() as u64;
        let last = last || now.len() == left;
        if last {
            self.push_line();
        }
        let end = if last { self.end_frame() } else { None };
        self.data(py, now, end)?;
        Ok(match (rest.is_empty(), last) {
            (false, _) => Flow::Excess,
            (_, true) => Flow::Enough,
            _ => Flow::More,
        })
    }

    fn data(&mut self, py: Python<'_>, block: &[u8], end: Option<[u8; 8]>) -> Result<(), LinkError> {
        let mut chunks = block.chunks(MAX_DATA_BYTES).peekable();
        while let Some(chunk) = chunks.next() {
            self.outlet.frames.extend_from_slice(&Header::encode(Kind::Data, 0, chunk.len()));
            let tail = end.filter(|_| chunks.peek().is_none());
            let tail = tail.as_ref().map_or(&[][..], |frame| &frame[..]);
            if chunk.len() <= COPY_BYTES {
                self.outlet.frames.extend_from_slice(chunk);
                self.outlet.frames.extend_from_slice(tail);
                self.outlet.flush(py, &[], &[], None)?;
            } else {
                self.outlet.flush(py, chunk, tail, None)?;
            }
        }
        if block.is_empty()
            && let Some(frame) = end
        {
            self.outlet.frames.extend_from_slice(&frame);
            self.outlet.flush(py, &[], &[], None)?;
        }
        Ok(())
    }

    /// Sends a range of a file as the whole body, and ends the answer.
    pub(crate) fn file(
        &mut self,
        py: Python<'_>,
        file: &OwnedFd,
        offset: u64,
        length: u64,
    ) -> Result<(), LinkError> {
        let length = self.left().map_or(length, |left| left.min(length));
        self.push_line();
        self.commit();
        frame::push(&mut self.outlet.frames, Kind::File, 0, &frame::encode_file(offset, length));
        self.sent += length;
        if let Some(end) = self.end_frame() {
            self.outlet.frames.extend_from_slice(&end);
        }
        self.outlet.flush(py, &[], &[], Some(file.as_fd()))
    }

    /// Ends the answer: nothing more comes from the application.
    pub(crate) fn end(&mut self, py: Python<'_>) -> Result<(), LinkError> {
        if self.ended {
            return Ok(());
        }
        self.push_line();
        self.commit();
        if let Some(end) = self.end_frame() {
            self.outlet.frames.extend_from_slice(&end);
        }
        self.outlet.flush(py, &[], &[], None)
    }

    /// The `END` frame, and what it must be told with before it. Fewer bytes than declared are a failure that the
    /// client must be able to see.
    fn end_frame(&mut self) -> Option<[u8; 8]> {
        if self.ended {
            return None;
        }
        let outcome = match self.left() {
            Some(left) if left > 0 => {
                let text = format!(
                    "KRT0611: the application's answer ended {left} bytes before its declared Content-Length; \
                     the connection is closed so that the client can tell"
                );
                self.push_log(LogLevel::Error, text.as_bytes());
                Outcome::Failed
            }
            _ => Outcome::Complete,
        };
        self.ended = true;
        Some(Header::encode(Kind::End, outcome as u8, 0))
    }

    /// Tells once, after the end, that the application had more to say than it declared.
    pub(crate) fn tell_excess(&mut self) {
        if !std::mem::replace(&mut self.excess_told, true) {
            self.push_log(LogLevel::Error, format!("KRT0612: {EXCESS}").as_bytes());
        }
    }

    /// Ends the answer as failed.
    pub(crate) fn fail(&mut self, py: Python<'_>, report: Option<&[u8]>) -> Result<(), LinkError> {
        self.push_line();
        if let Some(report) = report {
            self.push_log(LogLevel::Error, report);
        }
        if self.ended {
            return Ok(());
        }
        self.ended = true;
        self.outlet.frames.extend_from_slice(&Header::encode(Kind::End, Outcome::Failed as u8, 0));
        self.outlet.flush(py, &[], &[], None)
    }

    /// Asks the child for request body.
    pub(crate) fn ask(&mut self, py: Python<'_>, wanted: u32) -> Result<(), LinkError> {
        receiver::push_read(&mut self.outlet.frames, wanted);
        self.outlet.flush(py, &[], &[], None)
    }

    /// Adds text of `wsgi.errors`. Whole lines leave at once: the next statement may block or crash.
    pub(crate) fn write_errors(&mut self, py: Python<'_>, text: &[u8], flush: bool) -> Result<(), LinkError> {
        if let Some(at) = text.iter().rposition(|&byte| byte == b'\n') {
            let (lines, rest) = text.split_at(at + 1);
            self.line.extend_from_slice(lines);
            self.push_line();
            self.line.extend_from_slice(rest);
        } else {
            self.line.extend_from_slice(text);
        }
        // A line that never ends must not grow for ever.
        if flush || self.line.len() > MAX_LOG_BYTES {
            self.push_line();
        }
        if self.outlet.frames.is_empty() { Ok(()) } else { self.outlet.flush(py, &[], &[], None) }
    }

    fn push_line(&mut self) {
        if !self.line.is_empty() {
            let mut line = std::mem::take(&mut self.line);
            self.push_log(LogLevel::Error, line.strip_suffix(b"\n").unwrap_or(&line));
            line.clear();
            self.line = line;
        }
    }

    /// Queues text for the log; after the answer's end there is no request to log it with, so it goes to stderr.
    pub(crate) fn push_log(&mut self, level: LogLevel, text: &[u8]) {
        if self.ended || self.outlet.is_gone() {
            to_stderr(text);
            return;
        }
        log::push(&mut self.outlet.frames, level, text);
    }
}

/// What is told of an answer that is too long, in the log and by `write()`.
pub(crate) const EXCESS: &str =
    "the application's answer is longer than its declared Content-Length; the rest is left out";
