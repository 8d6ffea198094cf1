//! Looking at processes from outside.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

pub(crate) fn pid(text: &str) -> u32 {
    text.parse().unwrap()
}

/// Waits until a process is gone, collected and all.
pub(crate) fn wait_gone(pid: u32, time: Duration) {
    let limit = Instant::now() + time;
    if let Ok(process) = krait_sys::pidfd::Process::open(pid) {
        let left = i32::try_from(limit.saturating_duration_since(Instant::now()).as_millis()).unwrap();
        assert!(
            krait_sys::descriptor::readable(process.as_fd(), left).unwrap(),
            "process {pid} is still there"
        );
    }
}
