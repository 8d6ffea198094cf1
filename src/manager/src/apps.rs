//! All applications, found by what other processes know them by.

use crate::app::{App, Settled};
use crate::core::{Core, Now};
use crate::sources::AppId;
use krait_config::AppSpec;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

/// The table of applications, and when each wants to be looked at again.
#[derive(Debug, Default)]
pub(crate) struct Apps {
    table: BTreeMap<AppId, App>,
    by_spec: HashMap<Vec<u8>, AppId>,
    by_entry: HashMap<(u32, u32), AppId>,
    by_first_slot: BTreeMap<u32, AppId>,
    timers: BTreeSet<(Instant, AppId)>,
    set_for: HashMap<AppId, Instant>,
    next: u64,
}

impl Apps {
    pub(crate) fn get_mut(&mut self, id: AppId) -> Option<&mut App> {
        self.table.get_mut(&id)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut App> {
        self.table.values_mut()
    }

    pub(crate) fn ids(&self) -> Vec<AppId> {
        self.table.keys().copied().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(crate) fn by_spec(&self, spec: &[u8]) -> Option<AppId> {
        self.by_spec.get(spec).copied()
    }

    pub(crate) fn by_entry(&self, index: u32, generation: u32) -> Option<AppId> {
        self.by_entry.get(&(index, generation)).copied()
    }

    pub(crate) fn by_slot(&self, slot: u32) -> Option<AppId> {
        let (_, id) = self.by_first_slot.range(..=slot).next_back()?;
        self.table.get(id).filter(|app| app.slots.contains(&slot)).map(|app| app.id)
    }

    /// A new application; `None` where the scoreboard has no room, not even after those without a process gave way.
    pub(crate) fn open(&mut self, core: &mut Core, bytes: Vec<u8>, spec: AppSpec, now: Now) -> Option<AppId> {
        let slots = usize::try_from(spec.slots()).unwrap_or(usize::MAX);
        let places = usize::try_from(spec.queue).unwrap_or(usize::MAX);
        let entry = loop {
            match core.ledger.open_app(slots, places) {
                Some(entry) => break entry,
                None => {
                    let oldest = self.longest_empty()?;
                    self.remove(core, oldest);
                }
            }
        };
        let id = AppId(self.next);
        self.next += 1;
        let slots = core.ledger.slots(entry);
        self.by_spec.insert(bytes, id);
        self.by_entry.insert((entry.index, entry.generation), id);
        self.by_first_slot.insert(slots.start, id);
        self.table.insert(id, App::new(id, entry, slots, spec, now));
        Some(id)
    }

    /// The application that has been without a process for the longest time and that nobody needs.
    fn longest_empty(&self) -> Option<AppId> {
        let spare = self.table.values().filter(|app| app.may_be_forgotten());
        spare.min_by_key(|app| app.empty_since).map(|app| app.id)
    }

    fn remove(&mut self, core: &mut Core, id: AppId) {
        let Some(mut app) = self.table.remove(&id) else { return };
        app.close(core);
        core.ledger.close_app(app.entry);
        self.by_spec.retain(|_, known| *known != id);
        self.by_entry.remove(&(app.entry.index, app.entry.generation));
        self.by_first_slot.remove(&app.slots.start);
        self.set_timer(id, None);
    }

    /// Applications on their way out are not found any more: who may run again later starts anew.
    pub(crate) fn forget_specs_of_leaving(&mut self) {
        let table = &self.table;
        self.by_spec.retain(|_, id| table.get(id).is_some_and(|app| !app.is_leaving()));
    }

    fn set_timer(&mut self, id: AppId, at: Option<Instant>) {
        if let Some(before) = self.set_for.remove(&id) {
            self.timers.remove(&(before, id));
        }
        if let Some(at) = at {
            self.set_for.insert(id, at);
            self.timers.insert((at, id));
        }
    }

    /// To be called after anything happened to an application.
    pub(crate) fn settle(&mut self, core: &mut Core, id: AppId, now: Now) {
        let Some(app) = self.table.get_mut(&id) else { return };
        match app.settle(core, now) {
            Settled::Until(at) => self.set_timer(id, at),
            Settled::Gone => self.remove(core, id),
        }
    }

    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Settles those whose time has come.
    pub(crate) fn settle_due(&mut self, core: &mut Core, now: Now) {
        let due: Vec<AppId> =
            self.timers.iter().take_while(|(at, _)| *at <= now.instant).map(|(_, id)| *id).collect();
        for id in due {
            self.settle(core, id, now);
        }
    }
}
