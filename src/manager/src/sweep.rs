//! The last moments: nothing that we started, or that fell to us, stays behind.

use crate::core::Now;
use crate::manager::Manager;
use krait_sys::pidfd::Process;
use krait_sys::process;
use krait_sys::wait::{self, Reaped};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// After this what cannot be killed (a process inside the kernel) is left to the system.
const LIMIT: Duration = Duration::from_millis(400);

impl Manager {
    /// Ends what is left of every application.
    pub(crate) fn kill_all(&mut self) {
        let now = Now::read();
        for app in self.apps.iter_mut() {
            app.kill(&self.core, now);
        }
    }
}

/// Kills and collects our children, and theirs as they fall to us, until none is left.
pub(crate) fn end_children() {
    let limit = Instant::now() + LIMIT;
    loop {
        while let Ok(Reaped::Ended(..)) = wait::reap() {}
        if matches!(wait::reap(), Ok(Reaped::NoChildren)) || Instant::now() >= limit {
            return;
        }
        let Ok(children) = process::children() else { return };
        for child in children {
            // Not reaped by anybody but us, so the number is still its own.
            let Ok(held) = Process::open(child) else { continue };
            drop(held.signal(libc::SIGKILL));
            let left = limit.saturating_duration_since(Instant::now()).as_millis();
            drop(krait_sys::descriptor::readable(held.as_fd(), i32::try_from(left).unwrap_or(0)));
        }
    }
}
