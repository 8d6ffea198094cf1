//! The manager's side: what it relies on stands in its own memory, never in the shared one.

use crate::layout::{App, AppState, MAX_APPS, MAX_CHILDREN, MAX_PLACES, MAX_SLOTS};
use crate::memory::{AppRef, Scoreboard};
use crate::pool::Pool;
use crate::word::{ChildId, State, Word};
use std::ops::Range;
use std::sync::atomic::Ordering;

/// Where an application's slots and places lie, as the manager decided.
#[derive(Debug, Clone)]
struct Entry {
    generation: u32,
    slots: Range<usize>,
    places: Range<usize>,
    /// No longer in use, but a child may still hold a slot.
    closing: bool,
}

/// Who owns what in the scoreboard; there is one, in the manager.
#[derive(Debug)]
pub struct Ledger {
    board: Scoreboard,
    apps: Vec<Option<Entry>>,
    children: Vec<Option<u32>>,
}

impl Ledger {
    /// Takes over a scoreboard, also one that a manager which died has left: every entry is void, idle slots are
    /// freed, and leased ones go to nobody but their present owners, who may finish. Returned with it are the
    /// children (number and process id) that the memory names, whose numbers stay taken until
    /// [`Ledger::remove_child`].
    #[must_use]
    pub fn adopt(board: Scoreboard) -> (Ledger, Vec<(ChildId, u32)>) {
        let layout = board.layout();
        for app in &layout.apps {
            if AppState::from_bits(app.state.load(Ordering::Acquire)) != AppState::Gone {
                void(app);
            }
        }
        for word in &layout.words {
            let mut bits = word.load(Ordering::Acquire);
            loop {
                let seen = Word::from_bits(bits);
                let next = match seen.state {
                    State::Free | State::Closed => break,
                    State::Leased => Word { drain: true, ..seen },
                    State::Idle | State::Broken => Word::new(State::Free, seen.generation),
                };
                match word.compare_exchange(bits, next.bits(), Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => break,
                    Err(now) => bits = now,
                }
            }
        }
        let mut children = vec![None; MAX_CHILDREN];
        let mut found = Vec::new();
        for (number, (child, place)) in layout.children.iter().zip(&mut children).enumerate() {
            let pid = child.pid.load(Ordering::Acquire);
            if pid != 0 {
                *place = Some(pid);
                found.push((ChildId(u32::try_from(number).unwrap_or(u32::MAX)), pid));
            }
        }
        (Ledger { board, apps: vec![None; MAX_APPS], children }, found)
    }

    /// The shared memory, for reading.
    #[must_use]
    pub fn board(&self) -> &Scoreboard {
        &self.board
    }

    /// Gives a new httpd child its number; `None` where the table is full.
    pub fn add_child(&mut self, pid: u32) -> Option<ChildId> {
        let number = self.children.iter().position(Option::is_none)?;
        *self.children.get_mut(number)? = Some(pid);
        self.board.layout().children.get(number)?.pid.store(pid, Ordering::Release);
        u32::try_from(number).ok().map(ChildId)
    }

    /// Takes back everything that a child which has ended held, and its number. Returns the global indices of its
    /// leased slots, which are broken now.
    pub fn remove_child(&mut self, child: ChildId) -> Vec<u32> {
        let mut taken = Vec::new();
        for (index, entry) in self.apps.iter().enumerate() {
            let Some(entry) = entry else { continue };
            let Some(pool) = self.pool_of(index, entry) else { continue };
            let slots = pool.reclaim(child).into_iter().map(|slot| slot + entry.slots.start);
            taken.extend(slots.filter_map(|slot| u32::try_from(slot).ok()));
        }
        // Slots of entries that an earlier manager made: nobody offers them again before they are free.
        for word in &self.board.layout().words {
            let bits = word.load(Ordering::Acquire);
            let seen = Word::from_bits(bits);
            if seen.state == State::Leased && seen.owner == Some(child) {
                let free = Word::new(State::Free, seen.generation).bits();
                word.compare_exchange(bits, free, Ordering::AcqRel, Ordering::Relaxed).ok();
            }
        }
        let number = child.0 as usize;
        if let Some(place) = self.children.get_mut(number) {
            *place = None;
        }
        if let Some(shared) = self.board.layout().children.get(number) {
            shared.pid.store(0, Ordering::Release);
        }
        taken
    }

    /// Makes an entry with `slots` slots (all free) and `places` queue places, in state `Starting`.
    /// `None` where the scoreboard is full.
    pub fn open_app(&mut self, slots: usize, places: usize) -> Option<AppRef> {
        self.sweep();
        let index = self.apps.iter().position(Option::is_none)?;
        let used = |kind: fn(&Entry) -> &Range<usize>| {
            let mut used: Vec<_> = self.apps.iter().flatten().map(|entry| kind(entry).clone()).collect();
            used.sort_by_key(|range| range.start);
            used
        };
        let words = &self.board.layout().words;
        let slots = first_fit(&used(|entry| &entry.slots), slots, MAX_SLOTS, |slot| {
            // A lease from an earlier manager's time.
            words
                .get(slot)
                .is_some_and(|word| Word::from_bits(word.load(Ordering::Acquire)).state != State::Leased)
        })?;
        let places = first_fit(&used(|entry| &entry.places), places, MAX_PLACES, |_| true)?;
        let layout = self.board.layout();
        let app = layout.apps.get(index)?;
        for word in layout.words.get(slots.clone())? {
            let generation = Word::from_bits(word.load(Ordering::Acquire)).generation;
            word.store(Word::new(State::Free, generation).bits(), Ordering::Release);
        }
        for place in layout.places.get(places.clone())? {
            place.store(0, Ordering::Release);
        }
        for word in &app.waiting {
            word.store(0, Ordering::Release);
        }
        app.first_slot.store(u32::try_from(slots.start).ok()?, Ordering::Release);
        app.slots.store(u32::try_from(slots.len()).ok()?, Ordering::Release);
        app.first_place.store(u32::try_from(places.start).ok()?, Ordering::Release);
        app.places.store(u32::try_from(places.len()).ok()?, Ordering::Release);
        app.demand.store(0, Ordering::Release);
        app.retry_at_ms.store(0, Ordering::Release);
        app.state.store(AppState::Starting as u32, Ordering::Release);
        let generation = app.generation.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        *self.apps.get_mut(index)? = Some(Entry { generation, slots, places, closing: false });
        Some(AppRef { index: u32::try_from(index).ok()?, generation })
    }

    /// Makes an entry void: handles on it are refused, waiting requests end, its slots close as their leases end.
    pub fn close_app(&mut self, app: AppRef) {
        let Some(entry) = self.apps.get_mut(app.index as usize).and_then(Option::as_mut) else { return };
        if entry.generation != app.generation || entry.closing {
            return;
        }
        entry.closing = true;
        let entry = entry.clone();
        if let Some(shared) = self.board.layout().apps.get(app.index as usize) {
            void(shared);
        }
        if let Some(pool) = self.pool_of(app.index as usize, &entry) {
            for slot in 0..entry.slots.len() {
                pool.close(slot);
            }
        }
    }

    /// Sets what children see of an application and wakes all who wait for it. `retry_at_ms` matters for `Failed`.
    pub fn set_state(&self, app: AppRef, state: AppState, retry_at_ms: u64) {
        let Some((_, pool)) = self.entry(app) else { return };
        pool.app.retry_at_ms.store(retry_at_ms, Ordering::Release);
        pool.app.state.store(state as u32, Ordering::Release);
        pool.app.event.notify_all();
    }

    /// Lets children tell of their demand again, and says whether a request waits now.
    pub fn hear_demand(&self, app: AppRef) -> bool {
        let Some((_, pool)) = self.entry(app) else { return false };
        pool.app.demand.store(0, Ordering::SeqCst);
        pool.is_waiting()
    }

    /// Whether a request waits.
    #[must_use]
    pub fn is_waiting(&self, app: AppRef) -> bool {
        self.entry(app).is_some_and(|(_, pool)| pool.is_waiting())
    }

    /// Whether a slot is idle.
    #[must_use]
    pub fn has_idle(&self, app: AppRef) -> bool {
        self.entry(app).is_some_and(|(_, pool)| pool.has_idle())
    }

    /// The global indices of an application's slots.
    #[must_use]
    pub fn slots(&self, app: AppRef) -> Range<u32> {
        let range = self.entry(app).map_or(0..0, |(entry, _)| entry.slots.clone());
        u32::try_from(range.start).unwrap_or(0)..u32::try_from(range.end).unwrap_or(0)
    }

    /// Puts a slot into service with a new generation, which is returned, and wakes a waiting request. `None` where
    /// a child holds the slot or it is not the application's.
    pub fn offer(&self, app: AppRef, slot: u32) -> Option<u32> {
        let (pool, index) = self.place(app, slot)?;
        pool.offer(index)
    }

    /// The generation that [`Ledger::offer`] will give a slot.
    #[must_use]
    pub fn next_generation(&self, slot: u32) -> u32 {
        self.word(slot).generation.wrapping_add(1)
    }

    /// Takes a slot out of service. Returns `Closed` when it is out now, `Leased` when it will come back as
    /// `Returned(Drained)`, `Free` where no worker is behind it.
    pub fn close(&self, app: AppRef, slot: u32) -> Option<State> {
        let (pool, index) = self.place(app, slot)?;
        pool.close(index)
    }

    /// Takes a slot from whoever has it: its worker is gone.
    pub fn free(&self, app: AppRef, slot: u32) {
        if let Some((pool, index)) = self.place(app, slot) {
            pool.free(index);
        }
    }

    /// A slot's word now.
    #[must_use]
    pub fn word(&self, slot: u32) -> Word {
        let bits =
            self.board.layout().words.get(slot as usize).map_or(0, |word| word.load(Ordering::Acquire));
        Word::from_bits(bits)
    }

    /// Frees entries whose last lease has ended.
    fn sweep(&mut self) {
        let words = &self.board.layout().words;
        for place in &mut self.apps {
            let Some(entry) = place.as_ref().filter(|entry| entry.closing) else { continue };
            let held = words.get(entry.slots.clone()).is_some_and(|words| {
                words.iter().any(|word| Word::from_bits(word.load(Ordering::Acquire)).state == State::Leased)
            });
            if !held {
                *place = None;
            }
        }
    }

    fn entry(&self, app: AppRef) -> Option<(&Entry, Pool<'_>)> {
        let entry = self.apps.get(app.index as usize)?.as_ref()?;
        if entry.generation != app.generation || entry.closing {
            return None;
        }
        Some((entry, self.pool_of(app.index as usize, entry)?))
    }

    fn place(&self, app: AppRef, slot: u32) -> Option<(Pool<'_>, usize)> {
        let (entry, pool) = self.entry(app)?;
        let index = (slot as usize).checked_sub(entry.slots.start)?;
        (index < entry.slots.len()).then_some((pool, index))
    }

    /// An entry's pool by the manager's own numbers.
    fn pool_of(&self, index: usize, entry: &Entry) -> Option<Pool<'_>> {
        let layout = self.board.layout();
        Some(Pool {
            app: layout.apps.get(index)?,
            first_slot: u32::try_from(entry.slots.start).ok()?,
            words: layout.words.get(entry.slots.clone())?,
            places: layout.places.get(entry.places.clone())?,
            generation: entry.generation,
        })
    }
}

fn void(app: &App) {
    app.generation.fetch_add(1, Ordering::AcqRel);
    app.state.store(AppState::Gone as u32, Ordering::Release);
    app.event.notify_all();
}

/// The first gap of `count` between sorted ranges in `0..limit` of which every element is `usable`.
fn first_fit(
    used: &[Range<usize>],
    count: usize,
    limit: usize,
    usable: impl Fn(usize) -> bool,
) -> Option<Range<usize>> {
    let mut start = 0usize;
    let mut ranges = used.iter().peekable();
    'gap: loop {
        let end = start.checked_add(count).filter(|&end| end <= limit)?;
        while let Some(range) = ranges.peek() {
            if range.end <= start {
                ranges.next();
            } else if range.start < end {
                start = range.end;
                continue 'gap;
            } else {
                break;
            }
        }
        match (start..end).rev().find(|&element| !usable(element)) {
            Some(element) => start = element + 1,
            None => return Some(start..end),
        }
    }
}

#[cfg(test)]
#[path = "manager_tests.rs"]
mod tests;
