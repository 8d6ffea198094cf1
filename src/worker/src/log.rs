//! Text for the error log: as `LOG` frames of a request, or on standard error where there is none.

use krait_protocol::frame::{self, Kind, LogLevel};
use krait_protocol::limits::MAX_LOG_BYTES;
use std::io::Write;

/// Appends a text of one or more lines as frames.
pub(crate) fn push(out: &mut Vec<u8>, level: LogLevel, text: &[u8]) {
    let mut rest = text;
    while !rest.is_empty() {
        let (part, after) = cut(rest);
        frame::push(out, Kind::Log, level as u8, part);
        rest = after;
    }
}

/// Cuts a text that is too long for one frame, after a line end where there is one, else between characters.
fn cut(text: &[u8]) -> (&[u8], &[u8]) {
    let Some((part, _)) = text.split_at_checked(MAX_LOG_BYTES).filter(|(_, rest)| !rest.is_empty()) else {
        return (text, &[]);
    };
    if let Some(at) = part.iter().rposition(|&byte| byte == b'\n').filter(|&at| at > 0) {
        return (&text[..at], text.get(at + 1..).unwrap_or_default());
    }
    let at = part.iter().rposition(|byte| byte & 0xc0 != 0x80).filter(|&at| at > 0).unwrap_or(MAX_LOG_BYTES);
    text.split_at_checked(at).unwrap_or((text, &[]))
}

/// Writes a line to the process's standard error in one piece.
pub(crate) fn to_stderr(text: &[u8]) {
    let mut line = text.to_vec();
    if line.last() != Some(&b'\n') {
        line.push(b'\n');
    }
    // There is nowhere left to report a failure to.
    drop(std::io::stderr().write_all(&line));
}
