//! Answers to the client: bucket brigades down `r->output_filters`.

use super::request::Request;
use crate::ffi;
use std::ffi::{CStr, c_void};
use std::marker::PhantomData;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::ptr::{NonNull, null_mut};

/// What follows the bytes that are passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// More comes soon: httpd may keep what it holds.
    More,
    /// Nothing comes soon: what is held must go out.
    Flush,
    /// The answer is complete.
    End,
}

/// The client is gone, or a filter gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

/// A request's way out.
#[derive(Debug)]
pub(crate) struct Output<'r> {
    request: Request<'r>,
    brigade: NonNull<ffi::apr_bucket_brigade>,
    life: PhantomData<&'r ()>,
}

impl<'r> Output<'r> {
    /// `None` only where memory is out.
    pub(crate) fn new(request: Request<'r>) -> Option<Self> {
        let raw = request.as_ptr();
        // SAFETY: the request's pool and its connection's allocator are live; the brigade lives in the pool.
        let brigade = unsafe { ffi::apr_brigade_create((*raw).pool, (*(*raw).connection).bucket_alloc) };
        NonNull::new(brigade).map(|brigade| Output { request, brigade, life: PhantomData })
    }

    fn append(&self, bucket: *mut ffi::apr_bucket) {
        if !bucket.is_null() {
            // SAFETY: the brigade is live; the bucket is fresh and in no brigade.
            unsafe { ffi::krait_brigade_append(self.brigade.as_ptr(), bucket) }
        }
    }

    fn allocator(&self) -> *mut ffi::apr_bucket_alloc_t {
        // SAFETY: the brigade is live.
        unsafe { (*self.brigade.as_ptr()).bucket_alloc }
    }

    /// Passes pieces of the body on. httpd sends them or copies what it keeps, so they are only borrowed.
    pub(crate) fn pass(&mut self, pieces: &[&[u8]], then: Then) -> Result<(), Gone> {
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            // SAFETY: a transient bucket refers to the piece; whoever keeps it beyond the pass below must copy it
            // (the contract of transient buckets), and what is left in the brigade is deleted there.
            self.append(unsafe {
                ffi::apr_bucket_transient_create(piece.as_ptr().cast(), piece.len(), self.allocator())
            });
        }
        self.finish(then)
    }

    /// Passes a part of a file on, which httpd sends with `sendfile(2)` where it can.
    pub(crate) fn pass_file(
        &mut self,
        file: OwnedFd,
        offset: u64,
        length: u64,
        then: Then,
    ) -> Result<(), Gone> {
        let (Ok(offset), Ok(length)) = (i64::try_from(offset), i64::try_from(length)) else {
            return Err(Gone);
        };
        let mut raw: RawFd = file.into_raw_fd();
        let mut handle = null_mut();
        // SAFETY: the pool is live; the descriptor now belongs to it, by the cleanup registered here. The file is
        // never mapped: one that is cut short meanwhile would end the process with SIGBUS.
        unsafe {
            let pool = (*self.request.as_ptr()).pool;
            ffi::apr_pool_cleanup_register(
                pool,
                std::ptr::without_provenance(usize::try_from(raw).unwrap_or(0)),
                Some(close_descriptor),
                Some(ffi::apr_pool_cleanup_null),
            );
            let flags = ffi::APR_FOPEN_READ | ffi::APR_FOPEN_SENDFILE_ENABLED;
            let status = ffi::apr_os_file_put(&raw mut handle, &raw mut raw, flags.cast_signed(), pool);
            if status != ffi::APR_SUCCESS.cast_signed() {
                return Err(Gone);
            }
            // As many buckets as sendfile(2) needs, which share the file: kept over a slow client they stay one.
            let first = ffi::apr_brigade_insert_file(self.brigade.as_ptr(), handle, offset, length, pool);
            if first.is_null() {
                return Err(Gone);
            }
            ffi::apr_bucket_file_enable_mmap(first, 0);
        }
        self.finish(then)
    }

    /// Ends an answer that cannot be completed so that the client notices: no last chunk, the connection closed,
    /// RST_STREAM on HTTP/2.
    pub(crate) fn abort(&mut self) {
        self.request.close_connection();
        let raw = self.request.as_ptr();
        // SAFETY: the request is live; an error bucket of 502 is httpd's own sign for a broken answer.
        self.append(unsafe {
            (*raw).no_cache = 1;
            ffi::ap_bucket_error_create(
                ffi::HTTP_BAD_GATEWAY.cast_signed(),
                null_mut(),
                (*raw).pool,
                self.allocator(),
            )
        });
        // The client is told as far as it can be; nothing is left to do where it is gone.
        self.finish(Then::End).ok();
    }

    fn finish(&mut self, then: Then) -> Result<(), Gone> {
        let allocator = self.allocator();
        // SAFETY: the allocator is live.
        unsafe {
            match then {
                Then::More => {}
                Then::Flush => self.append(ffi::apr_bucket_flush_create(allocator)),
                Then::End => self.append(ffi::apr_bucket_eos_create(allocator)),
            }
        }
        let raw = self.request.as_ptr();
        // SAFETY: request, filters and brigade are live. The cleanup deletes what no filter took, so that no bucket
        // refers to borrowed bytes any more.
        let status = unsafe {
            let status = ffi::ap_pass_brigade((*raw).output_filters, self.brigade.as_ptr());
            ffi::apr_brigade_cleanup(self.brigade.as_ptr().cast::<c_void>());
            status
        };
        if status == ffi::APR_SUCCESS.cast_signed() && !self.request.is_aborted() {
            Ok(())
        } else {
            Err(Gone)
        }
    }
}

unsafe extern "C" fn close_descriptor(data: *mut c_void) -> ffi::apr_status_t {
    if let Ok(raw) = RawFd::try_from(data.addr()) {
        // SAFETY: registered once for a descriptor that was given to the pool.
        drop(unsafe { OwnedFd::from_raw_fd(raw) });
    }
    ffi::APR_SUCCESS.cast_signed()
}

/// A page of our own instead of httpd's, for `KraitDebug On`; escaped, as plain text.
pub(crate) fn escape(request: Request<'_>, text: &[u8]) -> Vec<u8> {
    let text = request.copy(text);
    // SAFETY: the pool is live and the text a C string in it.
    unsafe {
        let escaped = ffi::ap_escape_html2((*request.as_ptr()).pool, text, 0);
        if escaped.is_null() { Vec::new() } else { CStr::from_ptr(escaped).to_bytes().to_vec() }
    }
}
