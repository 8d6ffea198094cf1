//! httpd's error log. Text goes through a constant format, cut to what httpd prints and free of control bytes, so
//! that nobody can forge a line.

use super::request::Request;
use crate::ffi;
use std::ffi::{CString, c_int};
use std::fmt::Write;

/// httpd's log levels (`http_log.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Critical,
    Error,
    Warning,
    Notice,
    Info,
    Debug,
}

impl Level {
    fn code(self) -> c_int {
        let code = match self {
            Level::Critical => ffi::APLOG_CRIT,
            Level::Error => ffi::APLOG_ERR,
            Level::Warning => ffi::APLOG_WARNING,
            Level::Notice => ffi::APLOG_NOTICE,
            Level::Info => ffi::APLOG_INFO,
            Level::Debug => ffi::APLOG_DEBUG,
        };
        code.cast_signed()
    }
}

/// Longest line handed over at once, in bytes; httpd cuts at 8192 with its own prefix.
const LINE_BYTES: usize = 7000;

/// One line about the server.
pub(crate) fn server(level: Level, text: &str) {
    let line = clean(text.as_bytes());
    // SAFETY: httpd accepts a null server (then the line goes to the main log); the text is a C string.
    unsafe { ffi::krait_log_server(std::ptr::null(), level.code(), line.as_ptr()) }
}

/// One line about a request: the log of its virtual host, with its client.
pub(crate) fn request(r: Request<'_>, level: Level, text: &str) {
    if is_logged(r, level) {
        request_bytes(r, level, text.as_bytes());
    }
}

/// As [`request`], for text that is not ours; split into lines before.
pub(crate) fn request_bytes(r: Request<'_>, level: Level, text: &[u8]) {
    let line = clean(text);
    // SAFETY: the request is live, and the text is a C string.
    unsafe { ffi::krait_log_request(r.as_ptr(), level.code(), line.as_ptr()) }
}

/// Whether a line of this level about a request would be written.
pub(crate) fn is_logged(r: Request<'_>, level: Level) -> bool {
    // SAFETY: the request is live.
    unsafe { ffi::krait_logs_request(r.as_ptr(), level.code()) != 0 }
}

/// Escapes control bytes (tab excepted) and cuts the line. UTF-8 and other high bytes are httpd's to escape.
fn clean(text: &[u8]) -> CString {
    let mut line = Vec::with_capacity(text.len().min(LINE_BYTES) + 8);
    for &byte in text {
        if line.len() >= LINE_BYTES {
            line.extend_from_slice(b"...");
            break;
        }
        if byte == b'\t' || (byte >= 0x20 && byte != 0x7f) {
            line.push(byte);
        } else {
            let mut escape = String::new();
            if write!(escape, "\\x{byte:02x}").is_ok() {
                line.extend_from_slice(escape.as_bytes());
            }
        }
    }
    // No NUL is left, so this cannot fail.
    CString::new(line).unwrap_or_default()
}
