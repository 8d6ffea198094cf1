//! The conversation with the worker about one request: its answer comes, body it asks for goes, log lines are
//! written. What is received is passed on when the slot runs dry, so no block waits and none is flushed needlessly.

use crate::answer::{Answer, FilePart};
use crate::body::Source;
use crate::failure::Failure;
use crate::httpd::log::{self, Level};
use crate::httpd::output::{Gone, Then};
use crate::httpd::request::Request;
use crate::inbox::{Filled, Inbox, Item};
use crate::slot::Leased;
use krait_config::spec::RequestRules;
use krait_protocol::ProtocolError;
use krait_protocol::control::ReturnReason;
use krait_protocol::frame::{self, Header, Kind, LogLevel, Outcome};
use std::io;
use std::ops::Range;
use std::time::Instant;

/// Most pieces of an answer that are held before they are passed on.
const MOST_PIECES: usize = 64;
/// How much of what an application logs is kept for the page of `KraitDebug On`.
const MOST_DEBUG_BYTES: usize = 64 << 10;

/// A part of the answer that is not passed on yet.
#[derive(Debug)]
enum Piece {
    Bytes(Range<usize>),
    File(FilePart),
}

/// One request with its worker.
#[derive(Debug)]
pub(crate) struct Relay<'r, 'a> {
    r: Request<'r>,
    rules: &'a RequestRules,
    inbox: &'a mut Inbox,
    answer: Answer<'r>,
    pieces: Vec<Piece>,
    /// Whether something was passed on that httpd may still hold.
    is_held: bool,
    has_file: bool,
    /// What the application logged, for `KraitDebug On`.
    pub(crate) logged: Vec<u8>,
}

impl<'r, 'a> Relay<'r, 'a> {
    pub(crate) fn new(
        r: Request<'r>,
        rules: &'a RequestRules,
        inbox: &'a mut Inbox,
    ) -> Result<Self, Failure> {
        inbox.reset();
        let answer = Answer::new(r)?;
        Ok(Relay {
            r,
            rules,
            inbox,
            answer,
            pieces: Vec::new(),
            is_held: false,
            has_file: false,
            logged: Vec::new(),
        })
    }

    /// Whether the answer was broken off visibly, so that no error page can follow.
    pub(crate) fn fail(&mut self) -> bool {
        self.answer.fail()
    }

    /// Carries the conversation to its end. The slot goes back as soon as the worker is done with the request, before
    /// the rest of the answer is passed on.
    pub(crate) fn run(&mut self, mut slot: Leased<'_>, body: &mut Source<'r>) -> Result<(), Failure> {
        let result = self.converse(&mut slot, body);
        match result {
            Ok(outcome) => {
                if self.inbox.is_empty() {
                    slot.finish();
                } else {
                    slot.reason = ReturnReason::Protocol;
                    drop(slot);
                    log::request(
                        self.r,
                        Level::Error,
                        "KRT0041: the worker said more after the end of its answer; it is replaced",
                    );
                }
                self.conclude(outcome)
            }
            Err(failure) => {
                slot.reason = match &failure {
                    Failure::Protocol(_) => ReturnReason::Protocol,
                    Failure::Deadline(_) => ReturnReason::Deadline,
                    Failure::ClientGone => ReturnReason::Aborted,
                    _ => ReturnReason::WorkerGone,
                };
                Err(failure)
            }
        }
    }

    fn conclude(&mut self, outcome: Outcome) -> Result<(), Failure> {
        if outcome == Outcome::Failed {
            return Err(Failure::Application);
        }
        if !self.answer.has_head() {
            return Err(Failure::Protocol("the answer ended without a head".to_owned()));
        }
        if self.answer.is_short() {
            log::request(
                self.r,
                Level::Error,
                "KRT0042: the application sent less than its Content-Length; the answer is broken off",
            );
            self.pass(Then::Flush).ok();
            return Err(Failure::Application);
        }
        self.pass(Then::End).map_err(|Gone| Failure::ClientGone)
    }

    fn converse(&mut self, slot: &mut Leased<'_>, body: &mut Source<'r>) -> Result<Outcome, Failure> {
        let mut since = Instant::now();
        loop {
            while let Some(item) = self.inbox.next().map_err(protocol)? {
                match item {
                    Item::Data(range) => self.data(range)?,
                    Item::Frame(header, range) => {
                        if let Some(outcome) = self.frame(header, range, slot, body)? {
                            return Ok(outcome);
                        }
                    }
                }
                since = Instant::now();
            }
            self.receive(slot, since)?;
        }
    }

    /// Receives more; passes on what is held where the slot is dry or the buffer full.
    fn receive(&mut self, slot: &mut Leased<'_>, since: Instant) -> Result<(), Failure> {
        if self.inbox.is_tight() || self.pieces.len() >= MOST_PIECES {
            self.pass(Then::More).map_err(|Gone| Failure::ClientGone)?;
            self.inbox.make_room();
        }
        let has_more_to_pass = !self.pieces.is_empty() || self.is_held;
        let end = slot.end().ok_or(Failure::WorkerGone)?;
        let filled = match self.inbox.fill(end, !has_more_to_pass) {
            Ok(filled) => filled,
            Err(error) => return Err(Failure::Protocol(error.to_string())),
        };
        match filled {
            Filled::Some => Ok(()),
            Filled::Closed => Err(Failure::WorkerGone),
            Filled::Nothing if has_more_to_pass => {
                self.pass(Then::Flush).map_err(|Gone| Failure::ClientGone)?;
                self.inbox.make_room();
                Ok(())
            }
            Filled::Nothing if since.elapsed() >= self.rules.request_timeout => {
                Err(Failure::Deadline(self.rules.request_timeout))
            }
            Filled::Nothing => Ok(()),
        }
    }

    fn data(&mut self, range: Range<usize>) -> Result<(), Failure> {
        let taken = self.answer.accept(range.len() as u64).map_err(protocol)?;
        let taken = usize::try_from(taken).unwrap_or(usize::MAX).min(range.len());
        if taken > 0 {
            self.pieces.push(Piece::Bytes(range.start..range.start + taken));
        }
        Ok(())
    }

    fn frame(
        &mut self,
        header: Header,
        range: Range<usize>,
        slot: &Leased<'_>,
        body: &mut Source<'r>,
    ) -> Result<Option<Outcome>, Failure> {
        match header.kind {
            Kind::Head => self.answer.head(self.inbox.bytes(range)).map_err(protocol)?,
            Kind::End => return Outcome::from_code(header.code).map(Some).map_err(protocol),
            Kind::File => self.file(range)?,
            Kind::Log => self.log(LogLevel::from_code(header.code), range),
            Kind::Read => {
                let wanted = frame::decode_read(self.inbox.bytes(range)).map_err(protocol)?;
                if !self.pieces.is_empty() || self.is_held {
                    self.pass(Then::Flush).map_err(|Gone| Failure::ClientGone)?;
                }
                let end = slot.end().ok_or(Failure::WorkerGone)?;
                body.serve(end, wanted).map_err(|error| match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        Failure::Protocol("it does not take the body that it asked for".to_owned())
                    }
                    _ => Failure::WorkerGone,
                })?;
            }
            _ => return Err(protocol(ProtocolError::Bad("frame kind"))),
        }
        Ok(None)
    }

    fn file(&mut self, range: Range<usize>) -> Result<(), Failure> {
        // One is what a worker sends; each stays open until the request ends.
        if std::mem::replace(&mut self.has_file, true) {
            return Err(Failure::Protocol("a second file in one answer".to_owned()));
        }
        let (offset, length) = frame::decode_file(self.inbox.bytes(range)).map_err(protocol)?;
        let file = self
            .inbox
            .take_descriptor()
            .ok_or_else(|| Failure::Protocol("a file without its descriptor".to_owned()))?;
        // Only a regular file can be promised to have so many bytes and to give them without waiting.
        let file = std::fs::File::from(file);
        let size = match file.metadata() {
            Ok(about) if about.is_file() => about.len(),
            _ => return Err(Failure::Protocol("a descriptor that is not a regular file".to_owned())),
        };
        if offset.checked_add(length).is_none_or(|end| end > size) {
            return Err(Failure::Protocol("a range that is not in the file".to_owned()));
        }
        let length = self.answer.accept(length).map_err(protocol)?;
        if length > 0 {
            self.pieces.push(Piece::File(FilePart { file: file.into(), offset, length }));
        }
        Ok(())
    }

    fn log(&mut self, level: LogLevel, range: Range<usize>) {
        let level = match level {
            LogLevel::Error => Level::Error,
            LogLevel::Warning => Level::Warning,
            LogLevel::Notice => Level::Notice,
            LogLevel::Info => Level::Info,
            LogLevel::Debug => Level::Debug,
        };
        let text = self.inbox.bytes(range);
        if self.rules.debug && self.logged.len() + text.len() < MOST_DEBUG_BYTES {
            self.logged.extend_from_slice(text);
        }
        if log::is_logged(self.r, level) {
            for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
                if has_own_tag(line) {
                    log::request_bytes(self.r, level, line);
                } else {
                    log::request_bytes(self.r, level, &[b"KRT0050: ", line].concat());
                }
            }
        }
    }

    /// Passes on all pieces, and says what follows.
    fn pass(&mut self, then: Then) -> Result<(), Gone> {
        let mut bytes: Vec<&[u8]> = Vec::with_capacity(self.pieces.len());
        for piece in self.pieces.drain(..) {
            match piece {
                Piece::Bytes(range) => bytes.push(self.inbox.bytes(range)),
                Piece::File(part) => {
                    if !bytes.is_empty() {
                        self.answer.pass(&bytes, Then::More)?;
                        bytes.clear();
                    }
                    self.answer.pass_file(part, Then::More)?;
                }
            }
        }
        self.is_held = then == Then::More;
        self.answer.pass(&bytes, then)
    }
}

/// Whether a line starts with a tag of the Python side, KRT0600 to KRT0699. All others are the application's.
fn has_own_tag(line: &[u8]) -> bool {
    matches!(line, [b'K', b'R', b'T', b'0', b'6', b'0'..=b'9', b'0'..=b'9', b':', ..])
}

fn protocol(error: ProtocolError) -> Failure {
    Failure::Protocol(error.to_string())
}
