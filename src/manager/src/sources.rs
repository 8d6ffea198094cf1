//! What the event loop waits for: descriptors, and whose they are.

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Instant;

/// Events taken from the kernel at a time.
const EVENTS_PER_TURN: usize = 256;

/// An application's number in the manager, never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AppId(pub(crate) u64);

/// Whose descriptor became readable. Zygotes and workers are named by application and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Our own signals.
    Signals,
    /// The channel with the httpd parent.
    Parent,
    /// The httpd parent's process: it has ended.
    ParentEnd,
    /// The channel with a httpd child.
    Child(u32),
    /// The process of a httpd child that an earlier manager served: it has ended.
    FormerChild(u32),
    /// A zygote's channel.
    Zygote(AppId, u32),
    /// What a zygote and its workers print.
    Output(AppId, u32),
    /// A worker's channel.
    Worker(AppId, u32),
    /// A worker's process: it has ended.
    WorkerEnd(AppId, u32),
}

/// The descriptors being waited for.
#[derive(Debug)]
pub(crate) struct Sources {
    poll: Poll,
    events: Events,
    table: HashMap<usize, Source>,
    next: usize,
    again: Vec<Token>,
}

impl Sources {
    pub(crate) fn new() -> io::Result<Sources> {
        Ok(Sources {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_PER_TURN),
            table: HashMap::new(),
            next: 0,
            again: Vec::new(),
        })
    }

    /// Waits for a descriptor from now on. Events come when something arrives, not while something is there: whoever
    /// stops reading early says so with [`Sources::again`].
    pub(crate) fn add(&mut self, fd: BorrowedFd<'_>, source: Source) -> io::Result<Token> {
        let token = Token(self.next);
        self.next += 1;
        self.poll.registry().register(&mut SourceFd(&fd.as_raw_fd()), token, Interest::READABLE)?;
        self.table.insert(token.0, source);
        Ok(token)
    }

    /// Waits for it no longer; events still under way are dropped.
    pub(crate) fn remove(&mut self, fd: BorrowedFd<'_>, token: Token) {
        if self.table.remove(&token.0).is_some() {
            // It cannot be missing; if it were, nothing is left to undo.
            drop(self.poll.registry().deregister(&mut SourceFd(&fd.as_raw_fd())));
        }
    }

    /// Has this descriptor's turn come again soon: there is more to read.
    pub(crate) fn again(&mut self, token: Token) {
        self.again.push(token);
    }

    /// Whose it is; `None` where it was removed in the meantime.
    pub(crate) fn whose(&self, token: Token) -> Option<Source> {
        self.table.get(&token.0).copied()
    }

    /// Waits until something is readable or `until` has come; `None`: for ever.
    pub(crate) fn wait(&mut self, until: Option<Instant>) -> io::Result<Vec<Token>> {
        let mut ready = std::mem::take(&mut self.again);
        let timeout = if ready.is_empty() {
            until.map(|until| until.saturating_duration_since(Instant::now()))
        } else {
            Some(std::time::Duration::ZERO)
        };
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &self.events {
            if !ready.contains(&event.token()) {
                ready.push(event.token());
            }
        }
        Ok(ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use krait_sys::descriptor;
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn only_what_is_registered_is_reported() {
        let mut sources = Sources::new().unwrap();
        let (reader, writer) = descriptor::pipe().unwrap();
        let token = sources.add(reader.as_fd(), Source::Parent).unwrap();
        assert!(sources.wait(Some(Instant::now())).unwrap().is_empty());
        std::fs::File::from(writer).write_all(b"x").unwrap();
        let ready = sources.wait(None).unwrap();
        assert_eq!(ready, [token]);
        assert_eq!(sources.whose(token), Some(Source::Parent));
        assert!(sources.wait(Some(Instant::now())).unwrap().is_empty(), "told once");
        sources.again(token);
        assert_eq!(sources.wait(None).unwrap(), [token]);
        sources.remove(reader.as_fd(), token);
        assert_eq!(sources.whose(token), None);
    }
}
