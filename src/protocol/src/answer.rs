//! The `HEAD` frame's payload: status `u16`, reason length `u16`, reason, number of headers `u16`, then for each
//! header name length `u16`, name, value length `u32`, value. Little-endian.
//!
//! [`HeadReader`] gives the bytes as they came; whether they are fit for a client is the business of
//! [`check_status`] and [`check_header`], which the module applies to everything a worker says, and the worker to
//! everything an application says.

use crate::ProtocolError;
use crate::cursor::Cursor;
use crate::frame::{Header, Kind};
use crate::limits::*;

/// Appends a whole `HEAD` frame, header by header.
#[derive(Debug)]
pub struct HeadWriter<'b> {
    out: &'b mut Vec<u8>,
    start: usize,
    count_at: usize,
    count: u16,
}

impl<'b> HeadWriter<'b> {
    /// Starts a frame at the end of `out`.
    pub fn new(out: &'b mut Vec<u8>, status: u16, reason: &[u8]) -> Self {
        let start = out.len();
        let reason = reason.get(..MAX_REASON_BYTES).unwrap_or(reason);
        out.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
        out.extend_from_slice(&status.to_le_bytes());
        #[expect(clippy::cast_possible_truncation, reason = "cut to MAX_REASON_BYTES above")]
        out.extend_from_slice(&(reason.len() as u16).to_le_bytes());
        out.extend_from_slice(reason);
        let count_at = out.len();
        out.extend_from_slice(&[0; 2]);
        HeadWriter { out, start, count_at, count: 0 }
    }

    /// Adds a header.
    ///
    /// # Errors
    /// `TooLarge` beyond [`MAX_HEADERS`], [`MAX_NAME_BYTES`] or [`MAX_HEAD_BYTES`].
    pub fn header(&mut self, name: &[u8], value: &[u8]) -> Result<(), ProtocolError> {
        let count = usize::from(self.count) + 1;
        if count > MAX_HEADERS {
            return Err(ProtocolError::TooLarge {
                what: "number of headers",
                size: count,
                limit: MAX_HEADERS,
            });
        }
        let name_length = u16::try_from(name.len()).ok().filter(|_| name.len() <= MAX_NAME_BYTES).ok_or(
            ProtocolError::TooLarge { what: "header name", size: name.len(), limit: MAX_NAME_BYTES },
        )?;
        let total = self.out.len() - self.start + name.len() + value.len() + 6;
        if total > MAX_HEAD_BYTES {
            return Err(ProtocolError::TooLarge { what: "headers", size: total, limit: MAX_HEAD_BYTES });
        }
        self.out.extend_from_slice(&name_length.to_le_bytes());
        self.out.extend_from_slice(name);
        #[expect(clippy::cast_possible_truncation, reason = "checked against MAX_HEAD_BYTES above")]
        self.out.extend_from_slice(&(value.len() as u32).to_le_bytes());
        self.out.extend_from_slice(value);
        self.count += 1;
        Ok(())
    }

    /// Ends the frame.
    pub fn finish(self) {
        let length = self.out.len() - self.start - FRAME_HEADER_BYTES;
        let header = Header::encode(Kind::Head, 0, length);
        if let Some(place) = self.out.get_mut(self.start..self.start + FRAME_HEADER_BYTES) {
            place.copy_from_slice(&header);
        }
        if let Some(place) = self.out.get_mut(self.count_at..self.count_at + 2) {
            place.copy_from_slice(&self.count.to_le_bytes());
        }
    }
}

/// A received head; the headers are read one by one.
#[derive(Debug, Clone)]
pub struct HeadReader<'a> {
    /// The three-digit status, unchecked.
    pub status: u16,
    /// The reason phrase, unchecked.
    pub reason: &'a [u8],
    left: u16,
    cursor: Cursor<'a>,
}

impl<'a> HeadReader<'a> {
    /// Starts reading a `HEAD` frame's payload.
    ///
    /// # Errors
    /// `Truncated` or `TooLarge`.
    pub fn new(payload: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut cursor = Cursor::new(payload);
        let status = cursor.u16("status")?;
        let length = usize::from(cursor.u16("reason length")?);
        if length > MAX_REASON_BYTES {
            return Err(ProtocolError::TooLarge { what: "reason", size: length, limit: MAX_REASON_BYTES });
        }
        let reason = cursor.bytes(length, "reason")?;
        let left = cursor.u16("number of headers")?;
        if usize::from(left) > MAX_HEADERS {
            return Err(ProtocolError::TooLarge {
                what: "number of headers",
                size: left.into(),
                limit: MAX_HEADERS,
            });
        }
        Ok(HeadReader { status, reason, left, cursor })
    }

    /// The next header's name and value; `None` after the last.
    ///
    /// # Errors
    /// `Truncated`, or `Trailing` bytes after the last header.
    pub fn header(&mut self) -> Result<Option<(&'a [u8], &'a [u8])>, ProtocolError> {
        if self.left == 0 {
            self.cursor.end()?;
            return Ok(None);
        }
        self.left -= 1;
        let length = self.cursor.u16("name length")?;
        let name = self.cursor.bytes(length.into(), "header name")?;
        let length = self.cursor.u32("value length")? as usize;
        Ok(Some((name, self.cursor.bytes(length, "header value")?)))
    }
}

/// Checks a final status: 200 to 599 (an application has no business with 1xx) and a reason without control bytes.
///
/// # Errors
/// `Bad` naming the part.
pub fn check_status(status: u16, reason: &[u8]) -> Result<(), ProtocolError> {
    if !(200..=599).contains(&status) {
        return Err(ProtocolError::Bad("status"));
    }
    if reason.iter().any(|&byte| byte < 0x20 && byte != b'\t' || byte == 0x7f) {
        return Err(ProtocolError::Bad("reason phrase"));
    }
    Ok(())
}

/// Checks a response header: the name a token (RFC 9110 5.6.2), the value without control bytes but tab
/// (RFC 9110 5.5), and no hop-by-hop header, which only the server may send (PEP 3333).
///
/// # Errors
/// `Bad` naming the part.
pub fn check_header(name: &[u8], value: &[u8]) -> Result<(), ProtocolError> {
    if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
        return Err(ProtocolError::Bad("header name"));
    }
    if value.iter().any(|&byte| byte < 0x20 && byte != b'\t' || byte == 0x7f) {
        return Err(ProtocolError::Bad("header value"));
    }
    if is_hop_by_hop(name) {
        return Err(ProtocolError::Bad("hop-by-hop header"));
    }
    Ok(())
}

/// Whether a header belongs to one connection only (RFC 2616 13.5.1, the list PEP 3333 means).
#[must_use]
pub fn is_hop_by_hop(name: &[u8]) -> bool {
    const NAMES: [&str; 9] = [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
    ];
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_head_reads_back(
            status in any::<u16>(),
            reason in proptest::collection::vec(any::<u8>(), 0..40),
            headers in proptest::collection::vec(
                (proptest::collection::vec(any::<u8>(), 0..20), proptest::collection::vec(any::<u8>(), 0..60)), 0..12),
        ) {
            let mut out = vec![9, 9];
            let mut writer = HeadWriter::new(&mut out, status, &reason);
            for (name, value) in &headers {
                writer.header(name, value).unwrap();
            }
            writer.finish();
            let (header, payload, used) = frame::split(&out[2..]).unwrap().unwrap();
            prop_assert_eq!((header.kind, used), (Kind::Head, out.len() - 2));
            let mut reader = HeadReader::new(payload).unwrap();
            prop_assert_eq!((reader.status, reader.reason), (status, &reason[..]));
            for (name, value) in &headers {
                prop_assert_eq!(reader.header().unwrap(), Some((&name[..], &value[..])));
            }
            prop_assert_eq!(reader.header().unwrap(), None);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(mut reader) = HeadReader::new(&bytes) {
                while let Ok(Some(_)) = reader.header() {}
            }
        }
    }

    #[test]
    fn what_could_split_an_answer_is_refused() {
        assert!(check_header(b"X-A", b"fine\twith tab \xe9").is_ok());
        for (name, value) in [
            (&b""[..], &b"v"[..]),
            (b"X A", b"v"),
            (b"X:A", b"v"),
            (b"X\r\nB", b"v"),
            (b"X", b"v\r\nSet-Cookie: a=b"),
            (b"X", b"v\0"),
            (b"Connection", b"close"),
            (b"Transfer-encoding", b"chunked"),
        ] {
            assert!(check_header(name, value).is_err(), "{name:?}: {value:?}");
        }
        assert!(check_status(200, b"OK").is_ok());
        assert!(check_status(200, b"").is_ok());
        for (status, reason) in [(100, &b""[..]), (199, b""), (600, b""), (0, b""), (200, b"OK\r\nX: y")] {
            assert!(check_status(status, reason).is_err(), "{status} {reason:?}");
        }
    }
}
