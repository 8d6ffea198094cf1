//! The httpd children: their questions and their leases.

use crate::apps::Apps;
use crate::channel::{Channel, Incoming, PACKETS_PER_TURN, Packet};
use crate::core::{Core, Now};
use crate::log;
use crate::policy::Policy;
use crate::sources::Source;
use krait_config::AppSpec;
use krait_protocol::control::{self, ChildToManager, ManagerToChild};
use krait_protocol::limits::VERSION;
use krait_scoreboard::word::ChildId;
use krait_sys::pidfd::Process;
use krait_sys::{process, socket};
use mio::Token;
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};

/// Most channels at a time; httpd has fewer children.
const MAX_CHANNELS: usize = 8192;

#[derive(Debug)]
struct Child {
    channel: Channel,
    pid: u32,
    id: Option<ChildId>,
}

/// A child that an earlier manager served. It may still hold leases under its old number.
#[derive(Debug)]
struct Former {
    id: ChildId,
    process: Process,
    token: Token,
}

#[derive(Debug, Default)]
pub(crate) struct Children {
    table: HashMap<u32, Child>,
    former: HashMap<u32, Former>,
    next: u32,
}

impl Children {
    /// A new child's channel; `pid` is who sent it.
    pub(crate) fn add(&mut self, core: &mut Core, fd: OwnedFd, pid: u32) {
        if self.table.len() >= MAX_CHANNELS {
            log::error(
                360,
                &format!("httpd child {pid} is refused: there are {MAX_CHANNELS} channels already"),
            );
            return;
        }
        socket::refuse_descriptors(fd.as_fd());
        let key = self.next;
        self.next = key.wrapping_add(1);
        match Channel::open(fd, &mut core.sources, Source::Child(key)) {
            Ok(channel) => {
                self.table.insert(key, Child { channel, pid, id: None });
            }
            Err(error) => log::error(361, &format!("httpd child {pid} cannot be served: {error}")),
        }
    }

    /// Watches the children that the scoreboard names from an earlier manager's time: what they hold is theirs until
    /// they end.
    pub(crate) fn adopt(&mut self, core: &mut Core, found: Vec<(ChildId, u32)>) {
        for (id, pid) in found {
            let ours = process::relations(pid)
                .is_ok_and(|relations| relations.parent == std::os::unix::process::parent_id());
            let process = Process::open(pid).ok().filter(|process| ours && !process.has_ended());
            let watched = process.and_then(|process| {
                let token = core.sources.add(process.as_fd(), Source::FormerChild(id.0)).ok()?;
                Some(Former { id, process, token })
            });
            match watched {
                Some(former) => {
                    self.former.insert(id.0, former);
                }
                None => drop(core.ledger.remove_child(id)),
            }
        }
    }

    /// A child from an earlier manager's time has ended.
    pub(crate) fn former_ended(&mut self, core: &mut Core, key: u32) {
        if let Some(former) = self.former.remove(&key) {
            core.sources.remove(former.process.as_fd(), former.token);
            // Its leases were of entries that nobody has any more.
            drop(core.ledger.remove_child(former.id));
        }
    }

    /// Reads every channel: what came before the first policy has waited.
    pub(crate) fn hear_all(&self, core: &mut Core) {
        for child in self.table.values() {
            core.sources.again(child.channel.token());
        }
    }

    /// A child's channel is readable.
    pub(crate) fn readable(&mut self, core: &mut Core, apps: &mut Apps, policy: &Policy, key: u32, now: Now) {
        for _ in 0..PACKETS_PER_TURN {
            let Some(child) = self.table.get_mut(&key) else { return };
            let result = match child.channel.receive() {
                Incoming::Empty => return,
                Incoming::Closed => {
                    self.close(core, apps, key, now);
                    return;
                }
                Incoming::Oversized => Err("an oversized message".to_owned()),
                Incoming::Packet(packet) => child.handle(core, apps, policy, &packet, now),
            };
            if let Err(why) = result {
                log::error(362, &format!("httpd child {} is not served any more: {why}", child.pid));
                self.close(core, apps, key, now);
                return;
            }
        }
        if let Some(child) = self.table.get(&key) {
            core.sources.again(child.channel.token());
        }
    }

    /// A child has ended, or is not served any more: everything it held comes back.
    fn close(&mut self, core: &mut Core, apps: &mut Apps, key: u32, now: Now) {
        let Some(child) = self.table.remove(&key) else { return };
        child.channel.shut_down();
        child.channel.close(&mut core.sources);
        let Some(id) = child.id else { return };
        for slot in core.ledger.remove_child(id) {
            let Some(app) = apps.by_slot(slot) else { continue };
            if let Some(app) = apps.get_mut(app) {
                app.reclaimed(core, slot, now);
            }
            apps.settle(core, app, now);
        }
    }
}

impl Child {
    fn handle(
        &mut self,
        core: &mut Core,
        apps: &mut Apps,
        policy: &Policy,
        packet: &Packet,
        now: Now,
    ) -> Result<(), String> {
        let message: ChildToManager = control::decode(&packet.bytes).map_err(|error| error.to_string())?;
        if self.id.is_none() && !matches!(message, ChildToManager::Hello { .. }) {
            return Err("it did not say hello".to_owned());
        }
        match message {
            ChildToManager::Hello { version } => self.hello(core, version),
            ChildToManager::Resolve(bytes) => {
                let answer = resolve(core, apps, policy, bytes, now);
                self.answer(&answer)
            }
            ChildToManager::FetchSlot { slot, generation } => {
                let app = apps.by_slot(slot).and_then(|id| apps.get_mut(id));
                match app.as_ref().and_then(|app| app.fetch(slot, generation)) {
                    Some(end) => self
                        .channel
                        .send(&ManagerToChild::Slot, &[end])
                        .map_err(|error| format!("sending it a slot: {error}")),
                    None => self.answer(&ManagerToChild::SlotGone),
                }
            }
            ChildToManager::Returned { slot, generation, reason } => {
                if let Some(id) = apps.by_slot(slot) {
                    if let Some(app) = apps.get_mut(id) {
                        app.returned(core, slot, generation, reason, now);
                    }
                    apps.settle(core, id, now);
                }
                Ok(())
            }
            ChildToManager::Demand { app, generation } => {
                if let Some(id) = apps.by_entry(app, generation) {
                    if let Some(app) = apps.get_mut(id) {
                        app.hear_demand(core, now);
                    }
                    apps.settle(core, id, now);
                }
                Ok(())
            }
        }
    }

    fn answer(&self, message: &ManagerToChild) -> Result<(), String> {
        self.channel.send(message, &[]).map_err(|error| format!("answering it: {error}"))
    }

    fn hello(&mut self, core: &mut Core, version: u16) -> Result<(), String> {
        if version != VERSION {
            return Err(format!("it speaks version {version} and kraitd version {VERSION}; restart httpd"));
        }
        if self.id.is_some() {
            return Err("it said hello twice".to_owned());
        }
        let id = core.ledger.add_child(self.pid).ok_or("the scoreboard has no room for another child")?;
        self.id = Some(id);
        self.answer(&ManagerToChild::Welcome { child: id.0 })
    }
}

/// The application of a spec: checked, found or made, and on its way to having a worker.
fn resolve(core: &mut Core, apps: &mut Apps, policy: &Policy, bytes: Vec<u8>, now: Now) -> ManagerToChild {
    match find(core, apps, policy, bytes, now) {
        Ok((app, generation, starting)) => ManagerToChild::Resolved { app, generation, starting },
        Err(reason) => ManagerToChild::Refused { reason },
    }
}

fn find(
    core: &mut Core,
    apps: &mut Apps,
    policy: &Policy,
    bytes: Vec<u8>,
    now: Now,
) -> Result<(u32, u32, bool), String> {
    if core.stopping {
        return Err("the manager is stopping".to_owned());
    }
    let id = match apps.by_spec(&bytes) {
        Some(id) => id,
        None => {
            let spec = AppSpec::decode(&bytes).map_err(|error| error.to_string())?;
            policy.check(&spec)?;
            let name = spec.plan.name.clone();
            apps.open(core, bytes, spec, now).ok_or_else(|| {
                format!("there is no room for application '{name}': too many applications have workers")
            })?
        }
    };
    let app = apps.get_mut(id).ok_or("it is gone")?;
    app.resolved(now);
    let (index, generation) = (app.entry.index, app.entry.generation);
    apps.settle(core, id, now);
    let starting = apps.get_mut(id).is_some_and(|app| app.is_starting());
    Ok((index, generation, starting))
}
