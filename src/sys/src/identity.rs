//! Becoming another user for good (`setgroups(2)`, `setresgid(2)`, `setresuid(2)`).

use crate::check;
use std::io;

/// The effective user of this process.
#[must_use]
pub fn effective_user() -> u32 {
    // SAFETY: no memory is involved, and the call cannot fail.
    unsafe { libc::geteuid() }
}

/// Replaces the supplementary groups.
///
/// # Errors
/// `setgroups(2)`'s: `EPERM` without the privilege.
pub fn set_groups(groups: &[u32]) -> io::Result<()> {
    // SAFETY: pointer and count describe a live slice that the call reads.
    check(unsafe { libc::setgroups(groups.len(), groups.as_ptr()) }).map(drop)
}

/// Sets real, effective and saved group.
///
/// # Errors
/// `setresgid(2)`'s.
pub fn set_group(group: u32) -> io::Result<()> {
    // SAFETY: three numbers.
    check(unsafe { libc::setresgid(group, group, group) }).map(drop)
}

/// Sets real, effective and saved user.
///
/// # Errors
/// `setresuid(2)`'s.
pub fn set_user(user: u32) -> io::Result<()> {
    // SAFETY: three numbers.
    check(unsafe { libc::setresuid(user, user, user) }).map(drop)
}

/// Whether this process is `user` and `group` in every respect, and cannot become root any more.
#[must_use]
pub fn is_for_good(user: u32, group: u32) -> bool {
    let (mut users, mut groups) = ([0; 3], [0; 3]);
    let [real, effective, saved] = &mut users;
    // SAFETY: three live integers that the call fills.
    let told = unsafe { libc::getresuid(&raw mut *real, &raw mut *effective, &raw mut *saved) };
    let [real, effective, saved] = &mut groups;
    // SAFETY: likewise.
    let told = told | unsafe { libc::getresgid(&raw mut *real, &raw mut *effective, &raw mut *saved) };
    if told != 0 || users != [user; 3] || groups != [group; 3] {
        return false;
    }
    // SAFETY: numbers only. Both must fail; where one succeeds the caller ends the process.
    unsafe { libc::setresuid(0, 0, 0) != 0 && libc::setresgid(0, 0, 0) != 0 }
}
