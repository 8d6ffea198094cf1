//! The frame: eight bytes of header, then a payload.
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | payload length, little-endian |
//! | 4 | kind |
//! | 5 | code: log level, outcome or body end, by kind |
//! | 6..8 | zero |

use crate::ProtocolError;
use crate::limits::*;

/// What a frame carries, and who sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Child to worker: a request, see [`crate::request`].
    Request = 1,
    /// Child to worker: bytes of the request body, in answer to `Read`.
    Body = 2,
    /// Child to worker: no more body follows; the code is a [`BodyEnd`]. Also an answer to `Read`.
    BodyEnd = 3,
    /// Worker to child: status and headers, see [`crate::answer`].
    Head = 16,
    /// Worker to child: bytes of the answer's body.
    Data = 17,
    /// Worker to child: the answer is over; the code is an [`Outcome`].
    End = 18,
    /// Worker to child: the application wants request body; payload is a `u32`, the most bytes it takes now.
    Read = 19,
    /// Worker to child: text for the error log; the code is a [`LogLevel`].
    Log = 20,
    /// Worker to child: a file's descriptor (`SCM_RIGHTS`, with this frame's first byte); payload offset `u64`,
    /// length `u64`, in bytes. The range is answer body, like `Data`.
    File = 21,
}

impl Kind {
    fn from_code(code: u8) -> Option<Kind> {
        Some(match code {
            1 => Kind::Request,
            2 => Kind::Body,
            3 => Kind::BodyEnd,
            16 => Kind::Head,
            17 => Kind::Data,
            18 => Kind::End,
            19 => Kind::Read,
            20 => Kind::Log,
            21 => Kind::File,
            _ => return None,
        })
    }

    /// The largest payload a frame of this kind may have, in bytes.
    #[must_use]
    pub const fn limit(self) -> usize {
        match self {
            Kind::Request => MAX_REQUEST_BYTES,
            Kind::Head => MAX_HEAD_BYTES,
            Kind::Data | Kind::Body => MAX_DATA_BYTES,
            Kind::Log => MAX_LOG_BYTES,
            Kind::BodyEnd | Kind::End | Kind::Read | Kind::File => MAX_SMALL_BYTES,
        }
    }

    /// Whether a worker may send this kind.
    #[must_use]
    pub const fn is_from_worker(self) -> bool {
        self as u8 >= 16
    }
}

/// Code of a `BodyEnd` frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum BodyEnd {
    /// All of the body was sent.
    Complete = 0,
    /// The client went away or sent a broken body: the application's read raises.
    Aborted = 1,
    /// The body is longer than the server allows: the application's read raises.
    TooLarge = 2,
}

impl BodyEnd {
    /// The meaning of a frame's code.
    ///
    /// # Errors
    /// `Unknown` for any other code.
    pub fn from_code(code: u8) -> Result<Self, ProtocolError> {
        match code {
            0 => Ok(BodyEnd::Complete),
            1 => Ok(BodyEnd::Aborted),
            2 => Ok(BodyEnd::TooLarge),
            _ => Err(ProtocolError::Unknown { what: "body end", code: code.into() }),
        }
    }
}

/// Code of an `End` frame: how the application's part ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// The answer is complete.
    Complete = 0,
    /// The application raised or broke WSGI's rules: 500 before the head, a visible abort after it.
    Failed = 1,
}

impl Outcome {
    /// The meaning of a frame's code.
    ///
    /// # Errors
    /// `Unknown` for any other code.
    pub fn from_code(code: u8) -> Result<Self, ProtocolError> {
        match code {
            0 => Ok(Outcome::Complete),
            1 => Ok(Outcome::Failed),
            _ => Err(ProtocolError::Unknown { what: "outcome", code: code.into() }),
        }
    }
}

/// Code of a `Log` frame; the numbers are httpd's (`http_log.h`, `APLOG_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum LogLevel {
    /// The application failed (tracebacks).
    Error = 3,
    /// Something is wrong but the request goes on.
    Warning = 4,
    /// Normal but worth noting.
    Notice = 5,
    /// What the application printed.
    Info = 6,
    /// For developers.
    Debug = 7,
}

impl LogLevel {
    /// The level of a frame's code; an unknown code is logged as an error.
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        match code {
            4 => LogLevel::Warning,
            5 => LogLevel::Notice,
            6 => LogLevel::Info,
            7 => LogLevel::Debug,
            _ => LogLevel::Error,
        }
    }
}

/// A decoded frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What follows.
    pub kind: Kind,
    /// Its code; 0 where the kind has none.
    pub code: u8,
    /// Bytes of payload that follow.
    pub length: usize,
}

impl Header {
    /// The header's eight bytes.
    #[must_use]
    pub const fn encode(kind: Kind, code: u8, length: usize) -> [u8; FRAME_HEADER_BYTES] {
        #[expect(clippy::cast_possible_truncation, reason = "every limit is far below 4 GiB")]
        let len = (length as u32).to_le_bytes();
        [len[0], len[1], len[2], len[3], kind as u8, code, 0, 0]
    }

    /// Reads a header and checks the payload length against the kind's limit.
    ///
    /// # Errors
    /// `Unknown` kind, `TooLarge`, or `Bad` where the reserved bytes are not zero.
    pub fn decode(bytes: &[u8; FRAME_HEADER_BYTES]) -> Result<Header, ProtocolError> {
        let [a, b, c, d, kind, code, r0, r1] = *bytes;
        let kind = Kind::from_code(kind)
            .ok_or_else(|| ProtocolError::Unknown { what: "frame kind", code: u64::from(kind) })?;
        if (r0, r1) != (0, 0) {
            return Err(ProtocolError::Bad("frame header"));
        }
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > kind.limit() {
            return Err(ProtocolError::TooLarge { what: "frame", size: length, limit: kind.limit() });
        }
        Ok(Header { kind, code, length })
    }
}

/// Splits the first frame off `bytes`: its header, its payload and how many bytes both take.
/// `None` when it is not all there yet.
///
/// # Errors
/// Those of [`Header::decode`].
pub fn split(bytes: &[u8]) -> Result<Option<(Header, &[u8], usize)>, ProtocolError> {
    let Some((head, rest)) = bytes.split_first_chunk::<FRAME_HEADER_BYTES>() else { return Ok(None) };
    let header = Header::decode(head)?;
    Ok(rest.get(..header.length).map(|payload| (header, payload, FRAME_HEADER_BYTES + header.length)))
}

/// Appends a whole frame to `out`.
pub fn push(out: &mut Vec<u8>, kind: Kind, code: u8, payload: &[u8]) {
    out.extend_from_slice(&Header::encode(kind, code, payload.len()));
    out.extend_from_slice(payload);
}

/// The payload of a `File` frame.
#[must_use]
pub fn encode_file(offset: u64, length: u64) -> [u8; 16] {
    let mut out = [0; 16];
    out[..8].copy_from_slice(&offset.to_le_bytes());
    out[8..].copy_from_slice(&length.to_le_bytes());
    out
}

/// Offset and length, in bytes, of a `File` frame's payload.
///
/// # Errors
/// `Truncated`, `Trailing`, or `Bad` where the range passes 2^63.
pub fn decode_file(payload: &[u8]) -> Result<(u64, u64), ProtocolError> {
    let mut cursor = crate::cursor::Cursor::new(payload);
    let offset = cursor.u64("file offset")?;
    let length = cursor.u64("file length")?;
    cursor.end()?;
    match offset.checked_add(length) {
        Some(end) if i64::try_from(end).is_ok() => Ok((offset, length)),
        _ => Err(ProtocolError::Bad("file range")),
    }
}

/// The bytes wanted by a `Read` frame; at least 1, at most [`MAX_DATA_BYTES`].
///
/// # Errors
/// `Truncated`, `Trailing`, or `Bad` where the number is 0.
pub fn decode_read(payload: &[u8]) -> Result<usize, ProtocolError> {
    let mut cursor = crate::cursor::Cursor::new(payload);
    let wanted = cursor.u32("read size")? as usize;
    cursor.end()?;
    if wanted == 0 { Err(ProtocolError::Bad("read size")) } else { Ok(wanted.min(MAX_DATA_BYTES)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_reads_back() {
        let bytes = Header::encode(Kind::Data, 0, 70_000);
        assert_eq!(Header::decode(&bytes), Ok(Header { kind: Kind::Data, code: 0, length: 70_000 }));
    }

    #[test]
    fn an_oversized_frame_is_refused_before_its_payload() {
        let bytes = Header::encode(Kind::Data, 0, MAX_DATA_BYTES + 1);
        assert!(matches!(Header::decode(&bytes), Err(ProtocolError::TooLarge { .. })));
    }

    #[test]
    fn a_file_range_may_not_wrap() {
        assert!(decode_file(&encode_file(u64::MAX, 1)).is_err());
        assert!(decode_file(&encode_file(1 << 62, 1 << 62)).is_err());
        assert_eq!(decode_file(&encode_file(5, 7)), Ok((5, 7)));
    }

    proptest! {
        #[test]
        fn split_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(Some((header, payload, used))) = split(&bytes) {
                prop_assert_eq!(payload.len(), header.length);
                prop_assert!(used <= bytes.len());
            }
        }
    }
}
