//! Status and headers as `start_response` takes them, checked at the call so that the application sees the error.

use crate::glue;
use krait_protocol::ProtocolError;
use krait_protocol::answer::{HeadReader, HeadWriter, check_header, check_status, is_hop_by_hop};
use krait_protocol::limits::{FRAME_HEADER_BYTES, MAX_HEADERS};
use pyo3::exceptions::{PyAssertionError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

/// A checked head, kept as the frame it will leave as.
#[derive(Debug)]
pub(crate) struct Head {
    frame: Vec<u8>,
    status: u16,
    /// The declared length of the body.
    pub(crate) content_length: Option<u64>,
}

impl Head {
    /// Checks what an application passes.
    ///
    /// # Errors
    /// `TypeError` for wrong types, `ValueError` for wrong values, `AssertionError` for hop-by-hop headers.
    pub(crate) fn new(status: &Bound<'_, PyAny>, headers: &Bound<'_, PyAny>) -> PyResult<Head> {
        let line = exact(status, "the status")?;
        let (code, reason) = split_status(line.as_bytes())?;
        let Ok(headers) = headers.cast_exact::<PyList>() else {
            let kind = headers.get_type().name()?;
            return Err(PyTypeError::new_err(format!("the response headers must be a list, not {kind}")));
        };
        if headers.len() >= MAX_HEADERS {
            return Err(PyValueError::new_err(format!("more than {} response headers", MAX_HEADERS - 1)));
        }
        let mut frame = Vec::with_capacity(256);
        let mut writer = HeadWriter::new(&mut frame, code, reason);
        let mut content_length = None;
        for pair in headers {
            let pair = pair
                .cast_into::<PyTuple>()
                .ok()
                .filter(|pair| pair.len() == 2)
                .ok_or_else(|| PyTypeError::new_err("a response header must be a tuple (name, value)"))?;
            let (name, value) = (pair.get_borrowed_item(0)?, pair.get_borrowed_item(1)?);
            let name = exact(&name, "a response header's name")?;
            let value = exact(&value, "a response header's value")?;
            let (name, value) = (name.as_bytes(), value.as_bytes());
            check_header(name, value).map_err(|error| refuse(name, value, &error))?;
            if name.eq_ignore_ascii_case(b"content-length") {
                let length = parse_length(value)?;
                if content_length.is_some_and(|other| other != length) {
                    return Err(PyValueError::new_err("two response headers Content-Length that differ"));
                }
                content_length = Some(length);
            }
            writer.header(name, value).map_err(|error| PyValueError::new_err(error.to_string()))?;
        }
        writer.finish();
        Ok(Head { frame, status: code, content_length })
    }

    /// The whole `HEAD` frame.
    pub(crate) fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// Whether the status forbids a body.
    pub(crate) fn is_bodiless(&self) -> bool {
        matches!(self.status, 204 | 304)
    }

    /// Adds a Content-Length, unless one is there or the status forbids it.
    pub(crate) fn declare(&mut self, length: u64) {
        if self.content_length.is_none() && !self.is_bodiless() {
            // The frame is our own and there is room for one header more, so this cannot fail.
            if let Ok(frame) = self.with_length(length) {
                self.frame = frame;
                self.content_length = Some(length);
            }
        }
    }

    fn with_length(&self, length: u64) -> Result<Vec<u8>, ProtocolError> {
        let mut reader = HeadReader::new(self.frame.get(FRAME_HEADER_BYTES..).unwrap_or_default())?;
        let mut frame = Vec::with_capacity(self.frame.len() + 40);
        let mut writer = HeadWriter::new(&mut frame, reader.status, reader.reason);
        while let Some((name, value)) = reader.header()? {
            writer.header(name, value)?;
        }
        writer.header(b"Content-Length", length.to_string().as_bytes())?;
        writer.finish();
        Ok(frame)
    }
}

/// PEP 3333 wants exactly `str`: a subclass may be anything by the time it is sent.
fn exact<'py>(object: &Bound<'py, PyAny>, what: &str) -> PyResult<Bound<'py, PyBytes>> {
    let Ok(text) = object.cast_exact::<PyString>() else {
        let kind = object.get_type().name()?;
        return Err(PyTypeError::new_err(format!("{what} must be str, not {kind}")));
    };
    glue::latin1_bytes(text)
}

/// `NNN reason`: three digits, one space, a reason that neither begins nor ends with space.
fn split_status(line: &[u8]) -> PyResult<(u16, &[u8])> {
    let show = || String::from_utf8_lossy(line).into_owned();
    let parts = line.split_first_chunk::<3>().filter(|(digits, _)| digits.iter().all(u8::is_ascii_digit));
    let reason = parts.and_then(|(_, rest)| rest.strip_prefix(b" ")).filter(|reason| {
        let edge = |byte: Option<&u8>| byte.is_some_and(|byte| !byte.is_ascii_whitespace());
        edge(reason.first()) && edge(reason.last())
    });
    let (Some((digits, _)), Some(reason)) = (parts, reason) else {
        return Err(PyValueError::new_err(format!(
            "the status must be three digits, one space and a reason, like \"200 OK\", not {:?}",
            show()
        )));
    };
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    check_status(code, reason)
        .map_err(|error| PyValueError::new_err(format!("{error} in the status {:?}", show())))?;
    Ok((code, reason))
}

fn parse_length(value: &[u8]) -> PyResult<u64> {
    let text = std::str::from_utf8(value.trim_ascii()).ok();
    text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| {
            PyValueError::new_err(format!("bad Content-Length {:?}", String::from_utf8_lossy(value)))
        })
}

fn refuse(name: &[u8], value: &[u8], error: &ProtocolError) -> PyErr {
    let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
    let text = format!("{error}: {name:?}: {value:?}");
    if is_hop_by_hop(name.as_bytes()) {
        return PyAssertionError::new_err(format!("{text}; only the server may send it"));
    }
    PyValueError::new_err(text)
}
