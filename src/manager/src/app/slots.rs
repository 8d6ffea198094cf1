//! Slots in use: handed to children, given back, taken back.

use super::App;
use crate::core::{Core, Now};
use crate::log;
use crate::phase::{Event, Phase};
use krait_protocol::control::ReturnReason;
use krait_scoreboard::word::State;
use std::os::fd::{AsFd, BorrowedFd};

impl App {
    /// The module's end of a slot, where it still has this generation.
    pub(crate) fn fetch(&self, slot: u32, generation: u32) -> Option<BorrowedFd<'_>> {
        self.workers
            .values()
            .flat_map(|worker| &worker.slots)
            .find(|known| known.number == slot && known.generation == Some(generation))
            .map(|slot| slot.end.as_fd())
    }

    /// The worker behind a slot, and which of its slots it is.
    fn behind(&self, slot: u32, generation: Option<u32>) -> Option<(u32, usize)> {
        self.workers.values().find_map(|worker| {
            let index = worker.slots.iter().position(|known| {
                known.number == slot && (generation.is_none() || known.generation == generation)
            })?;
            Some((worker.number, index))
        })
    }

    /// A child gave a slot back that is not idle.
    pub(crate) fn returned(
        &mut self,
        core: &Core,
        slot: u32,
        generation: u32,
        reason: ReturnReason,
        now: Now,
    ) {
        // The worker may be gone by now.
        let Some((number, index)) = self.behind(slot, Some(generation)) else { return };
        let word = core.ledger.word(slot);
        if word.generation != generation || !matches!(word.state, State::Broken | State::Closed) {
            // The scoreboard says otherwise: the slot is still somebody's, or was given anew.
            return;
        }
        let title = self.workers.get(&number).map(|worker| worker.title()).unwrap_or_default();
        match reason {
            ReturnReason::Drained | ReturnReason::Aborted => self.renew(core, number, index, now),
            ReturnReason::WorkerGone => {
                self.feed(core, number, Event::Broken, now);
                // It went by itself: how is worth a line, once that is known.
                if let Some(worker) = self.workers.get_mut(&number) {
                    worker.asked = false;
                }
            }
            ReturnReason::Protocol => {
                log::error(
                    350,
                    &format!("worker {title} of application '{}' sent nonsense and is ended", self.name()),
                );
                self.feed(core, number, Event::Broken, now);
            }
            ReturnReason::Deadline => {
                log::error(
                    351,
                    &format!(
                        "a request to application '{}' passed its time limit; worker {title}, still busy with it, is \
                         ended; look at what the request does, or raise KraitRequestTimeout",
                        self.name()
                    ),
                );
                self.feed(core, number, Event::Runaway, now);
            }
        }
        self.unleased(core, number, now);
    }

    /// A child that ended had leased this slot; it is broken now.
    pub(crate) fn reclaimed(&mut self, core: &Core, slot: u32, now: Now) {
        if let Some((number, index)) = self.behind(slot, None) {
            self.renew(core, number, index, now);
            self.unleased(core, number, now);
        }
    }

    /// A new pair for a slot, where its worker goes on.
    fn renew(&mut self, core: &Core, number: u32, index: usize, now: Now) {
        let around = self.around(&core.ledger, core.pace, now);
        let Some(worker) = self.workers.get_mut(&number) else { return };
        if !worker.is(Phase::Serving) {
            // Nobody will lease it again; the worker learns that the request has no reader any more.
            worker.end_slot(index);
            return;
        }
        if let Err(error) = worker.renew(index, around) {
            self.break_worker(core, number, &format!("it does not take a new slot: {error}"), now);
        }
    }

    /// Goes on with a worker on its way out whose last request may have ended.
    fn unleased(&mut self, core: &Core, number: u32, now: Now) {
        let leased = self.workers.get(&number).is_some_and(|worker| {
            worker.slots.iter().any(|slot| core.ledger.word(slot.number).state == State::Leased)
        });
        if !leased {
            self.feed(core, number, Event::Unleased, now);
        }
    }
}
