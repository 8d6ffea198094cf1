//! Linux and privileged calls, one kernel facility per file. Everything here returns errors and never logs.
#![expect(unsafe_code, reason = "this crate is where the system calls are; each block says why it is sound")]
#![warn(missing_docs)]

pub mod account;
pub mod capability;
pub mod clock;
pub mod descriptor;
pub mod execute;
pub mod identity;
pub mod limit;
pub mod parent_death;
pub mod pidfd;
pub mod process;
pub mod random;
pub mod schedule;
pub mod signal;
pub mod socket;
pub mod wait;

/// Turns the C convention "-1 and errno" into a `Result`.
fn check(result: libc::c_int) -> std::io::Result<libc::c_int> {
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(result) }
}
