//! What a httpd child has: the mapped scoreboard, its channel with the manager, the slots it has used before and the
//! applications it has met.

use crate::apps::Apps;
use crate::channel::Channel;
use crate::daemon;
use crate::httpd::log::{self, Level};
use crate::httpd::process::{Kept, Main};
use crate::slot::Slots;
use krait_protocol::start::Identity;
use krait_scoreboard::Scoreboard;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A httpd child's own.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) board: Scoreboard,
    pub(crate) channel: Channel,
    pub(crate) slots: Slots,
    pub(crate) apps: Apps,
    /// httpd's own user, whom applications run as by default; `None` where httpd cannot switch users.
    pub(crate) server: Option<Identity>,
    requests: AtomicU64,
}

impl Child {
    /// A number for the next request, unique in this child.
    pub(crate) fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// One per process, never dropped: its threads use it until the process ends. (`httpd -X` starts a child anew in the
/// same process at each restart, but then this code is loaded anew too.)
static CHILD: OnceLock<Child> = OnceLock::new();

/// This child, once it has started.
pub(crate) fn this() -> Option<&'static Child> {
    CHILD.get()
}

/// A new httpd child begins: it maps the scoreboard and introduces itself to the manager.
pub(crate) fn start(main: Main<'_>) {
    let Some(kept) = main.kept() else { return };
    // With `httpd -X` the parent serves by itself and goes on needing both ends.
    if kept.parent != std::process::id() {
        kept.close_manager_end();
    }
    let board = match Scoreboard::map(Kept::borrow(kept.board)) {
        Ok(board) => board,
        Err(error) => {
            log::server(Level::Error, &format!("KRT0002: no application is served by this child: {error}"));
            return;
        }
    };
    let child = Child {
        board,
        channel: Channel::new(if kept.manager != 0 {
            Ok(Kept::borrow(kept.parent_end))
        } else if daemon::is_off() {
            Err("KraitManager is Off")
        } else {
            Err("it could not be started; line KRT0014 says why")
        }),
        slots: Slots::new(),
        apps: Apps::default(),
        server: daemon::server_identity(),
        requests: AtomicU64::new(0),
    };
    // Set already only where the code was not loaded anew; what is there then serves as well.
    CHILD.set(child).ok();
}
