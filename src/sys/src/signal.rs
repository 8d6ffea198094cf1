//! Signals as events (`signalfd(2)`), dispositions and masks.

use crate::check;
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Number of the last real-time signal.
const LAST_SIGNAL: i32 = 64;

/// Blocked signals that are read from a descriptor instead of interrupting.
#[derive(Debug)]
pub struct Signals(OwnedFd);

fn set_of(signals: &[i32]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set it is given; sigaddset changes an initialised one and refuses bad numbers.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), *signal);
        }
        set.assume_init()
    }
}

impl Signals {
    /// Blocks these signals and turns them into events. To be called before any thread is started.
    ///
    /// # Errors
    /// `signalfd(2)`'s.
    pub fn block(signals: &[i32]) -> io::Result<Signals> {
        let set = set_of(signals);
        // SAFETY: a live set; no old mask is asked for.
        check(unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) })?;
        // SAFETY: a live set, and -1 asks for a new descriptor.
        let fd =
            check(unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) })?;
        // SAFETY: just opened, so nobody else owns it.
        Ok(Signals(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The next signal that came; `None` when there is no more.
    pub fn next(&self) -> Option<i32> {
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: the buffer is as large as told; a signalfd writes whole records only.
        let length = unsafe { libc::read(self.0.as_raw_fd(), info.as_mut_ptr().cast(), size) };
        if usize::try_from(length) != Ok(size) {
            return None;
        }
        // SAFETY: the kernel filled the whole record.
        i32::try_from(unsafe { info.assume_init() }.ssi_signo).ok()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Gives every signal its default action and blocks none: what a program expects to start with.
pub fn reset() {
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: the default action involves no code of ours. It fails for SIGKILL, SIGSTOP and the two that the C
        // library keeps for itself, which have it anyway.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let none = set_of(&[]);
    // SAFETY: a live set; no old mask is asked for.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_signal_becomes_an_event() {
        // Directed at this thread, which is the one that blocks it: other tests run beside it.
        let signals = Signals::block(&[libc::SIGUSR2]).unwrap();
        assert_eq!(signals.next(), None);
        // SAFETY: raises a signal that this thread blocks.
        unsafe { libc::raise(libc::SIGUSR2) };
        assert_eq!(signals.next(), Some(libc::SIGUSR2));
        assert_eq!(signals.next(), None);
    }
}
