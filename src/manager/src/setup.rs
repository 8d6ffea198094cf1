//! The first moments: what the process becomes, and the wait for the first policy.

use crate::apps::Apps;
use crate::children::Children;
use crate::core::{Core, Pace, Places};
use crate::log;
use crate::manager::{End, Manager};
use crate::parent::{Parent, Told};
use crate::sources::{Source, Sources};
use krait_scoreboard::{Ledger, Scoreboard};
use krait_sys::pidfd::Process;
use krait_sys::signal::{self, Signals};
use krait_sys::{descriptor, limit, process, socket};
use mio::Token;
use std::collections::HashMap;
use std::fmt::Display;
use std::os::fd::{AsFd, OwnedFd};

/// Children that announce themselves before the first policy, as they do when an earlier manager has died.
const MAX_EARLY_CHILDREN: usize = 4096;

/// What there is before the first policy.
#[derive(Debug)]
pub(crate) struct Setup {
    places: Places,
    sources: Sources,
    signals: Signals,
    parent: Parent,
    parent_token: Token,
    /// Held so that its number stays the parent's; the event loop watches it.
    parent_end: Process,
}

fn failed<E: Display>(what: &'static str) -> impl Fn(E) -> String {
    move |error| format!("{what}: {error}")
}

/// Leaves httpd's process group, signal handling and descriptors, and finds the parent.
pub(crate) fn become_manager() -> Result<Setup, String> {
    descriptor::close_from(3).map_err(failed("closing inherited descriptors"))?;
    signal::reset();
    let signals = Signals::block(&[
        libc::SIGCHLD,
        libc::SIGTERM,
        libc::SIGINT,
        libc::SIGHUP,
        libc::SIGQUIT,
        libc::SIGUSR1,
        libc::SIGUSR2,
        libc::SIGPIPE,
    ])
    .map_err(failed("blocking signals"))?;
    process::new_session().map_err(failed("leaving httpd's session"))?;
    process::adopt_orphans().map_err(failed("adopting orphans"))?;
    process::set_name("kraitd").map_err(failed("setting the name"))?;
    std::env::set_current_dir("/").map_err(failed("leaving the working directory"))?;
    // Every worker costs a few descriptors; krait-spawn gives applications the usual limit again.
    limit::get(limit::Resource::OpenFiles)
        .and_then(|(_, hard)| limit::set(limit::Resource::OpenFiles, hard, hard))
        .map_err(failed("raising the limit of open files"))?;
    let channel = descriptor::copy_of_stdin().map_err(failed("descriptor 0 is no channel"))?;
    socket::ask_credentials(channel.as_fd()).map_err(failed("descriptor 0 is no channel"))?;
    let maker = process::maker_of_pair(channel.as_fd()).map_err(failed("descriptor 0 is no channel"))?;
    let pid = std::os::unix::process::parent_id();
    let parent_end = Process::open(pid).map_err(failed("holding the httpd parent"))?;
    // A parent that died before we could hold it has left us to process 1, which may also be httpd itself.
    if std::os::unix::process::parent_id() != pid || (pid == 1 && maker != 1) {
        return Err("httpd has ended already".to_owned());
    }
    let mut sources = Sources::new().map_err(failed("making the event loop"))?;
    let watch = failed("watching descriptors");
    sources.add(signals.as_fd(), Source::Signals).map_err(&watch)?;
    sources.add(parent_end.as_fd(), Source::ParentEnd).map_err(&watch)?;
    let parent_token = sources.add(channel.as_fd(), Source::Parent).map_err(&watch)?;
    let places = Places::find().map_err(failed("finding our own program"))?;
    let parent = Parent::new(channel, pid);
    Ok(Setup { places, sources, signals, parent, parent_token, parent_end })
}

/// Waits until the parent has sent a scoreboard; the manager that comes of it has no policy yet and so runs nothing.
/// Or the end, where that comes first.
pub(crate) fn first_policy(mut setup: Setup) -> Result<Result<Manager, End>, String> {
    let mut early: Vec<(OwnedFd, u32)> = Vec::new();
    loop {
        let ready = setup.sources.wait(None).map_err(failed("waiting for events"))?;
        for token in ready {
            match setup.sources.whose(token) {
                Some(Source::Signals) => {
                    while let Some(signal) = setup.signals.next() {
                        if signal == libc::SIGTERM {
                            return Ok(Err(End::Wished));
                        }
                    }
                }
                Some(Source::ParentEnd) => return Ok(Err(End::Wished)),
                Some(Source::Parent) => match hear(&mut setup.parent, &mut early)? {
                    Heard::Nothing => {}
                    Heard::End(end) => return Ok(Err(end)),
                    Heard::Scoreboard(scoreboard) => return open(setup, &scoreboard, early).map(Ok),
                },
                _ => {}
            }
        }
    }
}

enum Heard {
    Nothing,
    End(End),
    Scoreboard(OwnedFd),
}

fn hear(parent: &mut Parent, early: &mut Vec<(OwnedFd, u32)>) -> Result<Heard, String> {
    loop {
        match parent.receive() {
            Told::Empty => return Ok(Heard::Nothing),
            Told::Closed => return Ok(Heard::End(End::Wished)),
            Told::Begin { scoreboard, error_log } => {
                descriptor::copy_onto(error_log.as_fd(), 2).map_err(failed("using the error log"))?;
                return Ok(Heard::Scoreboard(scoreboard));
            }
            Told::Child { fd, pid } if early.len() < MAX_EARLY_CHILDREN => early.push((fd, pid)),
            Told::Foreign(why) => {
                log::error(303, &format!("{why}; restart httpd, so that both are of one installation"));
                return Ok(Heard::End(End::Foreign));
            }
            // What was meant for an earlier manager.
            Told::Child { .. } | Told::InForce(_) | Told::Nothing | Told::Refused(_) => {}
        }
    }
}

fn open(setup: Setup, scoreboard: &OwnedFd, early: Vec<(OwnedFd, u32)>) -> Result<Manager, String> {
    let file = descriptor::file_of(scoreboard.as_fd()).map_err(failed("looking at the scoreboard"))?;
    let board = Scoreboard::map(scoreboard.as_fd()).map_err(|error| error.to_string())?;
    let (ledger, found) = Ledger::adopt(board);
    let core = Core {
        sources: setup.sources,
        ledger,
        places: setup.places,
        pace: Pace::NORMAL,
        stopping: false,
        processes: HashMap::new(),
    };
    let mut manager = Manager {
        core,
        signals: setup.signals,
        parent: setup.parent,
        parent_token: setup.parent_token,
        parent_end: setup.parent_end,
        scoreboard: file,
        policy: None,
        children: Children::default(),
        apps: Apps::default(),
        stop: None,
    };
    manager.children.adopt(&mut manager.core, found);
    for (fd, pid) in early {
        manager.children.add(&mut manager.core, fd, pid);
    }
    // What else has come with the policy is read as usual; the event that told of it is used up.
    manager.core.sources.again(manager.parent_token);
    Ok(manager)
}
