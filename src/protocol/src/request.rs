//! The `REQUEST` frame's payload.
//!
//! | field | type |
//! |---|---|
//! | request id | `u64` |
//! | body length (0 when none or unknown) | `u64` |
//! | body mode, see [`Body`] | `u8` |
//! | flags, see [`FLAG_HTTPS`] | `u8` |
//! | number of variables | `u16` |
//! | variables: code `u8`, [name length `u16`, name,] value length `u32`, value | |
//! | inline body: all that is left | |

use crate::ProtocolError;
use crate::cursor::Cursor;
use crate::frame::{Header, Kind};
use crate::limits::*;
use crate::names;

/// The client's connection is TLS (or a trusted front end said so): `wsgi.url_scheme` is `https`.
pub const FLAG_HTTPS: u8 = 1;

const FIXED_BYTES: usize = 8 + 8 + 1 + 1 + 2;

/// Where the request body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// There is none.
    None,
    /// All of it is here.
    Inline(&'a [u8]),
    /// Its length is known; the worker asks for it with `Read`.
    Known(u64),
    /// It ends when the child says so; the worker asks for it with `Read`.
    Unknown,
}

/// Writes a whole `REQUEST` frame, variable by variable, into a buffer that is used again for the next one.
#[derive(Debug)]
pub struct RequestWriter<'b> {
    out: &'b mut Vec<u8>,
    count: u16,
    flags: u8,
    id: u64,
}

impl<'b> RequestWriter<'b> {
    /// Clears `out` and starts a frame.
    pub fn new(out: &'b mut Vec<u8>, id: u64, flags: u8) -> Self {
        out.clear();
        out.resize(FRAME_HEADER_BYTES + FIXED_BYTES, 0);
        RequestWriter { out, count: 0, flags, id }
    }

    /// Adds a variable.
    ///
    /// # Errors
    /// `TooLarge` beyond [`MAX_VARIABLES`], [`MAX_NAME_BYTES`] or [`MAX_REQUEST_BYTES`].
    pub fn variable(&mut self, name: &[u8], value: &[u8]) -> Result<(), ProtocolError> {
        let code = names::code_of(name);
        self.coded(code, name, value)
    }

    fn coded(&mut self, code: u8, name: &[u8], value: &[u8]) -> Result<(), ProtocolError> {
        if usize::from(self.count) >= MAX_VARIABLES {
            return Err(ProtocolError::TooLarge {
                what: "number of variables",
                size: usize::from(self.count) + 1,
                limit: MAX_VARIABLES,
            });
        }
        let total = self.out.len() + name.len() + value.len() + 8;
        let limit = MAX_REQUEST_BYTES - MAX_INLINE_BODY_BYTES;
        if total > limit {
            return Err(ProtocolError::TooLarge { what: "request variables", size: total, limit });
        }
        self.out.push(code);
        if code == 0 {
            let length = u16::try_from(name.len()).ok().filter(|_| name.len() <= MAX_NAME_BYTES).ok_or(
                ProtocolError::TooLarge { what: "variable name", size: name.len(), limit: MAX_NAME_BYTES },
            )?;
            self.out.extend_from_slice(&length.to_le_bytes());
            self.out.extend_from_slice(name);
        }
        #[expect(clippy::cast_possible_truncation, reason = "checked against MAX_REQUEST_BYTES above")]
        self.out.extend_from_slice(&(value.len() as u32).to_le_bytes());
        self.out.extend_from_slice(value);
        self.count += 1;
        Ok(())
    }

    /// Ends the frame.
    ///
    /// # Errors
    /// `TooLarge` where an inline body is over [`MAX_INLINE_BODY_BYTES`].
    pub fn finish(self, body: Body<'_>) -> Result<(), ProtocolError> {
        let (mode, length) = match body {
            Body::None => (0u8, 0),
            Body::Inline(bytes) => {
                if bytes.len() > MAX_INLINE_BODY_BYTES {
                    return Err(ProtocolError::TooLarge {
                        what: "inline body",
                        size: bytes.len(),
                        limit: MAX_INLINE_BODY_BYTES,
                    });
                }
                self.out.extend_from_slice(bytes);
                (1, bytes.len() as u64)
            }
            Body::Known(length) => (2, length),
            Body::Unknown => (3, 0),
        };
        let header = Header::encode(Kind::Request, 0, self.out.len() - FRAME_HEADER_BYTES);
        let mut fixed = [0; FRAME_HEADER_BYTES + FIXED_BYTES];
        fixed[..8].copy_from_slice(&header);
        fixed[8..16].copy_from_slice(&self.id.to_le_bytes());
        fixed[16..24].copy_from_slice(&length.to_le_bytes());
        fixed[24] = mode;
        fixed[25] = self.flags;
        fixed[26..28].copy_from_slice(&self.count.to_le_bytes());
        self.out[..fixed.len()].copy_from_slice(&fixed);
        Ok(())
    }
}

/// A variable's name as it travelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name<'a> {
    /// One of [`names::NAMES`].
    Code(u8),
    /// Spelled out.
    Text(&'a [u8]),
}

/// A received request; the variables are read one by one.
#[derive(Debug, Clone)]
pub struct RequestReader<'a> {
    /// Number of this request in its child, for log lines.
    pub id: u64,
    /// See [`FLAG_HTTPS`].
    pub flags: u8,
    mode: u8,
    length: u64,
    left: u16,
    cursor: Cursor<'a>,
}

impl<'a> RequestReader<'a> {
    /// Starts reading a `REQUEST` frame's payload.
    ///
    /// # Errors
    /// `Truncated`, `TooLarge`, or `Unknown` body mode.
    pub fn new(payload: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut cursor = Cursor::new(payload);
        let id = cursor.u64("request id")?;
        let length = cursor.u64("body length")?;
        let mode = cursor.u8("body mode")?;
        let flags = cursor.u8("flags")?;
        let left = cursor.u16("number of variables")?;
        if mode > 3 {
            return Err(ProtocolError::Unknown { what: "body mode", code: mode.into() });
        }
        if usize::from(left) > MAX_VARIABLES {
            return Err(ProtocolError::TooLarge {
                what: "number of variables",
                size: left.into(),
                limit: MAX_VARIABLES,
            });
        }
        Ok(RequestReader { id, flags, mode, length, left, cursor })
    }

    /// The next variable; `None` after the last.
    ///
    /// # Errors
    /// `Truncated`, or `Unknown` code.
    pub fn variable(&mut self) -> Result<Option<(Name<'a>, &'a [u8])>, ProtocolError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let code = self.cursor.u8("variable code")?;
        let name = if code == 0 {
            let length = self.cursor.u16("name length")?;
            Name::Text(self.cursor.bytes(length.into(), "variable name")?)
        } else if names::name_of(code).is_some() {
            Name::Code(code)
        } else {
            return Err(ProtocolError::Unknown { what: "variable code", code: code.into() });
        };
        let length = self.cursor.u32("value length")? as usize;
        Ok(Some((name, self.cursor.bytes(length, "variable value")?)))
    }

    /// The body, once every variable has been read.
    ///
    /// # Errors
    /// `Bad` where variables are left or an inline body's length is wrong, `Trailing` bytes.
    pub fn body(self) -> Result<Body<'a>, ProtocolError> {
        if self.left != 0 {
            return Err(ProtocolError::Bad("order of reading"));
        }
        if self.mode == 1 {
            let bytes = self.cursor.rest();
            return if bytes.len() as u64 == self.length {
                Ok(Body::Inline(bytes))
            } else {
                Err(ProtocolError::Bad("inline body length"))
            };
        }
        self.cursor.end()?;
        Ok(match self.mode {
            0 => Body::None,
            2 => Body::Known(self.length),
            _ => Body::Unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame;
    use proptest::prelude::*;

    type Variables = Vec<(Vec<u8>, Vec<u8>)>;

    fn write(variables: &Variables, body: Body<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = RequestWriter::new(&mut out, 7, FLAG_HTTPS);
        for (name, value) in variables {
            writer.variable(name, value).unwrap();
        }
        writer.finish(body).unwrap();
        out
    }

    fn read(frame: &[u8]) -> Result<(Variables, Vec<u8>), ProtocolError> {
        let (header, payload, used) = frame::split(frame)?.unwrap();
        assert_eq!((header.kind, used), (Kind::Request, frame.len()));
        let mut reader = RequestReader::new(payload)?;
        let mut variables = Vec::new();
        while let Some((name, value)) = reader.variable()? {
            let name = match name {
                Name::Code(code) => names::name_of(code).unwrap().as_bytes(),
                Name::Text(text) => text,
            };
            variables.push((name.to_vec(), value.to_vec()));
        }
        match reader.body()? {
            Body::Inline(bytes) => Ok((variables, bytes.to_vec())),
            _ => Ok((variables, Vec::new())),
        }
    }

    proptest! {
        #[test]
        fn a_request_reads_back(
            variables in proptest::collection::vec(
                (prop_oneof!["[A-Z_]{1,20}", Just("HTTP_HOST".to_owned())], proptest::collection::vec(any::<u8>(), 0..80)),
                0..20),
            body in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let variables: Variables = variables.into_iter().map(|(n, v)| (n.into_bytes(), v)).collect();
            let frame = write(&variables, Body::Inline(&body));
            prop_assert_eq!(read(&frame).unwrap(), (variables, body));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(mut reader) = RequestReader::new(&bytes) {
                while let Ok(Some(_)) = reader.variable() {}
                reader.body().ok();
            }
        }
    }

    #[test]
    fn streamed_bodies_keep_their_mode() {
        for body in [Body::None, Body::Known(5 << 40), Body::Unknown] {
            let frame = write(&vec![], body);
            let (_, payload, _) = frame::split(&frame).unwrap().unwrap();
            assert_eq!(RequestReader::new(payload).unwrap().body(), Ok(body));
        }
    }
}
