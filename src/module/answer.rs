//! The answer as httpd gets it: what a worker said about it is checked again here, and its bytes are counted.

use crate::failure::Failure;
use crate::httpd::log::{self, Level};
use crate::httpd::output::{Gone, Output, Then};
use crate::httpd::request::Request;
use krait_protocol::ProtocolError;
use krait_protocol::answer::{self, HeadReader};
use std::os::fd::OwnedFd;

/// An answer on its way to the client.
#[derive(Debug)]
pub(crate) struct Answer<'r> {
    r: Request<'r>,
    output: Output<'r>,
    has_head: bool,
    /// Whether anything was handed to httpd's filters: then the status can no longer change.
    is_under_way: bool,
    is_aborted: bool,
    /// What the application declared, in bytes.
    declared: Option<u64>,
    has_body: bool,
    /// Body bytes accepted so far.
    accepted: u64,
}

/// A part of a file to be sent.
#[derive(Debug)]
pub(crate) struct FilePart {
    pub(crate) file: OwnedFd,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

impl<'r> Answer<'r> {
    pub(crate) fn new(r: Request<'r>) -> Result<Self, Failure> {
        let output = Output::new(r).ok_or(Failure::Body(500))?;
        Ok(Answer {
            r,
            output,
            has_head: false,
            is_under_way: false,
            is_aborted: false,
            declared: None,
            has_body: true,
            accepted: 0,
        })
    }

    pub(crate) fn has_head(&self) -> bool {
        self.has_head
    }

    /// Takes status and headers.
    pub(crate) fn head(&mut self, payload: &[u8]) -> Result<(), ProtocolError> {
        if self.has_head {
            return Err(ProtocolError::Bad("second head"));
        }
        let mut head = HeadReader::new(payload)?;
        answer::check_status(head.status, head.reason)?;
        let headers = self.r.headers_out().ok_or(ProtocolError::Bad("request"))?;
        self.r.set_content_type(None);
        while let Some((name, value)) = head.header()? {
            answer::check_header(name, value)?;
            if name.eq_ignore_ascii_case(b"content-type") {
                self.r.set_content_type(Some(value));
            } else if name.eq_ignore_ascii_case(b"content-length") {
                let length = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok());
                let length = length.filter(|&length| i64::try_from(length).is_ok());
                self.declared = Some(length.ok_or(ProtocolError::Bad("Content-Length"))?);
            } else {
                headers.add(name, value);
            }
        }
        let line = if head.reason.is_empty() {
            Vec::new()
        } else {
            [head.status.to_string().as_bytes(), b" ", head.reason].concat()
        };
        self.r.set_status(head.status, &line);
        let without_body = matches!(head.status, 204 | 304);
        self.has_body = !without_body && !self.r.is_head();
        if let Some(length) = self.declared.filter(|_| head.status != 204) {
            self.r.set_content_length(length);
        }
        self.has_head = true;
        Ok(())
    }

    /// How many of `length` further body bytes may be sent: all, unless more was announced than declared.
    pub(crate) fn accept(&mut self, length: u64) -> Result<u64, ProtocolError> {
        if !self.has_head {
            return Err(ProtocolError::Bad("body before head"));
        }
        if !self.has_body {
            return Ok(0);
        }
        let room = self.declared.map_or(length, |declared| declared.saturating_sub(self.accepted));
        let taken = length.min(room);
        if taken < length {
            log::request(
                self.r,
                Level::Warning,
                "KRT0040: the application sent more than its Content-Length; the rest is cut off",
            );
        }
        self.accepted += taken;
        Ok(taken)
    }

    /// Whether fewer bytes came than were declared.
    pub(crate) fn is_short(&self) -> bool {
        self.has_body && self.declared.is_some_and(|declared| self.accepted < declared)
    }

    pub(crate) fn pass(&mut self, pieces: &[&[u8]], then: Then) -> Result<(), Gone> {
        self.is_under_way = true;
        self.output.pass(pieces, then)
    }

    pub(crate) fn pass_file(&mut self, part: FilePart, then: Then) -> Result<(), Gone> {
        self.is_under_way = true;
        self.output.pass_file(part.file, part.offset, part.length, then)
    }

    /// The answer cannot be completed. `true` where the client was told by a visible abort; `false` where nothing has
    /// left yet, so that an error status can still be given.
    pub(crate) fn fail(&mut self) -> bool {
        if self.is_under_way {
            if !std::mem::replace(&mut self.is_aborted, true) {
                self.output.abort();
            }
            return true;
        }
        if self.has_head {
            if let Some(headers) = self.r.headers_out() {
                headers.clear();
            }
            self.r.set_content_type(None);
            self.r.set_status(200, b"");
        }
        false
    }
}
