//! Processes held by descriptor (`pidfd_open(2)`), so that a number that was given to another process in the
//! meantime is never signalled by mistake.

use crate::descriptor;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// One process. Readable (`poll(2)`) once it has ended.
#[derive(Debug)]
pub struct Process(OwnedFd);

impl Process {
    /// Holds the process that has this number now.
    ///
    /// # Errors
    /// `pidfd_open(2)`'s: `ESRCH` where there is none.
    pub fn open(pid: u32) -> io::Result<Process> {
        let pid = libc::pid_t::try_from(pid).map_err(|_| io::Error::from_raw_os_error(libc::ESRCH))?;
        // SAFETY: two numbers; the descriptor it returns is close-on-exec.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let fd = RawFd::try_from(fd).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
        // SAFETY: just opened, so nobody else owns it.
        Ok(Process(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Sends a signal. A process that has ended is not an error.
    ///
    /// # Errors
    /// `pidfd_send_signal(2)`'s, but for `ESRCH`.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        let none = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: a descriptor of ours, a number, and no siginfo.
        let result =
            unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.0.as_raw_fd(), signal, none, 0) };
        if result < 0 {
            let error = io::Error::last_os_error();
            return if error.raw_os_error() == Some(libc::ESRCH) { Ok(()) } else { Err(error) };
        }
        Ok(())
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        descriptor::readable(self.as_fd(), 0).unwrap_or(true)
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_watched_and_ended() {
        let mut child = std::process::Command::new("/bin/sleep").arg("60").spawn().unwrap();
        let process = Process::open(child.id()).unwrap();
        assert!(!process.has_ended());
        process.signal(libc::SIGKILL).unwrap();
        child.wait().unwrap();
        assert!(process.has_ended());
        process.signal(libc::SIGKILL).unwrap();
    }

    #[test]
    fn no_process_has_a_number_beyond_the_limit() {
        assert!(Process::open(u32::MAX).is_err());
        assert!(Process::open(4_194_304 + 1).is_err());
    }
}
