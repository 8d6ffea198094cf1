//! Becoming another program (`execve(2)`), and the working directory and file mode it starts with.

use crate::check;
use std::ffi::{CString, NulError};
use std::io;
use std::ptr;

fn texts(parts: &[&str]) -> Result<Vec<CString>, NulError> {
    parts.iter().map(|part| CString::new(*part)).collect()
}

fn pointers(texts: &[CString]) -> Vec<*const libc::c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
}

/// Replaces this program by `program` (a path, not looked up in `PATH`) with exactly these arguments and this
/// environment. Comes back only when it failed, with the reason.
#[must_use]
pub fn execute(program: &str, arguments: &[&str], environment: &[(String, String)]) -> io::Error {
    let joined: Vec<String> = environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let joined: Vec<&str> = joined.iter().map(String::as_str).collect();
    let (Ok(path), Ok(arguments), Ok(environment)) =
        (CString::new(program), texts(arguments), texts(&joined))
    else {
        return io::Error::new(io::ErrorKind::InvalidInput, "a NUL byte in path, argument or environment");
    };
    let (argument_list, environment_list) = (pointers(&arguments), pointers(&environment));
    // SAFETY: the path is NUL-terminated and both lists are NULL-terminated arrays of NUL-terminated strings, all of
    // which live until the call fails or this program is gone.
    unsafe { libc::execve(path.as_ptr(), argument_list.as_ptr(), environment_list.as_ptr()) };
    io::Error::last_os_error()
}

/// Whether this process may execute the file, as the user that it is now.
///
/// # Errors
/// `access(2)`'s: the reason why not.
pub fn may_execute(program: &str) -> io::Result<()> {
    let path = CString::new(program)?;
    // SAFETY: a NUL-terminated string that lives during the call.
    check(unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), libc::X_OK, libc::AT_EACCESS) }).map(drop)
}

/// Sets which permission bits new files never get.
pub fn set_file_mode_mask(mask: u32) {
    // SAFETY: no memory is involved, and the call cannot fail.
    unsafe { libc::umask(mask) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_exec_tells_why() {
        assert_eq!(execute("/nowhere/python", &["python"], &[]).kind(), io::ErrorKind::NotFound);
        assert_eq!(execute("/bin/sh\0", &["sh"], &[]).kind(), io::ErrorKind::InvalidInput);
        assert_eq!(execute("/etc/passwd", &["passwd"], &[]).kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn only_programs_may_be_executed() {
        assert!(may_execute("/bin/sh").is_ok());
        assert!(may_execute("/nowhere").is_err());
    }
}
