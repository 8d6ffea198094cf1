//! What zygotes and workers say. They run the application's code, so nothing they say is believed unchecked.

use super::App;
use crate::channel::Packet;
use crate::core::{Core, Now};
use crate::log;
use crate::output::Turn;
use crate::phase::{Event, Phase};
use crate::worker::Worker;
use krait_protocol::control::{self, WorkerToManager, ZygoteToManager};
use krait_protocol::start::{StartFailure, Step};
use krait_sys::pidfd::Process;
use krait_sys::wait::Ending;
use krait_sys::{identity, process};

/// Lines kept back for the tail at most before a failure is told.
const DRAIN_TURNS: usize = 8;

impl App {
    /// A packet from a zygote.
    pub(super) fn zygote_says(&mut self, core: &mut Core, number: u32, packet: &Packet, now: Now) {
        let message = match StartFailure::from_plain(&packet.bytes) {
            Some(failure) => Ok(ZygoteToManager::Failed(failure)),
            None => control::decode(&packet.bytes).map_err(|error| error.to_string()),
        };
        let result = message.and_then(|message| self.zygote_message(core, number, message, now));
        if let Err(why) = result {
            self.break_zygote(core, number, &why, now);
        }
    }

    /// Ends a zygote that cannot be trusted.
    pub(super) fn break_zygote(&mut self, core: &mut Core, number: u32, why: &str, now: Now) {
        log::error(
            320,
            &format!("the zygote of application '{}' broke the protocol and is ended: {why}", self.name()),
        );
        if let Some(zygote) = self.zygotes.get_mut(&number) {
            zygote.kill();
            zygote.channel.shut_down();
        }
        if self.current == Some(number) && self.start.is_some() {
            self.drain_outputs();
            let summary = "the zygote broke the protocol";
            self.fail(core, &StartFailure::new(self.step(), summary, "see the log line before", ""), now);
        }
    }

    fn zygote_message(
        &mut self,
        core: &mut Core,
        number: u32,
        message: ZygoteToManager,
        now: Now,
    ) -> Result<(), String> {
        let is_current = self.current == Some(number);
        match message {
            ZygoteToManager::Exited { worker, status } => {
                self.worker_ended(core, worker, Ending::from_status(status), now);
            }
            ZygoteToManager::Forked { worker, pid } => {
                return self.worker_forked(core, number, worker, pid);
            }
            // The rest is about a start, and of no interest from a zygote that was given up already.
            _ if !is_current => {}
            ZygoteToManager::Step(step) => self.enter(step, now),
            ZygoteToManager::Ready { preloaded } => {
                let zygote = self.zygotes.get_mut(&number).ok_or("it is gone")?;
                if zygote.ready.replace(preloaded).is_some() {
                    return Err("it was ready before".to_owned());
                }
                self.enter(Step::Fork, now);
            }
            ZygoteToManager::Threaded { threads } => {
                if !self.preload || self.start.is_none() {
                    return Err("unexpected count of threads".to_owned());
                }
                log::notice(
                    321,
                    &format!(
                        "importing application '{}' left {threads} threads running, so each worker imports it for \
                         itself; start threads at the first request, or set KraitPreload off",
                        self.name()
                    ),
                );
                self.preload = false;
                self.dismiss_zygote(core, now);
                self.spawn_zygote(core, now);
            }
            ZygoteToManager::Failed(failure) => {
                // After the start it is a fork that failed: the user's limit of processes, for example.
                self.drain_outputs();
                self.fail(core, &failure, now);
            }
        }
        Ok(())
    }

    /// Takes hold of a process that claims to be a worker: it must be a descendant and the application's user.
    fn verify(&self, zygote: u32, pid: u32) -> Result<Process, String> {
        let strange = |error: std::io::Error| format!("process {pid} as a worker: {error}");
        let process = Process::open(pid).map_err(strange)?;
        let relations = process::relations(pid).map_err(strange)?;
        // Asked last: then what /proc said was about this process, not about one that got its number since.
        if process.has_ended() {
            return Err(format!("process {pid} as a worker: it has ended"));
        }
        let user = self.identity().map_or_else(identity::effective_user, |identity| identity.uid);
        if relations.user != Some(user) {
            return Err(format!("process {pid} as a worker, which does not run as user {user}"));
        }
        let parent = self.zygotes.get(&zygote).map(|zygote| zygote.pid);
        if Some(relations.parent) != parent && relations.parent != std::process::id() {
            return Err(format!("process {pid} as a worker, which is not its child"));
        }
        Ok(process)
    }

    fn worker_forked(&mut self, core: &mut Core, zygote: u32, number: u32, pid: u32) -> Result<(), String> {
        let Some(worker) = self.workers.get(&number).filter(|worker| worker.gone.is_none()) else {
            // It may have ended already.
            return Ok(());
        };
        if let Some(held) = &worker.held {
            return if held.pid == pid {
                Ok(())
            } else {
                Err(format!("another number for worker {}", held.pid))
            };
        }
        let Ok(process) = self.verify(zygote, pid) else {
            // One that ended at once looks the same as a wrong number. Its channel tells, or the start's deadline.
            return Ok(());
        };
        self.hold_worker(core, number, pid, process)
    }

    fn hold_worker(
        &mut self,
        core: &mut Core,
        number: u32,
        pid: u32,
        process: Process,
    ) -> Result<(), String> {
        let id = self.id;
        self.workers.get_mut(&number).map_or(Ok(()), |worker| {
            worker.hold(core, id, pid, process).map_err(|error| format!("watching process {pid}: {error}"))
        })
    }

    /// A packet from a worker.
    pub(super) fn worker_says(&mut self, core: &mut Core, number: u32, packet: &Packet, now: Now) {
        let message = match StartFailure::from_plain(&packet.bytes) {
            Some(failure) => Ok(WorkerToManager::Failed(failure)),
            None => control::decode(&packet.bytes).map_err(|error| error.to_string()),
        };
        let result = message.and_then(|message| self.worker_message(core, number, message, packet, now));
        if let Err(why) = result {
            self.break_worker(core, number, &why, now);
        }
    }

    /// Ends a worker that cannot be trusted.
    pub(super) fn break_worker(&mut self, core: &Core, number: u32, why: &str, now: Now) {
        let title = self.workers.get(&number).map(Worker::title).unwrap_or_default();
        log::error(
            322,
            &format!(
                "worker {title} of application '{}' broke the protocol and is ended: {why}",
                self.name()
            ),
        );
        if self.workers.get(&number).is_some_and(|worker| worker.is(Phase::Starting)) {
            self.hold = Some(self.backoff.failed(now.instant));
        }
        self.feed(core, number, Event::Broken, now);
    }

    fn worker_message(
        &mut self,
        core: &mut Core,
        number: u32,
        message: WorkerToManager,
        packet: &Packet,
        now: Now,
    ) -> Result<(), String> {
        let Some(worker) = self.workers.get(&number).filter(|worker| worker.gone.is_none()) else {
            return Ok(());
        };
        if worker.phase != Phase::Starting {
            // Told to go before it was ready; anything else it has no business to say.
            return if worker.ready.is_none() { Ok(()) } else { Err("unexpected message".to_owned()) };
        }
        match message {
            WorkerToManager::Failed(failure) => {
                self.drain_outputs();
                self.feed(core, number, Event::Broken, now);
                self.fail(core, &failure, now);
            }
            WorkerToManager::Ready => {
                let pid = packet.sender.map_or(0, |sender| sender.pid);
                match &worker.held {
                    Some(held) if held.pid == pid => {}
                    Some(held) => return Err(format!("process {pid} speaks for worker {}", held.pid)),
                    None => {
                        let process = self.verify(self.current.unwrap_or(u32::MAX), pid)?;
                        self.hold_worker(core, number, pid, process)?;
                    }
                }
                self.feed(core, number, Event::Ready, now);
                if self.workers.get(&number).is_some_and(|worker| worker.is(Phase::Serving)) {
                    self.arrived(now);
                }
            }
        }
        Ok(())
    }

    /// Something was printed.
    pub(crate) fn printed(&mut self, core: &mut Core, number: u32) {
        let Some(watched) = self.outputs.get_mut(&number) else { return };
        let (name, tail) = (&self.spec.plan.name, &mut self.tail);
        let turn = watched.output.read(|line| {
            tail.push(line);
            log::notice(325, &format!("application '{name}': {line}"));
        });
        match turn {
            Turn::Empty => {}
            Turn::More => core.sources.again(watched.token),
            Turn::Closed => self.close_output(core, number),
        }
    }

    fn close_output(&mut self, core: &mut Core, number: u32) {
        if let Some(watched) = self.outputs.remove(&number) {
            core.sources.remove(std::os::fd::AsFd::as_fd(&watched.output), watched.token);
        }
    }

    /// Reads what was printed before a failure, so that the report has it.
    pub(super) fn drain_outputs(&mut self) {
        let (name, tail) = (&self.spec.plan.name, &mut self.tail);
        for watched in self.outputs.values_mut() {
            for _ in 0..DRAIN_TURNS {
                let turn = watched.output.read(|line| {
                    tail.push(line);
                    log::notice(326, &format!("application '{name}': {line}"));
                });
                if turn != Turn::More {
                    break;
                }
            }
        }
    }
}
