//! `apr_table_t`: header and variable tables.

use super::request::Request;
use crate::ffi;
use std::ffi::{CStr, c_char};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// One of a request's tables.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table<'r> {
    raw: NonNull<ffi::apr_table_t>,
    request: Request<'r>,
}

impl<'r> Table<'r> {
    /// # Safety
    /// `raw` must be null or a table that lives as long as the request.
    pub(super) unsafe fn from_raw(raw: *mut ffi::apr_table_t, request: Request<'r>) -> Option<Self> {
        NonNull::new(raw).map(|raw| Table { raw, request })
    }

    /// The value of a key, case-insensitively.
    pub(crate) fn get(self, key: &CStr) -> Option<&'r [u8]> {
        // SAFETY: the table is live; values are C strings of the request's pool.
        unsafe {
            let value = ffi::apr_table_get(self.raw.as_ptr(), key.as_ptr());
            (!value.is_null()).then(|| CStr::from_ptr(value).to_bytes())
        }
    }

    /// Adds an entry beside others of the same key. Bytes after a NUL are cut.
    pub(crate) fn add(self, key: &[u8], value: &[u8]) {
        let (key, value) = (self.request.copy(key), self.request.copy(value));
        // SAFETY: both are C strings that live as long as the request's pool.
        unsafe { ffi::apr_table_addn(self.raw.as_ptr(), key, value) }
    }

    /// Sets an entry, replacing others of the same key.
    pub(crate) fn set(self, key: &CStr, value: &[u8]) {
        let (key, value) = (self.request.copy(key.to_bytes()), self.request.copy(value));
        // SAFETY: as for `add`.
        unsafe { ffi::apr_table_setn(self.raw.as_ptr(), key, value) }
    }

    /// Removes every entry.
    pub(crate) fn clear(self) {
        // SAFETY: the table is live.
        unsafe { ffi::apr_table_clear(self.raw.as_ptr()) }
    }

    /// Every entry, in order. The table must not change meanwhile: the iterator holds what was there.
    pub(crate) fn entries(self) -> Entries<'r> {
        // SAFETY: the table is live; its array describes `nelts` entries at `elts`.
        unsafe {
            let array = &*ffi::apr_table_elts(self.raw.as_ptr());
            let count = usize::try_from(array.nelts).unwrap_or(0);
            Entries { next: array.elts.cast(), left: count, life: PhantomData }
        }
    }
}

/// Keys and values of a table.
#[derive(Debug)]
pub(crate) struct Entries<'r> {
    next: *const ffi::apr_table_entry_t,
    left: usize,
    life: PhantomData<&'r ()>,
}

fn bytes<'r>(text: *const c_char) -> &'r [u8] {
    if text.is_null() {
        return b"";
    }
    // SAFETY: keys and values of a table are C strings in the request's pool.
    unsafe { CStr::from_ptr(text) }.to_bytes()
}

impl<'r> Iterator for Entries<'r> {
    type Item = (&'r [u8], &'r [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while self.left > 0 {
            // SAFETY: `left` entries follow `next`.
            let entry = unsafe { &*self.next };
            // SAFETY: at most one past the last entry.
            self.next = unsafe { self.next.add(1) };
            self.left -= 1;
            if !entry.key.is_null() {
                return Some((bytes(entry.key), bytes(entry.val)));
            }
        }
        None
    }
}
