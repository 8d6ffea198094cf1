//! `request_rec`: one request.

use super::section::Sections;
use super::table::Table;
use crate::ffi;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// A request that httpd asks us about. Its strings live in its pool, so what the getters return stays valid as long
/// as the request, also when a field is set anew.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'r> {
    raw: NonNull<ffi::request_rec>,
    life: PhantomData<&'r mut ffi::request_rec>,
}

macro_rules! text_field {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub(crate) fn $name(self) -> &'r [u8] {
            // SAFETY: the request is live, and the field is null or a C string of its pool.
            unsafe { text((*self.raw.as_ptr()).$name) }
        }
    };
}

/// # Safety
/// `field` must be null or a C string that lives as long as `'r`.
unsafe fn text<'r>(field: *const c_char) -> &'r [u8] {
    if field.is_null() {
        b""
    } else {
        // SAFETY: as promised by the caller.
        unsafe { CStr::from_ptr(field) }.to_bytes()
    }
}

impl<'r> Request<'r> {
    /// # Safety
    /// `raw` must be null or a request that lives as long as `'r` and is used by this thread only.
    pub(super) unsafe fn from_raw(raw: *mut ffi::request_rec) -> Option<Self> {
        NonNull::new(raw).map(|raw| Request { raw, life: PhantomData })
    }

    pub(super) fn as_ptr(self) -> *mut ffi::request_rec {
        self.raw.as_ptr()
    }

    text_field!(
        /// The handler that configuration chose; empty where none did.
        handler
    );
    text_field!(
        /// The decoded path of the URL.
        uri
    );
    text_field!(
        /// What the URL was mapped to.
        filename
    );
    text_field!(
        /// What follows `filename` in the URL.
        path_info
    );

    /// Whether this is a HEAD request.
    pub(crate) fn is_head(self) -> bool {
        // SAFETY: the request is live.
        unsafe { (*self.raw.as_ptr()).header_only != 0 }
    }

    /// Whether the client's connection is known to be gone.
    pub(crate) fn is_aborted(self) -> bool {
        // SAFETY: the request and its connection are live.
        unsafe { (*(*self.raw.as_ptr()).connection).aborted != 0 }
    }

    /// Whether the client waits for `100 Continue` before it sends the body.
    pub(crate) fn is_expecting_continue(self) -> bool {
        // SAFETY: the request is live.
        unsafe { (*self.raw.as_ptr()).expecting_100 != 0 }
    }

    /// Whether a body may come that no header announces: HTTP/2 frames end it.
    pub(crate) fn may_have_unannounced_body(self) -> bool {
        // SAFETY: the request is live.
        unsafe { (*self.raw.as_ptr()).proto_num >= 2000 }
    }

    /// Whether the URL leads to a regular file.
    pub(crate) fn is_file(self) -> bool {
        // SAFETY: the request is live.
        unsafe { (*self.raw.as_ptr()).finfo.filetype == ffi::APR_REG }
    }

    /// `http` or `https`, as httpd sees it.
    pub(crate) fn is_https(self) -> bool {
        // SAFETY: the hook's runner returns a static string.
        unsafe { text(ffi::ap_run_http_scheme(self.raw.as_ptr())) == b"https" }
    }

    pub(crate) fn headers_in(self) -> Option<Table<'r>> {
        // SAFETY: the request is live, and its tables live as long.
        unsafe { Table::from_raw((*self.raw.as_ptr()).headers_in, self) }
    }

    pub(crate) fn headers_out(self) -> Option<Table<'r>> {
        // SAFETY: as above.
        unsafe { Table::from_raw((*self.raw.as_ptr()).headers_out, self) }
    }

    /// Headers that are sent with error pages too.
    pub(crate) fn error_headers_out(self) -> Option<Table<'r>> {
        // SAFETY: as above.
        unsafe { Table::from_raw((*self.raw.as_ptr()).err_headers_out, self) }
    }

    pub(crate) fn env(self) -> Option<Table<'r>> {
        // SAFETY: as above.
        unsafe { Table::from_raw((*self.raw.as_ptr()).subprocess_env, self) }
    }

    /// Fills [`Request::env`] with httpd's CGI variables, but for `PATH_INFO` and `PATH_TRANSLATED` (which would
    /// cost a sub-request).
    pub(crate) fn add_cgi_variables(self) {
        let raw = self.raw.as_ptr();
        // SAFETY: the request is live and ours; the path info is put back before anybody else looks.
        unsafe {
            ffi::ap_add_common_vars(raw);
            let path_info = std::mem::replace(&mut (*raw).path_info, std::ptr::null_mut());
            ffi::ap_add_cgi_vars(raw);
            (*raw).path_info = path_info;
        }
    }

    /// Copies bytes into the request's pool, as a C string.
    pub(super) fn copy(self, bytes: &[u8]) -> *mut c_char {
        // SAFETY: the pool is live; the call copies `len` bytes and adds a NUL.
        unsafe { ffi::apr_pstrmemdup((*self.raw.as_ptr()).pool, bytes.as_ptr().cast(), bytes.len()) }
    }

    /// Sets the status; a non-empty `line` ("404 Not Here") replaces httpd's own reason phrase.
    pub(crate) fn set_status(self, status: u16, line: &[u8]) {
        let line = if line.is_empty() { std::ptr::null_mut() } else { self.copy(line) };
        // SAFETY: the request is live and ours; the line lives in its pool.
        unsafe {
            (*self.raw.as_ptr()).status = c_int::from(status);
            (*self.raw.as_ptr()).status_line = line;
        }
    }

    /// Sets or, with `None`, forgets the media type.
    pub(crate) fn set_content_type(self, value: Option<&[u8]>) {
        // SAFETY: the request is live and ours; the value lives in its pool.
        unsafe {
            match value {
                Some(value) => ffi::ap_set_content_type(self.raw.as_ptr(), self.copy(value)),
                None => (*self.raw.as_ptr()).content_type = std::ptr::null(),
            }
        }
    }

    /// Sets the length of the answer's body, in bytes.
    pub(crate) fn set_content_length(self, length: u64) {
        // SAFETY: the request is live and ours.
        unsafe { ffi::ap_set_content_length(self.raw.as_ptr(), i64::try_from(length).unwrap_or(i64::MAX)) }
    }

    /// The connection ends with this answer.
    pub(crate) fn close_connection(self) {
        // SAFETY: the request and its connection are live; only this thread works on them.
        unsafe { (*(*self.raw.as_ptr()).connection).keepalive = ffi::AP_CONN_CLOSE }
    }

    /// Claims the URL: it is mapped to `filename`, which need not exist, and no file system walk is made.
    pub(crate) fn claim(self, filename: &[u8]) {
        let name = self.copy(filename);
        let raw = self.raw.as_ptr();
        // SAFETY: the request is live and ours. Any pointer but null marks it; it is never followed.
        unsafe {
            (*raw).filename = name;
            super::record::set_request_mark((*raw).request_config, name.cast::<c_void>());
        }
    }

    /// Whether [`Request::claim`] was called on it.
    pub(crate) fn is_claimed(self) -> bool {
        // SAFETY: the request is live.
        unsafe { !super::record::request_mark((*self.raw.as_ptr()).request_config).is_null() }
    }

    /// Chooses the handler, and hides from others that a directory is behind the URL (mod_dir would look for an
    /// index in it).
    pub(crate) fn take_over(self) {
        // SAFETY: the request is live and ours, the handler's name static.
        unsafe {
            (*self.raw.as_ptr()).handler = c"krait".as_ptr();
            (*self.raw.as_ptr()).finfo.filetype = ffi::APR_NOFILE;
        }
    }

    /// The handler that `SetHandler` of the section in force names; empty where there is none.
    pub(crate) fn configured_handler(self) -> &'r [u8] {
        // SAFETY: the request is live; the core module's configuration is always there and lives as long.
        unsafe {
            let core = super::record::core_section((*self.raw.as_ptr()).per_dir_config);
            if core.is_null() { b"" } else { text((*core).handler) }
        }
    }

    /// Our configuration of the place that the request is for.
    pub(crate) fn sections(self) -> Sections<'r> {
        // SAFETY: the request is live, its configuration lives as long, and only our own code made our part of it.
        unsafe { Sections::from_raw(super::record::section((*self.raw.as_ptr()).per_dir_config)) }
    }
}
