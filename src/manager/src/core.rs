//! What every application needs of the manager around it.

use crate::sources::{AppId, Sources};
use krait_scoreboard::Ledger;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// No timeout is longer, whatever a spec says: adding it to a clock must not overflow.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
/// From SIGTERM to SIGKILL.
const TERM: Duration = Duration::from_secs(2);

/// This moment, on both clocks we compare with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// Of our own timers.
    pub(crate) instant: Instant,
    /// Of the scoreboard.
    pub(crate) ms: u64,
}

impl Now {
    pub(crate) fn read() -> Now {
        Now { instant: Instant::now(), ms: krait_sys::clock::monotonic_ms() }
    }

    /// So much later, within reason.
    pub(crate) fn after(self, time: Duration) -> Instant {
        self.instant + time.min(LONGEST)
    }
}

/// Which process it is that has a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Zygote(AppId, u32),
    Worker(AppId, u32),
}

/// How much time leaving processes get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Upper bound on finishing requests and on exiting.
    pub(crate) grace: Duration,
    /// From SIGTERM to SIGKILL.
    pub(crate) term: Duration,
}

impl Pace {
    /// In normal operation: what the application's spec says.
    pub(crate) const NORMAL: Pace = Pace { grace: LONGEST, term: TERM };
    /// When httpd stops.
    pub(crate) const STOP: Pace = Pace { grace: Duration::from_secs(15), term: TERM };
    /// When httpd is gone: all ends within five seconds.
    pub(crate) const HURRY: Pace =
        Pace { grace: Duration::from_millis(1500), term: Duration::from_millis(1000) };

    /// The more hurried of two.
    pub(crate) fn min(self, other: Pace) -> Pace {
        Pace { grace: self.grace.min(other.grace), term: self.term.min(other.term) }
    }
}

/// Where our own files are.
#[derive(Debug)]
pub(crate) struct Places {
    /// The program krait-spawn.
    pub(crate) spawn: PathBuf,
    /// The folder that holds the Python package.
    pub(crate) package: String,
}

impl Places {
    /// Beside our own executable.
    pub(crate) fn find() -> std::io::Result<Places> {
        let own = std::env::current_exe()?;
        let folder = own.parent().map(PathBuf::from).unwrap_or_default();
        let package = folder.join("python").to_string_lossy().into_owned();
        Ok(Places { spawn: folder.join("krait-spawn"), package })
    }
}

/// What every application needs of the manager around it.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) sources: Sources,
    pub(crate) ledger: Ledger,
    pub(crate) places: Places,
    pub(crate) pace: Pace,
    /// Nothing new is begun.
    pub(crate) stopping: bool,
    /// Children of ours, and workers whose zygote may die and leave them to us.
    pub(crate) processes: HashMap<u32, Whose>,
}
