//! The process itself: its title and its end.

use crate::glue;
use crate::log::to_stderr;
use pyo3::prelude::*;
use std::ffi::CString;
use std::time::Duration;

/// Names the process: `name` for `top` (15 bytes are kept), `title` for `ps` in place of its arguments.
#[pyfunction]
pub(crate) fn set_title(name: &str, title: &str) {
    if let Ok(name) = CString::new(name.replace('\0', "")) {
        glue::set_name(&name);
    }
    if let Some(place) = argument_place() {
        glue::set_arguments(place, title.replace(|letter: char| letter.is_control(), "?").as_bytes());
    }
}

/// Where the process's arguments lie: fields 48 and 49 of `/proc/self/stat` (`proc_pid_stat(5)`). The second field
/// may contain spaces, but it ends with the last parenthesis.
fn argument_place() -> Option<(usize, usize)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(45);
    let (start, end) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    (start != 0 && end > start).then_some((start, end))
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
