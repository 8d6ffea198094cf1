//! The httpd parent's part: it starts the manager, tells it the policy, and starts another when it dies.

use crate::config::{self, Pass};
use crate::httpd::log::{self, Level};
use crate::httpd::process::{self, Kept, Main, Pool};
use krait_config::layer::Manager;
use krait_config::{Effective, Layer};
use krait_protocol::control::{self, ParentToManager, Policy};
use krait_protocol::limits;
use krait_protocol::start::Identity;
use krait_scoreboard::Scoreboard;
use krait_sys::pidfd::Process;
use krait_sys::{clock, identity, socket};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What this configuration decided; forgotten with it.
#[derive(Debug, Default)]
struct Present {
    /// The manager's program; `None` where `KraitManager Off`.
    program: Option<String>,
    /// httpd's own user; `None` where httpd cannot switch users.
    server: Option<Identity>,
    /// Encoded messages of the policy, to be sent again to a new manager.
    messages: Vec<Vec<u8>>,
    /// When managers were started lately, monotonic milliseconds.
    starts: Vec<u64>,
}

static PRESENT: Mutex<Option<Present>> = Mutex::new(None);

/// A manager that is started so often within [`RESTART_WINDOW_MS`] is not started again.
const MOST_RESTARTS: usize = 5;
const RESTART_WINDOW_MS: u64 = 30_000;
/// How long the manager may take to read what the parent sends.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

fn with_present<T>(body: impl FnOnce(&mut Present) -> T) -> T {
    body(PRESENT.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default())
}

/// This configuration ends.
pub(crate) fn forget() {
    drop(config::end_pass());
    *PRESENT.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// httpd's own user, as children need it for the specs they make.
pub(crate) fn server_identity() -> Option<Identity> {
    with_present(|present| present.server.clone())
}

/// Whether the configuration wants no manager.
pub(crate) fn is_off() -> bool {
    with_present(|present| present.program.is_none())
}

/// httpd has read its configuration: start the manager, or tell the one that runs.
pub(crate) fn configured(main: Main<'_>, pconf: Pool<'_>) {
    let pass = config::end_pass();
    if process::is_trial_pass() {
        return;
    }
    let effective = Effective::new(main.sections().layers());
    let program = match effective.manager() {
        Some(Manager::Off) => None,
        Some(Manager::Path(path)) => Some(path.clone()),
        None => process::own_folder().map(|folder| format!("{folder}/kraitd")),
    };
    main.forget_with(pconf);
    let Some(kept) = keep(main) else { return };
    kept.generation += 1;
    if kept.manager != 0 && !is_running(kept.manager) {
        // It died while nobody watched, between two configurations.
        kept.manager = 0;
    }
    let server = (kept.is_root != 0).then(|| {
        let (name, uid, gid) = process::server_user();
        config::identity_of(&name, uid, gid)
    });
    let messages = policy(main, kept, &pass, server.as_ref());
    with_present(|present| {
        present.program = program;
        present.server = server;
        present.messages = messages;
        present.starts.clear();
        if present.program.is_none() {
            log::server(Level::Notice, "KRT0013: KraitManager is Off: no application is served");
        } else if kept.manager == 0 {
            start(present, kept);
        } else {
            tell(present, kept);
        }
    });
    if kept.manager != 0 {
        main.watch(pconf, kept.manager);
    }
}

fn is_running(pid: i32) -> bool {
    Process::open(pid.cast_unsigned()).is_ok_and(|process| !process.has_ended())
}

/// Channel and scoreboard, made once in the life of this httpd.
fn keep(main: Main<'_>) -> Option<&mut Kept> {
    if let Some(kept) = main.kept() {
        return Some(kept);
    }
    let make = || -> io::Result<_> {
        let (parent_end, manager_end) = socket::packet_pair()?;
        // Before the first packet, so that the kernel names the sender of every one.
        socket::ask_credentials(manager_end.as_fd())?;
        socket::set_timeouts(parent_end.as_fd(), SEND_TIMEOUT, SEND_TIMEOUT)?;
        let board = Scoreboard::create().map_err(io::Error::other)?;
        Ok(((parent_end, manager_end), board))
    };
    match make() {
        Ok((ends, board)) => main.keep(ends, board, identity::effective_user() == 0),
        Err(error) => {
            log::server(Level::Error, &format!("KRT0010: no application is served: {error}"));
            None
        }
    }
}

/// The messages that tell a manager what is allowed, and what to start at once.
fn policy(main: Main<'_>, kept: &Kept, pass: &Pass, server: Option<&Identity>) -> Vec<Vec<u8>> {
    let mut identities: Vec<Identity> = Vec::new();
    if let Some(server) = server {
        identities.push(server.clone());
        identities.extend(pass.identities.iter().filter(|identity| *identity != server).cloned());
    }
    let policy = ParentToManager::Policy(Policy {
        version: limits::VERSION,
        generation: kept.generation,
        parent_pid: kept.parent,
        identities,
    });
    let mut messages = vec![policy];
    for &section in &pass.sections {
        let layers: Vec<&Layer> =
            main.with_defaults(section).into_iter().flat_map(|sections| sections.layers()).collect();
        let effective = Effective::new(layers);
        let Some(app) = effective.app() else { continue };
        match effective.spec(app, server) {
            Ok(spec) if spec.processes_min == 0 => {}
            Ok(spec) => match spec.encode() {
                Ok(bytes) => messages.push(ParentToManager::Prestart(bytes)),
                Err(error) => log::server(
                    Level::Error,
                    &format!("KRT0011: application '{}' is not started: {error}", app.text),
                ),
            },
            Err(why) => log::server(
                Level::Error,
                &format!(
                    "KRT0012: application '{}' at '{}' is not usable: {why}",
                    app.text,
                    config::place(&app.mount)
                ),
            ),
        }
    }
    messages.push(ParentToManager::PolicyEnd);
    messages.iter().filter_map(|message| control::encode(message).ok()).collect()
}

/// Starts a manager on the kept channel and tells it the policy.
fn start(present: &mut Present, kept: &mut Kept) {
    let Some(program) = present.program.clone() else { return };
    present.starts.push(clock::monotonic_ms());
    let spawned = Kept::borrow(kept.manager_end).try_clone_to_owned().and_then(|end| {
        // kraitd makes its own session and closes what it does not know; its log is our standard error.
        Command::new(&program)
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "TZ"))
            .stdin(Stdio::from(end))
            .stdout(Stdio::null())
            .spawn()
    });
    match spawned {
        Ok(process) => {
            kept.manager = process.id().cast_signed();
            tell(present, kept);
        }
        Err(error) => {
            kept.manager = 0;
            log::server(
                Level::Error,
                &format!(
                    "KRT0014: the manager '{program}' cannot be started: {error}; no application is served until it \
                     is there (KraitManager names it) and httpd is restarted"
                ),
            );
        }
    }
}

fn tell(present: &Present, kept: &Kept) {
    let parent_end = Kept::borrow(kept.parent_end);
    let log = io::stderr();
    let first: [BorrowedFd<'_>; 2] = [Kept::borrow(kept.board), log.as_fd()];
    for (index, message) in present.messages.iter().enumerate() {
        let descriptors: &[BorrowedFd<'_>] = if index == 0 { &first } else { &[] };
        if let Err(error) = socket::send(parent_end, &[IoSlice::new(message)], descriptors, true) {
            log::server(
                Level::Error,
                &format!("KRT0015: the manager cannot be told the configuration: {error}; restart httpd"),
            );
            return;
        }
    }
}

/// The manager has ended, by its own will or not: start another, unless httpd is on its way out or it ends each time.
pub(crate) fn manager_ended(main: Main<'_>, pid: i32, status: i32) {
    let Some(kept) = main.kept() else { return };
    if kept.manager != pid {
        return;
    }
    kept.manager = 0;
    if process::is_stopping() {
        return;
    }
    with_present(|present| {
        let now_ms = clock::monotonic_ms();
        present.starts.retain(|&start| now_ms.saturating_sub(start) < RESTART_WINDOW_MS);
        if present.starts.len() >= MOST_RESTARTS {
            log::server(
                Level::Critical,
                &format!(
                    "KRT0016: the manager has ended {MOST_RESTARTS} times within {} s (status {status}); it is not \
                     started again until httpd is restarted",
                    RESTART_WINDOW_MS / 1000
                ),
            );
            return;
        }
        log::server(
            Level::Error,
            &format!("KRT0017: the manager (pid {pid}) has ended (status {status}); another is started"),
        );
        start(present, kept);
    });
    if kept.manager != 0 {
        main.watch(main.configuration_pool(), kept.manager);
    }
}
