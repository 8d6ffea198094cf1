//! Capabilities and `no_new_privs` (`capabilities(7)`, `prctl(2)`).

use crate::check;
use std::io;

/// Version 3 of the capability sets' layout: 64 bits in two words.
const VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// No program that this process or its descendants execute gains privileges: set-user-id bits and file
/// capabilities have no effect.
///
/// # Errors
/// `prctl(2)`'s.
pub fn no_new_privileges() -> io::Result<()> {
    // SAFETY: PR_SET_NO_NEW_PRIVS takes numbers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }).map(drop)
}

/// Empties the bounding set, so that not even root's programs give a capability back. Needs the privilege.
///
/// # Errors
/// `prctl(2)`'s: `EPERM` without `CAP_SETPCAP`.
pub fn empty_bounding_set() -> io::Result<()> {
    for capability in 0..64 {
        // SAFETY: PR_CAPBSET_DROP takes a number; one beyond the kernel's last is refused with EINVAL.
        if let Err(error) = check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) }) {
            return if error.raw_os_error() == Some(libc::EINVAL) { Ok(()) } else { Err(error) };
        }
    }
    Ok(())
}

/// Gives up every capability this process has or could pass on.
///
/// # Errors
/// `prctl(2)`'s and `capset(2)`'s.
pub fn drop_all() -> io::Result<()> {
    // SAFETY: PR_CAP_AMBIENT_CLEAR_ALL takes no further argument; the rest must be zero.
    check(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) })?;
    let header = Header { version: VERSION_3, pid: 0 };
    let none = [Sets { effective: 0, permitted: 0, inheritable: 0 }; 2];
    // SAFETY: version 3 means a header and two sets, laid out as the kernel's; the call reads them only.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
