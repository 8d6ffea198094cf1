//! Lines: what httpd writes to its error log, and what krait says itself.

use std::io::{self, Write};

/// A line of httpd's error log in its usual form, which the manager keeps to as well. What httpd prints before it has
/// read its configuration, and what applications print, has none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LogLine<'a> {
    /// `02:53:33`.
    clock: &'a str,
    pub(crate) module: &'a str,
    pub(crate) level: &'a str,
    pub(crate) message: &'a str,
    /// Written by httpd itself, which escapes what is not plain ASCII.
    is_escaped: bool,
}

impl<'a> LogLine<'a> {
    /// Reads `[Sat Jan 31 12:00:00.123456 2026] [module:level] [pid 1:tid 2] message`; the manager tells no thread.
    pub(crate) fn parse(line: &'a str) -> Option<Self> {
        let (time, rest) = line.strip_prefix('[')?.split_once("] [")?;
        let (kind, rest) = rest.split_once("] [pid ")?;
        let (process, message) = rest.split_once("] ")?;
        let (module, level) = kind.split_once(':')?;
        let (clock, _) = time.split(' ').nth(3)?.split_once('.')?;
        Some(LogLine { clock, module, level, message, is_escaped: process.contains(":tid ") })
    }

    /// What httpd and the manager tell about their own coming and going.
    pub(crate) fn is_routine(&self) -> bool {
        match (self.module, self.level) {
            ("krait", "notice") => !self.message.contains("application '"),
            ("krait", "info") => true,
            (module, "notice") => module == "core" || module.starts_with("mpm_"),
            _ => false,
        }
    }

    /// Without the date and the processes, for somebody who looks on.
    pub(crate) fn short(&self) -> String {
        format!("{} [{}:{}] {}", self.clock, self.module, self.level, self.message)
    }
}

/// The text after a tag, such as `KRT0310`, in whatever form the line has; httpd's escapes are undone.
pub(crate) fn after_tag(line: &str, tag: &str) -> Option<String> {
    let (before, text) = line.split_once(tag)?;
    let text = text.strip_prefix(':')?;
    let text = text.strip_prefix(' ').unwrap_or(text);
    // A tag begins a message; within a word or a quoted text it is somebody else's.
    if before.ends_with(|c: char| c.is_alphanumeric() || "'\"".contains(c)) {
        return None;
    }
    Some(if LogLine::parse(line).is_some_and(|line| line.is_escaped) {
        unescape(text)
    } else {
        text.to_owned()
    })
}

/// Undoes what httpd does to a message: a traceback shows quotes, backslashes and other letters than ASCII's.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (byte, used) = match rest {
            [b'n', ..] => (b'\n', 1),
            [b't', ..] => (b'\t', 1),
            [b'r', ..] => (b'\r', 1),
            [b'b', ..] => (8, 1),
            [b'v', ..] => (11, 1),
            [quoted @ (b'\\' | b'"'), ..] => (*quoted, 1),
            [b'x', high, low, ..] => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, 3),
                _ => (b'\\', 0),
            },
            _ => (b'\\', 0),
        };
        bytes.push(byte);
        rest = rest.get(used..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Says something in krait's own name.
pub(crate) fn say(text: &str) {
    show(&format!("krait: {text}"));
}

/// Shows a line on the terminal. Whether anybody reads it must not matter.
pub(crate) fn show(line: &str) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}

/// Writes to standard output.
pub(crate) fn print(text: &[u8]) {
    let mut out = io::stdout().lock();
    drop(out.write_all(text).and_then(|()| out.flush()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_httpd_are_read() {
        let line = "[Sat Nov 21 02:53:33.123456 2026] [mpm_event:notice] [pid 12:tid 34] AH00489: Apache/2.4 configured";
        let parsed = LogLine::parse(line).unwrap();
        assert!(parsed.is_routine() && parsed.is_escaped);
        assert_eq!(parsed.short(), "02:53:33 [mpm_event:notice] AH00489: Apache/2.4 configured");
        let parsed =
            LogLine::parse("[Sat Nov 21 02:53:33.123456 2026] [krait:notice] [pid 12] KRT0001: x").unwrap();
        assert!(parsed.is_routine() && !parsed.is_escaped);
        let parsed =
            LogLine::parse("[Sat Nov 21 02:53:33.123456 2026] [krait:error] [pid 12] KRT0001: x").unwrap();
        assert!(!parsed.is_routine());
        for other in
            ["", "AH00526: Syntax error on line 1 of /x/httpd.conf:", "[a] [b:c] [pid 1] x", "[a:b] x"]
        {
            assert_eq!(LogLine::parse(other), None, "{other}");
        }
    }

    #[test]
    fn tags_are_found_in_either_form() {
        let time = "[Sat Nov 21 02:53:33.123456 2026] [krait:error]";
        let httpds = format!(r"{time} [pid 1:tid 2] KRT0312:   File \x22a\\b\x22, caf\xc3\xa9\tx");
        assert_eq!(after_tag(&httpds, "KRT0312").unwrap(), "  File \"a\\b\", café\tx");
        let managers = format!(r"{time} [pid 1] KRT0312: a\n");
        assert_eq!(after_tag(&managers, "KRT0312").unwrap(), r"a\n");
        assert_eq!(after_tag("KRT0312:", "KRT0312").unwrap(), "");
        for other in ["KRT0311: x", "KRT0312 x", "'KRT0312: x'", "XKRT0312: x"] {
            assert_eq!(after_tag(other, "KRT0312"), None, "{other}");
        }
    }

    #[test]
    fn broken_escapes_stay() {
        assert_eq!(unescape(r"a\"), r"a\");
        assert_eq!(unescape(r"a\x4"), r"a\x4");
        assert_eq!(unescape(r"a\xzz\q"), r"a\xzz\q");
    }
}
