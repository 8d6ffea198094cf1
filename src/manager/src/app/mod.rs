//! One application: its zygote, its workers, and what children see of it.
//!
//! Everything that happens to an application changes a little state here and is followed by one [`App::settle`],
//! which does what has become due, hires and releases workers, and says when to look again. There is no other
//! place that decides.

mod death;
mod hear;
mod messages;
mod settle;
mod slots;
mod start;

use crate::backoff::Backoff;
use crate::core::{Core, Now, Pace};
use crate::journey::Journey;
use crate::output::Tail;
use crate::phase::{Event, Phase};
use crate::sources::AppId;
use crate::worker::{Around, Worker};
use crate::zygote::{Watched, Zygote};
use krait_config::AppSpec;
use krait_protocol::start::Identity;
use krait_scoreboard::Ledger;
use krait_scoreboard::layout::AppState;
use krait_scoreboard::memory::AppRef;
pub(crate) use settle::Settled;
use std::collections::BTreeMap;
use std::ops::Range;
use std::os::fd::AsFd;
use std::time::Instant;

/// A start under way: from krait-spawn to the first worker that is ready.
#[derive(Debug)]
struct Start {
    journey: Journey,
    deadline: Instant,
}

#[derive(Debug)]
pub(crate) struct App {
    pub(crate) id: AppId,
    /// Its entry in the scoreboard.
    pub(crate) entry: AppRef,
    /// Its slots there.
    pub(crate) slots: Range<u32>,
    pub(crate) spec: AppSpec,
    /// Workers that stand always.
    minimum: u32,
    /// Somebody asked for it since the last worker became ready or the last start failed.
    wanted: bool,
    /// It is to go.
    leaving: bool,
    /// The zygote that forks workers.
    current: Option<u32>,
    /// That one, and those on their way out.
    zygotes: BTreeMap<u32, Zygote>,
    next_zygote: u32,
    /// By zygote; lives on while a worker of it does.
    outputs: BTreeMap<u32, Watched>,
    tail: Tail,
    workers: BTreeMap<u32, Worker>,
    next_worker: u32,
    start: Option<Start>,
    backoff: Backoff,
    /// Nothing is started before this, after a failure.
    hold: Option<Instant>,
    /// Whether a zygote may import the application: not any more once that left threads.
    preload: bool,
    /// Until when a zygote without workers stays, in case the next request comes soon.
    linger: Option<Instant>,
    /// Whether children may tell of demand, because a worker could be hired.
    listens: bool,
    /// Not in the present configuration.
    retired: bool,
    /// Since when it has had no process.
    pub(crate) empty_since: Instant,
    shown: Option<(AppState, u64)>,
}

impl App {
    pub(crate) fn new(id: AppId, entry: AppRef, slots: Range<u32>, spec: AppSpec, now: Now) -> App {
        App {
            id,
            entry,
            slots,
            minimum: spec.processes_min,
            preload: spec.plan.preload,
            spec,
            wanted: true,
            leaving: false,
            current: None,
            zygotes: BTreeMap::new(),
            next_zygote: 0,
            outputs: BTreeMap::new(),
            tail: Tail::default(),
            workers: BTreeMap::new(),
            next_worker: 0,
            start: None,
            backoff: Backoff::default(),
            hold: None,
            linger: None,
            listens: false,
            retired: false,
            empty_since: now.instant,
            shown: None,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.spec.plan.name
    }

    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.spec.identity.as_ref()
    }

    /// A child asks for it: it should have a worker.
    pub(crate) fn want(&mut self) {
        if !self.workers.values().any(Worker::is_alive) {
            self.wanted = true;
        }
    }

    /// A child, or the server's configuration, names it: its minimum holds, and it should have a worker.
    pub(crate) fn resolved(&mut self, now: Now) {
        self.minimum = self.spec.processes_min;
        self.retired = false;
        if self.hold.is_none_or(|until| until <= now.instant) {
            self.want();
        }
    }

    /// httpd has a new configuration. Whether this application is in it shows when it is named again: until then it
    /// keeps no minimum, and one that had a minimum goes as soon as it is idle.
    pub(crate) fn retire(&mut self) {
        self.minimum = 0;
        self.retired = self.spec.processes_min > 0;
    }

    /// Whether a start is under way.
    pub(crate) fn is_starting(&self) -> bool {
        self.start.is_some() || self.workers.values().any(|worker| worker.is(Phase::Starting))
    }

    /// It goes: requests under way finish.
    pub(crate) fn leave(&mut self) {
        self.leaving = true;
        self.start = None;
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// No process of it is left, none is wanted, and no failure has to be remembered.
    pub(crate) fn may_be_forgotten(&self) -> bool {
        let empty = self.workers.is_empty() && self.zygotes.is_empty();
        empty && self.minimum == 0 && !self.wanted && self.start.is_none()
    }

    /// Gives up what the event loop holds of it.
    pub(crate) fn close(&mut self, core: &mut Core) {
        for watched in std::mem::take(&mut self.outputs).into_values() {
            core.sources.remove(watched.output.as_fd(), watched.token);
        }
    }

    /// Whoever is on the way out gets no more time than the new pace allows.
    pub(crate) fn hurry(&mut self, core: &Core, now: Now) {
        let grace = now.after(core.pace.grace);
        let term = now.after(core.pace.term);
        for worker in self.workers.values_mut() {
            let bound = if worker.phase == Phase::Terminating { term } else { grace };
            worker.until = worker.until.map(|until| until.min(bound));
        }
        for zygote in self.zygotes.values_mut() {
            zygote.kill_at = zygote.kill_at.map(|at| at.min(term));
        }
    }

    /// Ends whatever is left of it at once.
    pub(crate) fn kill(&mut self, core: &Core, now: Now) {
        for zygote in self.zygotes.values() {
            zygote.kill_group();
        }
        for number in self.numbers(|_| true) {
            self.feed(core, number, Event::Timeout, now);
            self.feed(core, number, Event::Timeout, now);
        }
    }

    fn around<'a>(&self, ledger: &'a Ledger, mut pace: Pace, now: Now) -> Around<'a> {
        pace.grace = pace.grace.min(self.spec.grace_timeout);
        Around { ledger, entry: self.entry, pace, now }
    }

    /// Tells a worker what happened to it.
    fn feed(&mut self, core: &Core, number: u32, event: Event, now: Now) {
        let around = self.around(&core.ledger, core.pace, now);
        if let Some(worker) = self.workers.get_mut(&number) {
            worker.feed(event, around);
        }
    }

    /// Numbers of the workers that are so.
    fn numbers(&self, is: impl Fn(&Worker) -> bool) -> Vec<u32> {
        self.workers.values().filter(|worker| is(worker)).map(|worker| worker.number).collect()
    }

    fn count(&self, is: impl Fn(&Worker) -> bool) -> u32 {
        u32::try_from(self.workers.values().filter(|worker| is(worker)).count()).unwrap_or(u32::MAX)
    }

    fn serves(&self) -> bool {
        self.workers.values().any(|worker| worker.is(Phase::Serving))
    }

    fn zygote(&self) -> Option<&Zygote> {
        self.zygotes.get(&self.current?)
    }
}
