//! What an application's processes print: a pipe, taken apart into lines of bounded length.

use krait_sys::descriptor;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Longest line; a longer one is cut into several.
const MAX_LINE_BYTES: usize = 8 << 10;
/// How much of the end is kept for failure reports.
const TAIL_BYTES: usize = 4 << 10;
/// Read at most so much before others have their turn.
const TURN_BYTES: usize = 64 << 10;

/// Cuts a stream into lines.
#[derive(Debug, Default)]
pub(crate) struct Lines(Vec<u8>);

impl Lines {
    /// Takes bytes and hands out the lines they complete.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut line: impl FnMut(&[u8])) {
        while !bytes.is_empty() {
            let room = MAX_LINE_BYTES - self.0.len();
            // One byte beyond the room: a full line's newline does not make it two.
            let window = bytes.get(..=room).unwrap_or(bytes);
            let (taken, used, complete) = match window.iter().position(|byte| *byte == b'\n') {
                Some(end) => (end, end + 1, true),
                None => (window.len().min(room), window.len().min(room), window.len() > room),
            };
            self.0.extend_from_slice(bytes.get(..taken).unwrap_or_default());
            bytes = bytes.get(used..).unwrap_or_default();
            if complete {
                self.flush(&mut line);
            }
        }
    }

    /// Hands out what stands after the last newline.
    pub(crate) fn flush(&mut self, mut line: impl FnMut(&[u8])) {
        let whole = self.0.strip_suffix(b"\r").unwrap_or(&self.0);
        if !whole.is_empty() {
            line(whole);
        }
        self.0.clear();
    }
}

/// The last lines, for failure reports.
#[derive(Debug, Default)]
pub(crate) struct Tail(String);

impl Tail {
    pub(crate) fn push(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
        if self.0.len() > TAIL_BYTES {
            let mut from = self.0.len() - TAIL_BYTES;
            while !self.0.is_char_boundary(from) {
                from += 1;
            }
            // Whole lines where there are any.
            from = self
                .0
                .get(from..self.0.len() - 1)
                .and_then(|rest| rest.find('\n'))
                .map_or(from, |at| from + at + 1);
            self.0.drain(..from);
        }
    }

    pub(crate) fn text(&self) -> &str {
        self.0.trim_end()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// What one turn of reading came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing more is there now.
    Empty,
    /// There is more.
    More,
    /// Every writer is gone.
    Closed,
}

/// The reading end of a pipe that a zygote and its workers write to.
#[derive(Debug)]
pub(crate) struct Output {
    pipe: OwnedFd,
    lines: Lines,
}

impl Output {
    pub(crate) fn new(pipe: OwnedFd) -> Output {
        Output { pipe, lines: Lines::default() }
    }

    /// Reads what is there, within bounds.
    pub(crate) fn read(&mut self, mut line: impl FnMut(&str)) -> Turn {
        let mut line = |bytes: &[u8]| line(&String::from_utf8_lossy(bytes));
        let mut buffer = [0; 8 << 10];
        let mut total = 0;
        while total < TURN_BYTES {
            match descriptor::read(self.pipe.as_fd(), &mut buffer) {
                Ok(0) => {
                    self.lines.flush(&mut line);
                    return Turn::Closed;
                }
                Ok(length) => {
                    total += length;
                    self.lines.push(buffer.get(..length).unwrap_or_default(), &mut line);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Turn::Empty,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Turn::Closed,
            }
        }
        Turn::More
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for piece in pieces {
            lines.push(piece, |line| out.push(line.to_vec()));
        }
        lines.flush(|line| out.push(line.to_vec()));
        out
    }

    #[test]
    fn lines_come_whole_however_they_are_written() {
        assert_eq!(split(&[b"a", b"b\nc\r", b"\n\n", b"rest"]), [&b"ab"[..], b"c", b"rest"]);
    }

    #[test]
    fn a_long_line_is_cut() {
        let long = vec![b'x'; MAX_LINE_BYTES];
        assert_eq!(split(&[&long, b"\n"]).len(), 1);
        assert_eq!(split(&[&long, b"yy\nz\n"]), [long.clone(), b"yy".to_vec(), b"z".to_vec()]);
        let longer = vec![b'x'; MAX_LINE_BYTES * 3 + 1];
        assert_eq!(split(&[&longer]).len(), 4);
    }

    #[test]
    fn the_end_is_kept() {
        let mut tail = Tail::default();
        for number in 0..2000 {
            tail.push(&format!("line {number} \u{e9}"));
        }
        assert!(tail.text().len() <= TAIL_BYTES && tail.text().ends_with("line 1999 \u{e9}"));
        assert!(tail.text().starts_with("line "));
        tail.push(&"\u{e9}".repeat(TAIL_BYTES));
        assert!(tail.text().len() <= TAIL_BYTES);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9000), 0..6)) {
            let slices: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let visible = |bytes: &[u8]| bytes.iter().filter(|byte| !b"\r\n".contains(byte)).count();
            let lines = split(&slices);
            prop_assert!(lines.iter().all(|line| line.len() <= MAX_LINE_BYTES));
            prop_assert_eq!(lines.iter().map(|line| visible(line)).sum::<usize>(), visible(&pieces.concat()));
        }
    }
}
