//! Lines for httpd's error log, in its own style, on standard error.

use krait_sys::clock::{LocalTime, local_now};
use krait_sys::descriptor;
use std::io::Write as _;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};

/// A pipe that is writable takes so much without blocking: `PIPE_BUF`.
const PIECE_BYTES: usize = 4096;
/// How long a log that takes nothing (a stuck rotatelogs) is waited for; then lines are lost until it does again.
const PATIENCE_MS: i32 = 100;
/// Lines lost since the last one that was written.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Longest line; more is cut.
const MAX_LINE_BYTES: usize = 10 << 10;

/// How bad it is, in httpd's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Error,
    Notice,
    Info,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Notice => "notice",
            Level::Info => "info",
        }
    }
}

/// Writes one line. `tag` is the number after `KRT`; each number stands at one place in the sources.
fn write(level: Level, tag: u16, text: &str) {
    let line = |level, tag, text: &str| compose(local_now(), level, std::process::id(), tag, text);
    let lost = LOST.swap(0, Ordering::Relaxed);
    let told = lost == 0
        || put(
            &line(Level::Error, 318, &format!("{lost} lines were lost: the error log did not take them")),
            0,
        );
    if !told || !put(&line(level, tag, text), PATIENCE_MS) {
        LOST.store(lost + 1, Ordering::Relaxed);
    }
}

/// Writes without blocking for longer than `wait_ms`; `false` where the log takes nothing.
fn put(line: &str, wait_ms: i32) -> bool {
    let mut log = std::io::stderr();
    // As few writes as can be, so that lines of several processes do not mix.
    line.as_bytes().chunks(PIECE_BYTES).all(|piece| {
        descriptor::writable(log.as_fd(), wait_ms).unwrap_or(true) && log.write_all(piece).is_ok()
    })
}

pub(crate) fn error(tag: u16, text: &str) {
    write(Level::Error, tag, text);
}

pub(crate) fn notice(tag: u16, text: &str) {
    write(Level::Notice, tag, text);
}

pub(crate) fn info(tag: u16, text: &str) {
    write(Level::Info, tag, text);
}

fn compose(time: Option<LocalTime>, level: Level, pid: u32, tag: u16, text: &str) -> String {
    let mut line = String::with_capacity(text.len() + 80);
    if let Some(time) = time {
        push_time(&mut line, time);
    }
    line.push_str(&format!("[krait:{}] [pid {pid}] KRT{tag:04}: ", level.word()));
    push_clean(&mut line, text);
    line.push('\n');
    line
}

fn push_time(line: &mut String, time: LocalTime) {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let name = |names: &'static [&'static str], number: i32| {
        usize::try_from(number).ok().and_then(|number| names.get(number)).copied().unwrap_or("???")
    };
    let (day, month) = (name(&DAYS, time.weekday), name(&MONTHS, time.month - 1));
    line.push_str(&format!(
        "[{day} {month} {:02} {:02}:{:02}:{:02}.{:06} {}] ",
        time.day, time.hour, time.minute, time.second, time.microsecond, time.year
    ));
}

/// Appends a text in which nothing can fake a line or steer a terminal, cut to [`MAX_LINE_BYTES`].
fn push_clean(line: &mut String, text: &str) {
    let limit = line.len() + MAX_LINE_BYTES;
    for letter in text.chars() {
        if line.len() >= limit {
            line.push_str("...");
            return;
        }
        if letter.is_control() && letter != '\t' {
            line.push_str(&format!("\\x{:02x}", u32::from(letter)));
        } else {
            line.push(letter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_looks_like_httpds() {
        let time = LocalTime {
            year: 2026,
            month: 11,
            day: 7,
            weekday: 6,
            hour: 2,
            minute: 33,
            second: 24,
            microsecond: 98_765,
        };
        assert_eq!(
            compose(Some(time), Level::Error, 4107, 301, "manager stopped"),
            "[Sat Nov 07 02:33:24.098765 2026] [krait:error] [pid 4107] KRT0301: manager stopped\n"
        );
    }

    #[test]
    fn nothing_fakes_a_line() {
        let line = compose(None, Level::Info, 1, 1, "a\nb\x1b[0m\u{9b}c\td");
        assert_eq!(line, "[krait:info] [pid 1] KRT0001: a\\x0ab\\x1b[0m\\x9bc\td\n");
        assert!(compose(None, Level::Info, 1, 1, &"x".repeat(1 << 20)).len() < MAX_LINE_BYTES + 100);
    }
}
