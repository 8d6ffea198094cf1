//! Ended children (`waitpid(2)`).

use std::fmt;
use std::io;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this status.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
}

impl Ending {
    /// Reads a wait status; `None` for one that isn't an end (stopped, continued).
    #[must_use]
    pub fn from_status(status: i32) -> Option<Ending> {
        if libc::WIFEXITED(status) {
            Some(Ending::Exited(libc::WEXITSTATUS(status)))
        } else if libc::WIFSIGNALED(status) {
            Some(Ending::Signalled(libc::WTERMSIG(status)))
        } else {
            None
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Ending::Exited(status) => write!(out, "exited with status {status}"),
            Ending::Signalled(signal) => match signal_name(signal) {
                Some(name) => write!(out, "was killed by signal {signal} ({name})"),
                None => write!(out, "was killed by signal {signal}"),
            },
        }
    }
}

/// A signal's name, for messages.
#[must_use]
pub const fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        libc::SIGVTALRM => "SIGVTALRM",
        libc::SIGPROF => "SIGPROF",
        libc::SIGSYS => "SIGSYS",
        _ => return None,
    })
}

/// What [`reap`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaped {
    /// This child ended; its number may be given to another process from now on.
    Ended(u32, Ending),
    /// All children still run.
    AllRunning,
    /// There are no children.
    NoChildren,
}

/// Collects one ended child, whichever it is, without waiting.
///
/// # Errors
/// `waitpid(2)`'s, but for `ECHILD` and `EINTR`.
pub fn reap() -> io::Result<Reaped> {
    loop {
        let mut status = 0;
        // SAFETY: the pointer is to a live integer that the call fills.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        if pid < 0 {
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EINTR) => continue,
                Some(libc::ECHILD) => return Ok(Reaped::NoChildren),
                _ => return Err(error),
            }
        }
        if pid == 0 {
            return Ok(Reaped::AllRunning);
        }
        if let (Ok(pid), Some(ending)) = (u32::try_from(pid), Ending::from_status(status)) {
            return Ok(Reaped::Ended(pid, ending));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn an_end_is_told_in_words() {
        let status = std::process::Command::new("/bin/sh").args(["-c", "kill -9 $$"]).status().unwrap();
        let ending = Ending::from_status(status.into_raw()).unwrap();
        assert_eq!(ending.to_string(), "was killed by signal 9 (SIGKILL)");
        let status = std::process::Command::new("/bin/sh").args(["-c", "exit 3"]).status().unwrap();
        assert_eq!(Ending::from_status(status.into_raw()).unwrap().to_string(), "exited with status 3");
        assert_eq!(Ending::Signalled(64).to_string(), "was killed by signal 64");
    }
}
