//! This process and its relatives: session, name, who adopts orphans (`setsid(2)`, `prctl(2)`, `kill(2)`, `proc(5)`).

use crate::check;
use std::ffi::CString;
use std::io;

/// Leaves the session and the process group of whoever started us; it's no error to lead one already.
///
/// # Errors
/// `setsid(2)`'s, but for `EPERM`.
pub fn new_session() -> io::Result<()> {
    // SAFETY: no memory is involved.
    match check(unsafe { libc::setsid() }) {
        Err(error) if error.raw_os_error() != Some(libc::EPERM) => Err(error),
        _ => Ok(()),
    }
}

/// Makes this process the new parent of all its descendants whose own parent dies, so that it can collect them.
///
/// # Errors
/// `prctl(2)`'s.
pub fn adopt_orphans() -> io::Result<()> {
    // SAFETY: PR_SET_CHILD_SUBREAPER takes a number.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }).map(drop)
}

/// Sets the name that `ps` and `top` show; the kernel keeps 15 bytes of it.
///
/// # Errors
/// `prctl(2)`'s; `InvalidInput` for a NUL byte.
pub fn set_name(name: &str) -> io::Result<()> {
    let name = CString::new(name)?;
    // SAFETY: a NUL-terminated string that lives during the call; the kernel reads at most 16 bytes.
    check(unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) }).map(drop)
}

/// The process that created the socketpair that `fd` is an end of, as the kernel noted then.
///
/// # Errors
/// `getsockopt(2)`'s.
pub fn maker_of_pair(fd: std::os::fd::BorrowedFd<'_>) -> io::Result<u32> {
    use std::os::fd::AsRawFd;
    let mut maker = libc::ucred { pid: 0, uid: 0, gid: 0 };
    #[expect(clippy::cast_possible_truncation, reason = "twelve bytes")]
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: pointer and length describe a live ucred that the call fills.
    check(unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut maker).cast(),
            &raw mut length,
        )
    })?;
    Ok(u32::try_from(maker.pid).unwrap_or(0))
}

/// Signals a process group that a child of ours leads. Only while that child has not been reaped, so that the number
/// is certain to be its own. A group without a process is not an error.
///
/// # Errors
/// `kill(2)`'s, but for `ESRCH`.
pub fn signal_group(leader: u32, signal: i32) -> io::Result<()> {
    let leader = libc::pid_t::try_from(leader).ok().filter(|pid| *pid > 1);
    let Some(leader) = leader else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not the number of a process group"));
    };
    // SAFETY: two numbers.
    match check(unsafe { libc::kill(-leader, signal) }) {
        Err(error) if error.raw_os_error() != Some(libc::ESRCH) => Err(error),
        _ => Ok(()),
    }
}

/// What `/proc` says of another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relations {
    /// Its parent.
    pub parent: u32,
    /// Its user, where real, effective, saved and file system user are the same one; `None` where they differ.
    pub user: Option<u32>,
}

/// Parent and user of a process. Hold it by [`crate::pidfd::Process`] first and ask [`crate::pidfd::Process::has_ended`]
/// afterwards, so that the answer is about that one.
///
/// # Errors
/// Those of reading `/proc`; `InvalidData` where a line is missing.
pub fn relations(pid: u32) -> io::Result<Relations> {
    let status = std::fs::read(format!("/proc/{pid}/status"))?;
    parse_relations(&String::from_utf8_lossy(&status))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unexpected form of /proc/PID/status"))
}

fn parse_relations(status: &str) -> Option<Relations> {
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    let parent = line("PPid:")?.trim().parse().ok()?;
    let users: Vec<u32> = line("Uid:")?.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let first = *users.first()?;
    let user = (users.len() == 4 && users.iter().all(|user| *user == first)).then_some(first);
    Some(Relations { parent, user })
}

/// The children of this process's main thread, at this moment. Their numbers are certain until they are reaped.
///
/// # Errors
/// Those of reading `/proc`.
pub fn children() -> io::Result<Vec<u32>> {
    let own = std::process::id();
    let text = std::fs::read_to_string(format!("/proc/self/task/{own}/children"))?;
    Ok(text.split_whitespace().filter_map(|word| word.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn relations_are_read() {
        let mut child = std::process::Command::new("/bin/sleep").arg("60").spawn().unwrap();
        assert_eq!(relations(child.id()).unwrap().parent, std::process::id());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_process_between_two_users_has_none() {
        let text = "Name:\tx\nUid:\t5\t5\t5\t5\nPPid:\t7\n";
        assert_eq!(parse_relations(text), Some(Relations { parent: 7, user: Some(5) }));
        let text = "Name:\tx\nUid:\t5\t0\t5\t5\nPPid:\t7\n";
        assert_eq!(parse_relations(text), Some(Relations { parent: 7, user: None }));
        assert_eq!(parse_relations("Uid:\t5\t0\t5\t5\n"), None);
    }

    #[test]
    fn a_pair_knows_who_made_it() {
        let (left, _right) = crate::socket::packet_pair().unwrap();
        assert_eq!(maker_of_pair(left.as_fd()).unwrap(), std::process::id());
    }

    #[test]
    fn no_group_of_everybody_is_signalled() {
        assert!(signal_group(0, 0).is_err());
        assert!(signal_group(1, 0).is_err());
    }
}
