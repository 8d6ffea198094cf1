//! The event loop: one turn takes what has come and hands it to whom it concerns.

use crate::apps::Apps;
use crate::channel::PACKETS_PER_TURN;
use crate::children::Children;
use crate::core::{Core, Now, Pace, Whose};
use crate::log;
use crate::parent::{Parent, Told};
use crate::policy::Policy;
use crate::sources::Source;
use krait_config::AppSpec;
use krait_sys::descriptor;
use krait_sys::pidfd::Process;
use krait_sys::signal::Signals;
use krait_sys::wait::{self, Reaped};
use mio::Token;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// The longest time a stop may take before everything left is killed.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// The same when httpd is gone.
const HURRY_LIMIT: Duration = Duration::from_millis(4500);

/// Why the manager ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It was told to, or httpd has ended.
    Wished,
    /// httpd is of another version, or brought another scoreboard: a new manager is needed.
    Foreign,
}

#[derive(Debug)]
pub(crate) struct Manager {
    pub(crate) core: Core,
    pub(crate) signals: Signals,
    pub(crate) parent: Parent,
    pub(crate) parent_token: Token,
    /// Held so that its number stays the parent's; the event loop watches it.
    #[expect(dead_code, reason = "held, not used")]
    pub(crate) parent_end: Process,
    /// The scoreboard's file, to see whether a later policy brings another.
    pub(crate) scoreboard: (u64, u64),
    /// `None` until the first one is complete: children are not heard before.
    pub(crate) policy: Option<Policy>,
    pub(crate) children: Children,
    pub(crate) apps: Apps,
    pub(crate) stop: Option<Stop>,
}

/// A stop under way.
#[derive(Debug)]
pub(crate) struct Stop {
    end: End,
    limit: Instant,
}

impl Manager {
    /// Works until the end.
    ///
    /// # Errors
    /// Where the event loop itself fails.
    pub(crate) fn run(&mut self) -> io::Result<End> {
        loop {
            let limit = self.stop.as_ref().map(|stop| stop.limit);
            let until = [limit, self.apps.next_timer()].into_iter().flatten().min();
            let ready = self.core.sources.wait(until)?;
            let now = Now::read();
            for token in ready {
                if let Some(source) = self.core.sources.whose(token) {
                    self.turn(token, source, now);
                }
            }
            self.apps.settle_due(&mut self.core, now);
            if let Some(stop) = &self.stop
                && (self.apps.is_empty() || stop.limit <= now.instant)
            {
                return Ok(stop.end);
            }
        }
    }

    fn turn(&mut self, token: Token, source: Source, now: Now) {
        match source {
            Source::Signals => self.take_signals(now),
            Source::Parent => self.hear_parent(token, now),
            Source::ParentEnd => {
                log::notice(304, "httpd has ended, so everything ends");
                self.begin_stop(End::Wished, Pace::HURRY, HURRY_LIMIT, now);
            }
            Source::Child(key) => {
                if let Some(policy) = &self.policy {
                    self.children.readable(&mut self.core, &mut self.apps, policy, key, now);
                }
            }
            Source::FormerChild(key) => self.children.former_ended(&mut self.core, key),
            Source::Zygote(id, number) => {
                if let Some(app) = self.apps.get_mut(id) {
                    app.hear_zygote(&mut self.core, number, now);
                }
                self.apps.settle(&mut self.core, id, now);
            }
            Source::Worker(id, number) => {
                if let Some(app) = self.apps.get_mut(id) {
                    app.hear_worker(&mut self.core, number, now);
                }
                self.apps.settle(&mut self.core, id, now);
            }
            Source::WorkerEnd(id, number) => {
                if let Some(app) = self.apps.get_mut(id) {
                    app.worker_gone(&mut self.core, number, now);
                }
                self.apps.settle(&mut self.core, id, now);
            }
            Source::Output(id, number) => {
                if let Some(app) = self.apps.get_mut(id) {
                    app.printed(&mut self.core, number);
                }
            }
        }
    }

    fn take_signals(&mut self, now: Now) {
        while let Some(signal) = self.signals.next() {
            if signal == libc::SIGTERM {
                log::notice(305, "stopping, as SIGTERM asks");
                self.begin_stop(End::Wished, Pace::STOP, STOP_LIMIT, now);
            }
            // SIGCHLD: below, as one signal may stand for many. The others are only kept from ending us.
        }
        while let Ok(Reaped::Ended(pid, ending)) = wait::reap() {
            match self.core.processes.remove(&pid) {
                Some(Whose::Zygote(id, number)) => {
                    if let Some(app) = self.apps.get_mut(id) {
                        app.zygote_ended(&mut self.core, number, ending, now);
                    }
                    self.apps.settle(&mut self.core, id, now);
                }
                Some(Whose::Worker(id, number)) => {
                    if let Some(app) = self.apps.get_mut(id) {
                        app.worker_ended(&mut self.core, number, Some(ending), now);
                    }
                    self.apps.settle(&mut self.core, id, now);
                }
                // Something that an application left behind and that fell to us.
                None => {}
            }
        }
    }

    fn hear_parent(&mut self, token: Token, now: Now) {
        for _ in 0..PACKETS_PER_TURN {
            let told = self.parent.receive();
            match told {
                Told::Empty => return,
                Told::Closed => {
                    log::notice(306, "the channel with httpd has ended, so everything ends");
                    self.core.sources.remove(self.parent.fd(), self.parent_token);
                    self.begin_stop(End::Wished, Pace::HURRY, HURRY_LIMIT, now);
                    return;
                }
                other => self.told(other, now),
            }
        }
        self.core.sources.again(token);
    }

    /// A message on the parent's channel.
    pub(crate) fn told(&mut self, told: Told, now: Now) {
        match told {
            Told::Begin { scoreboard, error_log } => self.begin_policy(&scoreboard, &error_log, now),
            Told::InForce(policy) => self.enforce(policy, now),
            Told::Child { fd, pid } => self.children.add(&mut self.core, fd, pid),
            Told::Refused(what) => log::error(307, &format!("refused: {what}")),
            Told::Foreign(why) => {
                log::error(308, &format!("{why}; a new manager is needed, so this one ends"));
                self.begin_stop(End::Foreign, Pace::STOP, STOP_LIMIT, now);
            }
            Told::Nothing | Told::Empty | Told::Closed => {}
        }
    }

    fn begin_policy(&mut self, scoreboard: &OwnedFd, error_log: &OwnedFd, now: Now) {
        // The log may be another file now: httpd was told to open it anew.
        if let Err(error) = descriptor::copy_onto(error_log.as_fd(), 2) {
            log::error(309, &format!("the new error log cannot be used: {error}"));
        }
        if descriptor::file_of(scoreboard.as_fd()).ok() != Some(self.scoreboard) {
            log::error(314, "httpd brought another scoreboard; a new manager is needed, so this one ends");
            self.begin_stop(End::Foreign, Pace::STOP, STOP_LIMIT, now);
        }
    }

    /// A new policy: what it forbids drains, what it asks for starts, the rest goes on.
    pub(crate) fn enforce(&mut self, mut policy: Policy, now: Now) {
        for app in self.apps.iter_mut() {
            app.retire();
            if let Err(why) = policy.check_identity(app.identity()) {
                log::notice(315, &format!("application '{}' is ended: {why}", app.name()));
                app.leave();
            }
        }
        self.apps.forget_specs_of_leaving();
        for bytes in std::mem::take(&mut policy.prestarts) {
            if let Err(why) = self.prestart(&policy, bytes, now) {
                log::error(316, &format!("an application is not started with the server: {why}"));
            }
        }
        for id in self.apps.ids() {
            self.apps.settle(&mut self.core, id, now);
        }
        log::info(317, &format!("policy {} is in force", policy.generation));
        if self.policy.replace(policy).is_none() {
            self.children.hear_all(&mut self.core);
        }
    }

    fn prestart(&mut self, policy: &Policy, bytes: Vec<u8>, now: Now) -> Result<(), String> {
        let spec = AppSpec::decode(&bytes).map_err(|error| error.to_string())?;
        policy.check(&spec)?;
        let name = spec.plan.name.clone();
        let id = match self.apps.by_spec(&bytes) {
            Some(id) => id,
            None => self
                .apps
                .open(&mut self.core, bytes, spec, now)
                .ok_or_else(|| format!("there is no room for application '{name}'"))?,
        };
        if let Some(app) = self.apps.get_mut(id) {
            app.resolved(now);
        }
        Ok(())
    }

    /// Everything goes, at this pace; a more hurried wish comes through later.
    fn begin_stop(&mut self, end: End, pace: Pace, limit: Duration, now: Now) {
        self.core.stopping = true;
        self.core.pace = self.core.pace.min(pace);
        let limit = now.after(limit);
        match &mut self.stop {
            Some(stop) => stop.limit = stop.limit.min(limit),
            None => self.stop = Some(Stop { end, limit }),
        }
        for id in self.apps.ids() {
            if let Some(app) = self.apps.get_mut(id) {
                app.leave();
                app.hurry(&self.core, now);
            }
            self.apps.settle(&mut self.core, id, now);
        }
    }
}
