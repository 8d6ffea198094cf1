//! Users and groups by name (`getpwnam_r(3)`, `getgrnam_r(3)`, `getgrouplist(3)`). These ask NSS, which may be slow:
//! never on an event loop.

use std::ffi::{CStr, CString};
use std::io;
use std::ptr::null_mut;

/// A user of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Home directory.
    pub home: String,
}

const BUFFER_BYTES: usize = 64 << 10;

fn text(pointer: *const libc::c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: called with the string fields of entries that the C library filled; they are NUL-terminated and live
    // in the caller's buffer.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// The user of a name; `None` where there is none.
///
/// # Errors
/// `getpwnam_r(3)`'s; `InvalidInput` for a name with a NUL.
pub fn user(name: &str) -> io::Result<Option<Account>> {
    let name = CString::new(name)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut found = null_mut();
    // SAFETY: an all-zero passwd is a valid value to be overwritten.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    // SAFETY: every pointer is to live memory of the given size, and the strings of the entry lie in `buffer`.
    let error = unsafe {
        libc::getpwnam_r(name.as_ptr(), &raw mut entry, buffer.as_mut_ptr(), buffer.len(), &raw mut found)
    };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    Ok((!found.is_null()).then(|| Account {
        name: text(entry.pw_name),
        uid: entry.pw_uid,
        gid: entry.pw_gid,
        home: text(entry.pw_dir),
    }))
}

/// The id of a group; `None` where there is none.
///
/// # Errors
/// `getgrnam_r(3)`'s; `InvalidInput` for a name with a NUL.
pub fn group(name: &str) -> io::Result<Option<u32>> {
    let name = CString::new(name)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut found = null_mut();
    // SAFETY: an all-zero group is a valid value to be overwritten.
    let mut entry: libc::group = unsafe { std::mem::zeroed() };
    // SAFETY: every pointer is to live memory of the given size.
    let error = unsafe {
        libc::getgrnam_r(name.as_ptr(), &raw mut entry, buffer.as_mut_ptr(), buffer.len(), &raw mut found)
    };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    Ok((!found.is_null()).then_some(entry.gr_gid))
}

/// All groups of a user, `gid` included; only that one where the list cannot be had.
#[must_use]
pub fn groups_of(name: &str, gid: u32) -> Vec<u32> {
    let Ok(name) = CString::new(name) else { return vec![gid] };
    let mut groups = vec![0; 1024];
    let mut count = 1024;
    // SAFETY: `count` is the number of elements that `groups` has room for.
    let result = unsafe { libc::getgrouplist(name.as_ptr(), gid, groups.as_mut_ptr(), &raw mut count) };
    match usize::try_from(count) {
        Ok(count) if result >= 0 && count <= groups.len() => {
            groups.truncate(count);
            groups.shrink_to_fit();
            groups
        }
        _ => vec![gid],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_and_nonsense_is_not() {
        let root = user("root").unwrap().unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert_eq!(user("no-such-user-at-all").unwrap(), None);
        assert_eq!(group("root").unwrap(), Some(0));
        assert_eq!(group("no-such-group-at-all").unwrap(), None);
        assert!(groups_of("root", 0).contains(&0));
        assert!(user("a\0b").is_err());
    }
}
