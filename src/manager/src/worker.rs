//! One worker: its process, its channel, its slots.

use crate::channel::Channel;
use crate::core::{Core, Now, Pace, Whose};
use crate::phase::{self, Act, Event, Phase};
use crate::sources::{AppId, Source, Sources};
use krait_protocol::control::{ManagerToWorker, ManagerToZygote};
use krait_scoreboard::Ledger;
use krait_scoreboard::memory::AppRef;
use krait_scoreboard::word::State;
use krait_sys::pidfd::Process;
use krait_sys::socket;
use mio::Token;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long one wait of the module on a slot lasts, so that it can look at the client in between.
const SLOT_TIMEOUT: Duration = Duration::from_millis(200);
/// What a slot's socket buffers for each direction.
const SLOT_BUFFER_BYTES: i32 = 1 << 20;

/// Room for one request at a time.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Index in the scoreboard.
    pub(crate) number: u32,
    /// The scoreboard's generation of this pair, once it was offered.
    pub(crate) generation: Option<u32>,
    /// The module's end.
    pub(crate) end: OwnedFd,
}

/// A process with its token in the event loop.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) pid: u32,
    process: Process,
    token: Token,
}

#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) number: u32,
    /// Which part of the application's slots is its own.
    pub(crate) seat: u32,
    pub(crate) channel: Channel,
    pub(crate) held: Option<Held>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) phase: Phase,
    /// When the phase is over.
    pub(crate) until: Option<Instant>,
    pub(crate) ready: Option<Now>,
    /// We told it to leave, so its end is no news.
    pub(crate) asked: bool,
    /// It has ended; until then its wait status may still come.
    pub(crate) gone: Option<Instant>,
}

/// What a worker needs of its application to act.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) entry: AppRef,
    pub(crate) pace: Pace,
    pub(crate) now: Now,
}

/// A slot's pair: the module's end and the worker's.
fn slot_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = socket::stream_pair()?;
    socket::set_timeouts(ours.as_fd(), SLOT_TIMEOUT, SLOT_TIMEOUT)?;
    socket::grow_send_buffer(ours.as_fd(), SLOT_BUFFER_BYTES);
    socket::grow_send_buffer(theirs.as_fd(), SLOT_BUFFER_BYTES);
    Ok((ours, theirs))
}

impl Worker {
    /// Makes a worker's sockets and has the zygote fork it.
    pub(crate) fn start(
        core: &mut Core,
        app: AppId,
        zygote: &Channel,
        number: u32,
        seat: u32,
        slots: Range<u32>,
        until: Instant,
    ) -> io::Result<Worker> {
        let (ours, theirs) = socket::packet_pair()?;
        socket::ask_credentials(ours.as_fd())?;
        socket::refuse_descriptors(ours.as_fd());
        let mut ends = Vec::new();
        let mut kept = Vec::new();
        for slot in slots {
            let (module, worker) = slot_pair()?;
            kept.push(Slot { number: slot, generation: None, end: module });
            ends.push(worker);
        }
        let channel = Channel::open(ours, &mut core.sources, Source::Worker(app, number))?;
        let descriptors: Vec<BorrowedFd<'_>> = [&theirs].into_iter().chain(&ends).map(AsFd::as_fd).collect();
        if let Err(error) = zygote.send(&ManagerToZygote::Fork { worker: number }, &descriptors) {
            channel.close(&mut core.sources);
            return Err(error);
        }
        Ok(Worker {
            number,
            seat,
            channel,
            held: None,
            slots: kept,
            phase: Phase::Starting,
            until: Some(until),
            ready: None,
            asked: false,
            gone: None,
        })
    }

    /// Whether it takes part in the application's life (as opposed to being about to leave, or gone).
    pub(crate) fn is_alive(&self) -> bool {
        self.gone.is_none() && matches!(self.phase, Phase::Starting | Phase::Serving)
    }

    pub(crate) fn is(&self, phase: Phase) -> bool {
        self.gone.is_none() && self.phase == phase
    }

    /// How log lines name it.
    pub(crate) fn title(&self) -> String {
        self.held.as_ref().map_or_else(|| format!("#{}", self.number), |held| held.pid.to_string())
    }

    /// Holds its process from now on.
    pub(crate) fn hold(&mut self, core: &mut Core, app: AppId, pid: u32, process: Process) -> io::Result<()> {
        let token = core.sources.add(process.as_fd(), Source::WorkerEnd(app, self.number))?;
        core.processes.insert(pid, Whose::Worker(app, self.number));
        self.held = Some(Held { pid, process, token });
        Ok(())
    }

    /// Something happened to it: goes on to the next phase and does what belongs to that.
    pub(crate) fn feed(&mut self, event: Event, around: Around<'_>) {
        let mut event = event;
        while self.gone.is_none() {
            let Some((phase, acts)) = phase::next(self.phase, event) else { return };
            self.phase = phase;
            self.until = match phase {
                Phase::Draining | Phase::Condemned | Phase::Stopping => Some(around.pace.grace),
                Phase::Terminating => Some(around.pace.term),
                Phase::Starting | Phase::Serving | Phase::Killing => None,
            }
            .map(|time| around.now.after(time));
            for act in acts {
                self.act(*act, around);
            }
            if matches!(phase, Phase::Draining | Phase::Condemned) && !self.is_leased(around.ledger) {
                event = Event::Unleased;
            } else if phase == Phase::Serving && self.slots.iter().any(|slot| slot.generation.is_none()) {
                event = Event::Broken;
            } else {
                return;
            }
        }
    }

    fn act(&mut self, act: Act, around: Around<'_>) {
        match act {
            Act::Offer => {
                self.ready = Some(around.now);
                for slot in &mut self.slots {
                    slot.generation = around.ledger.offer(around.entry, slot.number);
                }
            }
            Act::Close => {
                for slot in &self.slots {
                    around.ledger.close(around.entry, slot.number);
                }
            }
            Act::Stop => {
                self.asked = true;
                // If it does not read its channel the end of its slots tells it, and then the clock.
                drop(self.channel.send(&ManagerToWorker::Stop, &[]));
                self.shut_slots();
            }
            Act::Terminate => self.signal(libc::SIGTERM),
            Act::Kill => self.signal(libc::SIGKILL),
        }
    }

    fn signal(&mut self, signal: i32) {
        self.asked = true;
        match &self.held {
            // Only a process that has ended, or one that changed its user, cannot be signalled.
            Some(held) => drop(held.process.signal(signal)),
            // It has not told its number yet. The end of its channel ends it, and is how we learn that.
            None => self.channel.shut_down(),
        }
    }

    fn is_leased(&self, ledger: &Ledger) -> bool {
        self.slots.iter().any(|slot| ledger.word(slot.number).state == State::Leased)
    }

    /// Since when all its slots have been idle, monotonic milliseconds; `None` while one is not.
    pub(crate) fn idle_since(&self, ledger: &Ledger) -> Option<u64> {
        let mut since = self.ready?.ms;
        for slot in &self.slots {
            if ledger.word(slot.number).state != State::Idle {
                return None;
            }
            since = since.max(ledger.board().last_used_ms(slot.number));
        }
        Some(since)
    }

    /// Gives a slot a new pair and offers it.
    pub(crate) fn renew(&mut self, index: usize, around: Around<'_>) -> io::Result<()> {
        let Some(slot) = self.slots.get_mut(index) else { return Ok(()) };
        socket::shut_down(slot.end.as_fd());
        let (module, worker) = slot_pair()?;
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        self.channel.send(&ManagerToWorker::Slot { index: number }, &[worker.as_fd()])?;
        slot.end = module;
        slot.generation = around.ledger.offer(around.entry, slot.number);
        slot.generation.map(drop).ok_or_else(|| io::Error::other("the slot is held"))
    }

    /// Ends one slot for good.
    pub(crate) fn end_slot(&self, index: usize) {
        if let Some(slot) = self.slots.get(index) {
            socket::shut_down(slot.end.as_fd());
        }
    }

    fn shut_slots(&self) {
        for slot in &self.slots {
            socket::shut_down(slot.end.as_fd());
        }
    }

    /// It has ended: gives back what it had. The rest of it stays until its wait status comes, or `until`.
    pub(crate) fn bury(&mut self, around: Around<'_>, sources: &mut Sources, until: Instant) {
        self.gone = Some(until);
        self.until = None;
        for slot in &self.slots {
            around.ledger.free(around.entry, slot.number);
        }
        // Also for a copy that the application may have left with another process.
        self.shut_slots();
        self.slots.clear();
        self.channel.shut_down();
        if let Some(held) = &self.held {
            sources.remove(held.process.as_fd(), held.token);
            // If only its channel ended, so must the process.
            drop(held.process.signal(libc::SIGKILL));
        }
    }
}
