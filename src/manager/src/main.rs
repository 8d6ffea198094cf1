//! kraitd: starts, watches and replaces Python workers.
//!
//! The httpd parent starts it with a channel as descriptor 0 and tells it, over that, what may run. Everything
//! happens in one thread that waits for descriptors and computed times; nothing polls. What comes from httpd
//! children, zygotes and workers is hostile: bounded, checked and never waited for.

mod app;
mod apps;
mod backoff;
mod channel;
mod children;
mod core;
mod journey;
mod log;
mod manager;
mod output;
mod parent;
mod phase;
mod policy;
mod setup;
mod sources;
mod sweep;
mod worker;
mod zygote;

use manager::End;
use std::process::ExitCode;

/// Status where httpd and kraitd do not fit together: the parent starts a new kraitd, with the program that is
/// installed by then.
const FOREIGN: u8 = 3;

fn main() -> ExitCode {
    match run() {
        Ok(End::Wished) => ExitCode::SUCCESS,
        Ok(End::Foreign) => ExitCode::from(FOREIGN),
        Err(error) => {
            log::error(302, &format!("the manager cannot go on: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<End, String> {
    let found = setup::become_manager()?;
    log::notice(300, "manager started");
    let end = match setup::first_policy(found)? {
        Ok(mut manager) => {
            let end = manager.run().map_err(|error| format!("waiting for events: {error}"));
            manager.kill_all();
            end?
        }
        Err(end) => end,
    };
    sweep::end_children();
    log::notice(301, "manager stopped");
    Ok(end)
}
