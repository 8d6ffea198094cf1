//! Leases and the queue of one application: the only code that children run on the shared memory.
//!
//! Who gives a slot back looks whether somebody waits *after* the slot is idle; who waits looks for an idle slot
//! *after* its waiting shows. With a sequentially consistent fence between the two steps on each side, at least one
//! of them sees the other, so nobody sleeps while a slot is idle.

use crate::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use crate::layout::{App, AppState, WAITING_WORDS};
use crate::word::{ChildId, State, Word};
use std::time::{Duration, Instant};

/// A sleep in the queue ends after this time at the latest and looks again: so a waker that died between giving a
/// slot back and waking costs no more than this.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// A slot in use by one request.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a lease that is not given back is lost until its child ends"]
pub struct Lease {
    /// Index among the application's slots.
    pub index: usize,
    /// The socketpair's generation.
    pub generation: u32,
}

/// A place in the queue.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a place that is not left is lost until its child ends"]
pub struct Place(usize);

/// What a try to lease a slot came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Claim {
    /// Here it is.
    Leased(Lease),
    /// No slot is idle.
    Busy,
    /// The entry belongs to another application by now.
    Gone,
}

/// What giving a lease back came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// The slot is idle again.
    Idle,
    /// The manager wants the slot; tell it.
    Drained,
    /// The slot was taken from us meanwhile (its worker died); nothing to do.
    Lost,
}

/// How waiting for a slot ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Waited {
    /// A slot was leased.
    Leased(Lease),
    /// Every place in the queue is taken.
    QueueFull,
    /// The deadline passed.
    TimedOut,
    /// The application cannot start.
    Failed,
    /// The entry belongs to another application by now.
    Gone,
}

/// One application's part of the scoreboard.
#[derive(Debug, Clone, Copy)]
pub struct Pool<'a> {
    pub(crate) app: &'a App,
    pub(crate) first_slot: u32,
    pub(crate) words: &'a [AtomicU64],
    pub(crate) places: &'a [AtomicU32],
    /// The entry's generation that the holder was given.
    pub(crate) generation: u32,
}

impl Pool<'_> {
    /// Tries to lease an idle slot, the lowest index first, so that hot workers stay hot and the others can leave.
    pub fn claim(&self, owner: ChildId) -> Claim {
        if !self.is_current() {
            return Claim::Gone;
        }
        for (index, word) in self.words.iter().enumerate() {
            let bits = word.load(Ordering::Relaxed);
            let seen = Word::from_bits(bits);
            if seen.state != State::Idle {
                continue;
            }
            let leased = Word::leased(owner, seen.generation).bits();
            if word.compare_exchange(bits, leased, Ordering::AcqRel, Ordering::Relaxed).is_err() {
                continue;
            }
            // The range may have passed to another application between the first look and the swap. Once leased it
            // cannot pass on, so this look is final.
            if !self.is_current() {
                self.release(owner, &Lease { index, generation: seen.generation });
                return Claim::Gone;
            }
            return Claim::Leased(Lease { index, generation: seen.generation });
        }
        Claim::Busy
    }

    /// The slot's global number, which control messages and [`crate::Scoreboard::note_start`] use.
    #[must_use]
    pub fn slot_number(&self, lease: &Lease) -> u32 {
        u32::try_from(lease.index).map_or(u32::MAX, |index| self.first_slot.saturating_add(index))
    }

    /// Gives a lease back: to the next request, or to the manager where it asked.
    pub fn release(&self, owner: ChildId, lease: &Lease) -> Released {
        self.end(owner, lease, State::Idle)
    }

    /// Gives a lease back whose socketpair is of no more use. The manager must be told unless it is `Lost`.
    pub fn spoil(&self, owner: ChildId, lease: &Lease) -> Released {
        match self.end(owner, lease, State::Broken) {
            Released::Idle => Released::Drained,
            other => other,
        }
    }

    fn end(&self, owner: ChildId, lease: &Lease, next: State) -> Released {
        let Some(word) = self.words.get(lease.index) else { return Released::Lost };
        let plain = Word::leased(owner, lease.generation);
        let free = Word::new(next, lease.generation).bits();
        if word.compare_exchange(plain.bits(), free, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            if next == State::Idle {
                self.wake_one_if_waiting();
            }
            return Released::Idle;
        }
        let drained = Word { drain: true, ..plain };
        let next = if next == State::Idle { State::Closed } else { next };
        let closed = Word::new(next, lease.generation).bits();
        match word.compare_exchange(drained.bits(), closed, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => Released::Drained,
            Err(_) => Released::Lost,
        }
    }

    /// Leases a slot, waiting in the queue until `deadline` if need be. `on_wait` is called before each sleep, to
    /// tell the manager of the demand.
    pub fn wait(&self, owner: ChildId, deadline: Instant, mut on_wait: impl FnMut()) -> Waited {
        let Some(place) = self.enter(owner) else {
            return if self.is_current() { Waited::QueueFull } else { Waited::Gone };
        };
        let result = loop {
            let seen = self.app.event.seen();
            match self.claim(owner) {
                Claim::Leased(lease) => break Waited::Leased(lease),
                Claim::Gone => break Waited::Gone,
                Claim::Busy => {}
            }
            if self.state() == AppState::Failed {
                break Waited::Failed;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break Waited::TimedOut;
            }
            on_wait();
            self.app.event.wait(seen, left.min(LOOK_AGAIN));
        };
        self.leave(owner, &place);
        if !matches!(result, Waited::Leased(_)) && self.has_idle() {
            // The wake-up meant for us must not end with us.
            self.wake_one_if_waiting();
        }
        result
    }

    /// Takes a place in the queue.
    pub(crate) fn enter(&self, owner: ChildId) -> Option<Place> {
        if !self.is_current() {
            return None;
        }
        let mine = owner.0 + 1;
        for (index, place) in self.places.iter().enumerate().take(WAITING_WORDS * 64) {
            if place.load(Ordering::Relaxed) == 0
                && place.compare_exchange(0, mine, Ordering::AcqRel, Ordering::Relaxed).is_ok()
            {
                self.app.waiting[index / 64].fetch_or(1u64 << (index % 64), Ordering::AcqRel);
                fence(Ordering::SeqCst);
                return Some(Place(index));
            }
        }
        None
    }

    /// Leaves a place in the queue.
    pub(crate) fn leave(&self, owner: ChildId, place: &Place) {
        self.app.waiting[place.0 / 64].fetch_and(!(1u64 << (place.0 % 64)), Ordering::AcqRel);
        if let Some(word) = self.places.get(place.0) {
            // Lost only where the manager took the place back from a child it believed dead.
            let mine = owner.0 + 1;
            word.compare_exchange(mine, 0, Ordering::AcqRel, Ordering::Relaxed).ok();
        }
    }

    /// Whether a request waits in the queue.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        let words = self.places.len().div_ceil(64).min(WAITING_WORDS);
        self.app.waiting[..words].iter().any(|word| word.load(Ordering::Acquire) != 0)
    }

    /// Whether a slot is idle.
    #[must_use]
    pub fn has_idle(&self) -> bool {
        self.words.iter().any(|word| Word::from_bits(word.load(Ordering::Acquire)).state == State::Idle)
    }

    /// The application's state.
    #[must_use]
    pub fn state(&self) -> AppState {
        AppState::from_bits(self.app.state.load(Ordering::Acquire))
    }

    /// When a failed start will be tried again, monotonic milliseconds.
    #[must_use]
    pub fn retry_at_ms(&self) -> u64 {
        self.app.retry_at_ms.load(Ordering::Acquire)
    }

    /// Whether it is ours to tell the manager of the demand: once until [`crate::Ledger::hear_demand`].
    #[must_use]
    pub fn may_tell_demand(&self) -> bool {
        self.app.demand.load(Ordering::Relaxed) == 0
            && self.app.demand.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Whether the entry still belongs to the application this pool was made for.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.app.generation.load(Ordering::Acquire) == self.generation
    }

    fn wake_one_if_waiting(&self) {
        fence(Ordering::SeqCst);
        if self.is_waiting() {
            self.app.event.notify_one();
        }
    }

    // What follows is the manager's.

    /// Makes a slot idle with a new generation; `None` where a child holds it.
    pub(crate) fn offer(&self, index: usize) -> Option<u32> {
        let word = self.words.get(index)?;
        let bits = word.load(Ordering::Acquire);
        let seen = Word::from_bits(bits);
        if matches!(seen.state, State::Idle | State::Leased) {
            return None;
        }
        let generation = seen.generation.wrapping_add(1);
        let idle = Word::new(State::Idle, generation).bits();
        word.compare_exchange(bits, idle, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        self.wake_one_if_waiting();
        Some(generation)
    }

    /// Takes a slot out of use: at once when nobody holds it, else at the end of its lease.
    pub(crate) fn close(&self, index: usize) -> Option<State> {
        let word = self.words.get(index)?;
        let mut bits = word.load(Ordering::Acquire);
        loop {
            let seen = Word::from_bits(bits);
            let next = match seen.state {
                State::Leased => Word { drain: true, ..seen },
                State::Idle | State::Broken => Word::new(State::Closed, seen.generation),
                State::Free | State::Closed => return Some(seen.state),
            };
            match word.compare_exchange(bits, next.bits(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(next.state),
                Err(now) => bits = now,
            }
        }
    }

    /// Takes a slot from whoever has it: its worker is gone.
    pub(crate) fn free(&self, index: usize) {
        let Some(word) = self.words.get(index) else { return };
        let mut bits = word.load(Ordering::Acquire);
        loop {
            let free = Word::new(State::Free, Word::from_bits(bits).generation).bits();
            match word.compare_exchange(bits, free, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(now) => bits = now,
            }
        }
    }

    /// Takes back what a child that has ended held; returns the slots, now broken.
    pub(crate) fn reclaim(&self, child: ChildId) -> Vec<usize> {
        let mut taken = Vec::new();
        for (index, word) in self.words.iter().enumerate() {
            let bits = word.load(Ordering::Acquire);
            let seen = Word::from_bits(bits);
            if seen.state != State::Leased || seen.owner != Some(child) {
                continue;
            }
            let broken = Word::new(State::Broken, seen.generation).bits();
            // Nobody else changes a dead child's lease, so this only fails where the word is not that any more.
            if word.compare_exchange(bits, broken, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                taken.push(index);
            }
        }
        for (index, place) in self.places.iter().enumerate() {
            if place.load(Ordering::Acquire) == child.0 + 1 {
                self.leave(child, &Place(index));
            }
        }
        // A dead child may have given back a slot, or been woken, and not come to pass that on.
        if self.has_idle() {
            self.wake_one_if_waiting();
        }
        taken
    }
}

#[cfg(all(test, loom))]
#[path = "loom_tests.rs"]
mod tests;
