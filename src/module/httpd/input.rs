//! The request's body: bucket brigades from `r->input_filters`.

use super::request::Request;
use crate::ffi;
use std::marker::PhantomData;
use std::ptr::{NonNull, null};

/// What a read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Bytes, and more may follow.
    Some,
    /// Nothing is there yet (only when asked not to wait).
    Nothing,
    /// The body is complete.
    End,
}

/// Why the body cannot be read on: the HTTP status that says it (413, 400, 408...).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) u16);

/// A request's body.
#[derive(Debug)]
pub(crate) struct Input<'r> {
    request: Request<'r>,
    brigade: NonNull<ffi::apr_bucket_brigade>,
    life: PhantomData<&'r ()>,
}

impl<'r> Input<'r> {
    /// `None` only where memory is out.
    pub(crate) fn new(request: Request<'r>) -> Option<Self> {
        let raw = request.as_ptr();
        // SAFETY: the request's pool and its connection's allocator are live; the brigade lives in the pool.
        let brigade = unsafe { ffi::apr_brigade_create((*raw).pool, (*(*raw).connection).bucket_alloc) };
        NonNull::new(brigade).map(|brigade| Input { request, brigade, life: PhantomData })
    }

    /// Appends at most `most` bytes of the body to `out`. Asking for them makes httpd send `100 Continue` where the
    /// client waits for it, and applies LimitRequestBody.
    pub(crate) fn read(&mut self, out: &mut Vec<u8>, most: usize, wait: bool) -> Result<Progress, Broken> {
        let raw = self.request.as_ptr();
        let mode = if wait { ffi::APR_BLOCK_READ } else { ffi::APR_NONBLOCK_READ };
        let wanted = i64::try_from(most).unwrap_or(i64::MAX);
        // SAFETY: request, filters and brigade are live, and the brigade is empty.
        let status = unsafe {
            ffi::ap_get_brigade(
                (*raw).input_filters,
                self.brigade.as_ptr(),
                ffi::AP_MODE_READBYTES,
                mode,
                wanted,
            )
        };
        if status != ffi::APR_SUCCESS.cast_signed() {
            self.clean_up();
            // SAFETY: a number in, a number out.
            if !wait && unsafe { ffi::krait_status_is_eagain(status) } != 0 {
                return Ok(Progress::Nothing);
            }
            // SAFETY: a number in, a number out.
            let status =
                unsafe { ffi::ap_map_http_request_error(status, ffi::HTTP_BAD_REQUEST.cast_signed()) };
            return Err(Broken(u16::try_from(status).unwrap_or(400)));
        }
        let result = self.take(out);
        self.clean_up();
        match result? {
            Progress::Some if out.is_empty() && !wait => Ok(Progress::Nothing),
            progress => Ok(progress),
        }
    }

    fn take(&mut self, out: &mut Vec<u8>) -> Result<Progress, Broken> {
        loop {
            // SAFETY: the brigade is live.
            let bucket = unsafe { ffi::krait_brigade_first(self.brigade.as_ptr()) };
            if bucket.is_null() {
                return Ok(Progress::Some);
            }
            // SAFETY: the bucket is the brigade's first.
            if unsafe { ffi::krait_bucket_is_eos(bucket) } != 0 {
                return Ok(Progress::End);
            }
            let (mut data, mut length) = (null(), 0);
            // SAFETY: the bucket is live; a read fills both and the bytes stay until the bucket is deleted.
            let status = unsafe { ffi::krait_bucket_read(bucket, &raw mut data, &raw mut length) };
            if status != ffi::APR_SUCCESS.cast_signed() {
                return Err(Broken(400));
            }
            if length > 0 && !data.is_null() {
                // SAFETY: the read gave `length` bytes at `data`.
                out.extend_from_slice(unsafe { std::slice::from_raw_parts(data.cast(), length) });
            }
            // SAFETY: the bucket is still the brigade's first.
            unsafe { ffi::krait_bucket_delete(bucket) };
        }
    }

    fn clean_up(&mut self) {
        // SAFETY: the brigade is live.
        unsafe { ffi::apr_brigade_cleanup(self.brigade.as_ptr().cast()) };
    }
}
