//! Where frames leave a slot: queued ones, and blocks of the application that are not copied.

use crate::link::{Link, LinkError};
use krait_sys::socket;
use pyo3::prelude::*;
use std::io::{ErrorKind, IoSlice};
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// Beyond this a send lets other Python threads run from the start.
const DETACH_BYTES: usize = 16 << 10;
/// Room for the usual head and a small body.
const KEPT_BYTES: usize = 8 << 10;

#[derive(Debug)]
pub(crate) struct Outlet {
    link: Arc<Link>,
    /// Whole frames (or, before a block, its header) that go out before anything else.
    pub(crate) frames: Vec<u8>,
    gone: bool,
}

impl Outlet {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Outlet { link, frames: Vec::with_capacity(KEPT_BYTES), gone: false }
    }

    /// Forgets what an earlier request left.
    pub(crate) fn begin(&mut self) {
        self.frames.clear();
        if self.frames.capacity() > 16 * KEPT_BYTES {
            self.frames.shrink_to(KEPT_BYTES);
        }
        self.gone = false;
    }

    /// Whether a send failed: nobody listens any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Sends what is queued, then `block` and `tail`, all of it.
    pub(crate) fn flush(
        &mut self,
        py: Python<'_>,
        block: &[u8],
        tail: &[u8],
        file: Option<BorrowedFd<'_>>,
    ) -> Result<(), LinkError> {
        if self.gone {
            self.frames.clear();
            return Err(LinkError::Gone);
        }
        let mut parts = [IoSlice::new(&self.frames), IoSlice::new(block), IoSlice::new(tail)];
        let mut rest = if block.is_empty() { parts.get_mut(..1).unwrap_or_default() } else { &mut parts[..] };
        let mut files = file.as_slice();
        // What fits the socket's buffer is not worth giving the interpreter away for.
        let mut wait = self.frames.len() + block.len() > DETACH_BYTES;
        let result = loop {
            if rest.is_empty() {
                break Ok(());
            }
            let (fd, now, descriptors) = (self.link.fd(), &*rest, files);
            let sent = if wait {
                py.detach(|| socket::send(fd, now, descriptors, true))
            } else {
                socket::send(fd, now, descriptors, false)
            };
            match sent {
                Ok(count) => {
                    IoSlice::advance_slices(&mut rest, count);
                    files = &[];
                }
                // A handler written in Python runs when the application's code goes on.
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => break Err(error.into()),
            }
            wait = true;
        };
        self.frames.clear();
        self.gone = result.is_err();
        result
    }
}
