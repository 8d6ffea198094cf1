//! File descriptors by number (`dup2(2)`, `fcntl(2)`, `close_range(2)`, `pipe2(2)`, `poll(2)`).

use crate::check;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// A close-on-exec copy of standard input, the place where our programs are handed their first channel.
///
/// # Errors
/// `fcntl(2)`'s: `EBADF` where there is none.
pub fn copy_of_stdin() -> io::Result<OwnedFd> {
    // SAFETY: duplicates by number; the copy's number is new and at least 3.
    let copy = check(unsafe { libc::fcntl(0, libc::F_DUPFD_CLOEXEC, 3) })?;
    // SAFETY: just made, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Makes `target` a copy of `source` that stays open across exec; what `target` was before is closed.
/// Meant for 0 to 3, which nothing in our programs owns.
///
/// # Errors
/// `InvalidInput` for other targets; `dup2(2)`'s.
pub fn copy_onto(source: BorrowedFd<'_>, target: RawFd) -> io::Result<()> {
    if !(0..=3).contains(&target) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "only descriptors 0 to 3 may be replaced"));
    }
    if source.as_raw_fd() == target {
        // SAFETY: changes a flag of an open descriptor.
        return check(unsafe { libc::fcntl(target, libc::F_SETFD, 0) }).map(drop);
    }
    // SAFETY: both are descriptor numbers; the kernel checks them. Nothing owns the low ones it may replace.
    check(unsafe { libc::dup2(source.as_raw_fd(), target) }).map(drop)
}

/// Closes every descriptor from `first` on, so that nothing inherited by accident stays open.
/// Only for the first moments of a program, when it has opened none itself.
///
/// # Errors
/// `close_range(2)`'s; `ENOSYS` before Linux 5.9.
pub fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: called before the program has opened any descriptor of its own above `first`.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Makes every descriptor from `first` on close-on-exec.
///
/// # Errors
/// `close_range(2)`'s; `EINVAL` before Linux 5.11.
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    const CLOSE_RANGE_CLOEXEC: u32 = 4;
    // SAFETY: changes flags only.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, CLOSE_RANGE_CLOEXEC) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A pipe, reading end first, close-on-exec; the reading end does not block.
///
/// # Errors
/// `pipe2(2)`'s.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    // SAFETY: `ends` has room for the two descriptors that the call writes.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    // SAFETY: the call succeeded, so both are open and nobody else owns them.
    let (reader, writer) = unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
    // SAFETY: sets a flag on a descriptor that is open; the writing end has flags of its own.
    check(unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) })?;
    Ok((reader, writer))
}

/// Reads what is there, at most one buffer full.
///
/// # Errors
/// `read(2)`'s; `WouldBlock` on an empty non-blocking descriptor.
pub fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: pointer and length are those of a live, writable buffer.
    let length = unsafe { libc::read(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
    usize::try_from(length).map_err(|_| io::Error::last_os_error())
}

/// Which file a descriptor is open on: device and inode.
///
/// # Errors
/// `fstat(2)`'s.
pub fn file_of(fd: BorrowedFd<'_>) -> io::Result<(u64, u64)> {
    // SAFETY: an all-zero stat is a valid value to be overwritten.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: a live, writable stat.
    check(unsafe { libc::fstat(fd.as_raw_fd(), &raw mut stat) })?;
    Ok((stat.st_dev, stat.st_ino))
}

/// Waits until `fd` is readable (or its peer is gone), or until the time is over, and says whether it is.
///
/// # Errors
/// `poll(2)`'s.
pub fn readable(fd: BorrowedFd<'_>, wait_ms: i32) -> io::Result<bool> {
    poll(fd, libc::POLLIN, wait_ms)
}

/// Waits until `fd` takes something (a pipe: at least `PIPE_BUF`, 4096 bytes), or until the time is over, and says
/// whether it does.
///
/// # Errors
/// `poll(2)`'s.
pub fn writable(fd: BorrowedFd<'_>, wait_ms: i32) -> io::Result<bool> {
    poll(fd, libc::POLLOUT, wait_ms)
}

fn poll(fd: BorrowedFd<'_>, events: libc::c_short, wait_ms: i32) -> io::Result<bool> {
    let mut entry = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    // SAFETY: one live entry, as the count says.
    Ok(check(unsafe { libc::poll(&raw mut entry, 1, wait_ms) })? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn an_empty_pipe_does_not_block_its_reader() {
        let (reader, writer) = pipe().unwrap();
        let mut buffer = [0; 8];
        assert_eq!(read(reader.as_fd(), &mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(!readable(reader.as_fd(), 0).unwrap());
        assert!(writable(writer.as_fd(), 0).unwrap());
        std::fs::File::from(writer).write_all(b"abc").unwrap();
        assert!(readable(reader.as_fd(), 0).unwrap());
        assert_eq!(read(reader.as_fd(), &mut buffer).unwrap(), 3);
        assert_eq!(read(reader.as_fd(), &mut buffer).unwrap(), 0);
    }

    #[test]
    fn only_the_standard_places_may_be_replaced() {
        let (reader, _writer) = pipe().unwrap();
        assert_eq!(copy_onto(reader.as_fd(), 7).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
