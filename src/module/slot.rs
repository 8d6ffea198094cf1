//! Slots: leasing one, its descriptor, and giving it back whatever happens.

use crate::apps::Handle;
use crate::child::Child;
use crate::failure::{Failure, no_manager};
use krait_protocol::control::{ChildToManager, ManagerToChild, ReturnReason};
use krait_scoreboard::layout::{AppState, MAX_SLOTS};
use krait_scoreboard::memory::AppRef;
use krait_scoreboard::pool::{Claim, Lease, Pool, Released, Waited};
use krait_scoreboard::word::ChildId;
use krait_sys::{clock, socket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The module's ends of slots, fetched from the manager once per generation. Whoever leases a slot has its entry to
/// himself, so the locks are never waited for.
#[derive(Debug)]
pub(crate) struct Slots {
    ends: Vec<Mutex<Option<(u32, OwnedFd)>>>,
}

impl Slots {
    pub(crate) fn new() -> Self {
        Slots { ends: (0..MAX_SLOTS).map(|_| Mutex::new(None)).collect() }
    }
}

/// A slot in use by this request. Dropped without [`Leased::finish`], it is broken: the worker sees its end closed,
/// and the manager makes a new pair.
#[derive(Debug)]
pub(crate) struct Leased<'c> {
    child: &'c Child,
    pool: Pool<'c>,
    owner: ChildId,
    lease: Option<Lease>,
    number: u32,
    generation: u32,
    end: Option<OwnedFd>,
    /// Why it is broken, should it be dropped.
    pub(crate) reason: ReturnReason,
}

/// A failed start is known at once; only the manager's own deadline plus this margin bounds the wait for a start.
const START_MARGIN: Duration = Duration::from_secs(5);
/// How often a request tries again after it met an entry that had changed hands, or a slot that was gone.
const TRIES: usize = 4;

/// Leases a slot of an application, waiting for one if need be.
pub(crate) fn lease<'c>(child: &'c Child, app: &Handle) -> Result<Leased<'c>, Failure> {
    let mut place = app.place(&child.channel)?;
    let mut has_started = place.is_starting;
    for _ in 0..TRIES {
        let owner = child.channel.child().map_err(|error| no_manager(&error))?;
        let Some(pool) = child.board.pool(place.app) else {
            app.forget(place.app);
            place = app.place(&child.channel)?;
            continue;
        };
        let lease = match pool.claim(owner) {
            Claim::Leased(lease) => Some(lease),
            Claim::Gone => None,
            Claim::Busy if pool.state() == AppState::Failed => {
                let left = pool.retry_at_ms().saturating_sub(clock::monotonic_ms());
                if has_started {
                    return Err(Failure::StartFailed);
                } else if left > 0 {
                    return Err(Failure::BackingOff(Duration::from_millis(left)));
                }
                place = app.resolve(&child.channel)?;
                has_started = place.is_starting;
                continue;
            }
            Claim::Busy => wait(child, app, place.app, &pool, owner)?,
        };
        let Some(lease) = lease else {
            app.forget(place.app);
            place = app.place(&child.channel)?;
            has_started |= place.is_starting;
            continue;
        };
        let mut leased = Leased {
            child,
            pool,
            owner,
            number: pool.slot_number(&lease),
            generation: lease.generation,
            lease: Some(lease),
            end: None,
            reason: ReturnReason::WorkerGone,
        };
        if leased.open()? {
            child.board.note_start(leased.number, clock::monotonic_ms());
            return Ok(leased);
        }
    }
    Err(Failure::NoManager(
        "its place in the scoreboard changes hands all the time; see the manager's lines".to_owned(),
    ))
}

/// Waits in the queue; `None` where the entry has changed hands meanwhile.
fn wait(
    child: &Child,
    app: &Handle,
    place: AppRef,
    pool: &Pool<'_>,
    owner: ChildId,
) -> Result<Option<Lease>, Failure> {
    let time = if pool.state() == AppState::Starting {
        app.rules.start_timeout + START_MARGIN
    } else {
        app.rules.queue_timeout
    };
    let demand = ChildToManager::Demand { app: place.index, generation: place.generation };
    let tell = || {
        if pool.may_tell_demand() {
            child.channel.tell(&demand);
        }
    };
    match pool.wait(owner, Instant::now() + time, tell) {
        Waited::Leased(lease) => Ok(Some(lease)),
        Waited::QueueFull => Err(Failure::QueueFull),
        Waited::TimedOut => Err(Failure::QueueTimeout(time)),
        Waited::Failed => Err(Failure::StartFailed),
        Waited::Gone => Ok(None),
    }
}

impl Leased<'_> {
    /// Gets the slot's descriptor: the one used before, or from the manager. `false` where the slot is gone.
    fn open(&mut self) -> Result<bool, Failure> {
        let index = self.number as usize;
        let Some(place) = self.child.slots.ends.get(index) else { return Ok(false) };
        let known = place.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((generation, end)) = known
            && generation == self.generation
        {
            self.end = Some(end);
            return Ok(true);
        }
        let question = ChildToManager::FetchSlot { slot: self.number, generation: self.generation };
        match self.child.channel.ask(&question) {
            Ok((ManagerToChild::Slot, Some(end))) => {
                self.end = Some(end);
                Ok(true)
            }
            Ok(_) => Ok(false),
            Err(error) => {
                // The worker is well; only the way to it is missing. Whoever knows the way may use it.
                self.give_back();
                Err(no_manager(&error))
            }
        }
    }

    /// The module's end of the slot.
    pub(crate) fn end(&self) -> Option<BorrowedFd<'_>> {
        self.end.as_ref().map(AsFd::as_fd)
    }

    /// The answer is complete: the slot is free for the next request.
    pub(crate) fn finish(mut self) {
        // Kept for the next time before anybody else can lease the slot.
        if let (Some(end), Some(place)) = (self.end.take(), self.child.slots.ends.get(self.number as usize)) {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some((self.generation, end));
        }
        self.child.board.note_end(self.number, clock::monotonic_ms());
        self.give_back();
    }

    fn give_back(&mut self) {
        if let Some(lease) = self.lease.take()
            && self.pool.release(self.owner, &lease) == Released::Drained
        {
            self.tell(ReturnReason::Drained);
        }
    }

    fn tell(&self, reason: ReturnReason) {
        self.child.channel.tell(&ChildToManager::Returned {
            slot: self.number,
            generation: self.generation,
            reason,
        });
    }
}

impl Drop for Leased<'_> {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        if let Some(end) = self.end.take() {
            socket::shut_down(end.as_fd());
        }
        self.child.board.note_end(self.number, clock::monotonic_ms());
        if self.pool.spoil(self.owner, &lease) != Released::Lost {
            self.tell(self.reason);
        }
    }
}
