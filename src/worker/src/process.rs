//! The process itself: its title and its end.

use crate::glue;
use crate::log::to_stderr;
use pyo3::prelude::*;
use std::ffi::CString;
use std::time::Duration;

/// Names the process for `ps` and `top`.
#[pyfunction]
pub(crate) fn set_title(title: &str) {
    if let Ok(title) = CString::new(title.replace('\0', "")) {
        glue::set_title(&title);
    }
}

/// Ends the process after so many seconds, should Python's own shutdown (its `atexit` handlers, the wait for
/// threads) take longer. The watch is a thread that Python knows nothing of, so nothing in Python can stop it.
#[pyfunction]
pub(crate) fn exit_within(seconds: f64) {
    let wait = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO);
    // Without the thread the manager's own deadline ends the process.
    drop(std::thread::Builder::new().name("krait-exit".to_owned()).spawn(move || {
        std::thread::sleep(wait);
        to_stderr(
            format!(
                "KRT0630: the worker was still busy {seconds} s after its last request (threads that are no \
                 daemons, or atexit handlers); it ends now"
            )
            .as_bytes(),
        );
        glue::exit_now(0);
    }));
}
