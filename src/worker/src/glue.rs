//! The few calls that neither pyo3's safe API nor std offers: latin-1 strings, descriptors given as numbers, the
//! process title, and the last exit.
#![expect(
    unsafe_code,
    reason = "the worker's only file that calls C by itself; each block says why it is sound"
)]

use krait_protocol::start::CONTROL_FD;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use std::ffi::CStr;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// A `str` of the code points that the bytes are: PEP 3333's "bytes in unicode".
pub(crate) fn latin1<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    // A slice is never longer than isize::MAX, so the cast keeps the value.
    let length = bytes.len().cast_signed();
    // SAFETY: pointer and length describe a live slice; the result is a new reference or NULL with an exception set.
    unsafe {
        let text = ffi::PyUnicode_DecodeLatin1(bytes.as_ptr().cast(), length, std::ptr::null());
        Bound::from_owned_ptr_or_err(py, text)
    }
}

/// The bytes of a `str` that came or goes over the wire.
///
/// # Errors
/// `UnicodeEncodeError` where a code point is above U+00FF.
pub(crate) fn latin1_bytes<'py>(text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyBytes>> {
    // SAFETY: `text` is a live str; the result is a new reference to a bytes object or NULL with an exception set.
    unsafe {
        let bytes = ffi::PyUnicode_AsLatin1String(text.as_ptr());
        Ok(Bound::from_owned_ptr_or_err(text.py(), bytes)?.cast_into_unchecked())
    }
}

/// The control channel that `krait-spawn` or the zygote put in place.
pub(crate) fn control() -> BorrowedFd<'static> {
    // SAFETY: zygotes and workers keep this descriptor open until they end; were it closed, calls would fail with
    // EBADF, and the number is not -1.
    unsafe { BorrowedFd::borrow_raw(CONTROL_FD) }
}

/// Takes a descriptor over from Python code, which gives it up.
pub(crate) fn adopt(raw: RawFd) -> Option<OwnedFd> {
    // SAFETY: the caller in our own Python package got the number from `receive` and passes it on exactly once.
    (raw >= 0).then(|| unsafe { OwnedFd::from_raw_fd(raw) })
}

/// A copy of a descriptor that an application's object names; close-on-exec.
///
/// # Errors
/// `EBADF` where it is not open.
pub(crate) fn duplicate(raw: RawFd) -> io::Result<OwnedFd> {
    if raw < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: the borrow lasts for one fcntl(2), which fails on a number that is not open; it is not -1.
    unsafe { BorrowedFd::borrow_raw(raw) }.try_clone_to_owned()
}

/// Names the calling thread (and, from the main thread, the process). Best effort.
pub(crate) fn set_name(name: &CStr) {
    // SAFETY: PR_SET_NAME reads a NUL-terminated string, of which it keeps 15 bytes.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// Writes a text over the process's arguments, for `ps`. The last byte is made other than NUL, by which the kernel
/// knows that the text ends at its own NUL (`get_mm_proctitle` in Linux's fs/proc/base.c).
pub(crate) fn set_arguments((start, end): (usize, usize), text: &[u8]) {
    let length = end.saturating_sub(start);
    if length < 2 {
        return;
    }
    // SAFETY: the kernel says that these bytes of our stack hold the arguments, which nobody refers to any more but
    // as C strings, and those stay terminated. Called while the process has one thread.
    let place =
        unsafe { std::slice::from_raw_parts_mut(std::ptr::with_exposed_provenance_mut::<u8>(start), length) };
    let kept = text.len().min(length - 2);
    place.fill(0);
    for (to, from) in place.iter_mut().zip(text.iter().take(kept)) {
        *to = *from;
    }
    if let Some(last) = place.last_mut() {
        *last = b'.';
    }
}

/// Ends the process now: nothing is run and nothing is waited for.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: never returns and touches no memory of ours.
    unsafe { libc::_exit(code) }
}
