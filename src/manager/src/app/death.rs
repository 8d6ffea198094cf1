//! How processes end, wished or not.

use super::App;
use crate::core::{Core, Now};
use crate::log;
use crate::worker::Worker;
use krait_protocol::start::{StartFailure, Step};
use krait_sys::wait::Ending;
use std::time::Duration;

/// How long a worker's wait status is awaited after its channel ended: its zygote has to collect and tell it.
const STATUS_WAIT: Duration = Duration::from_millis(500);

impl Worker {
    /// It ended before it was ready, unasked, and why is not known yet.
    pub(super) fn died_starting(&self) -> bool {
        self.gone.is_some() && self.ready.is_none() && !self.asked
    }
}

impl App {
    /// A worker's channel or process has ended. Its slots are free at once; the report waits for the wait status.
    pub(crate) fn worker_gone(&mut self, core: &mut Core, number: u32, now: Now) {
        // Its last words may say why.
        self.take_from_worker(core, number, now);
        let around = self.around(&core.ledger, core.pace, now);
        let Some(worker) = self.workers.get_mut(&number).filter(|worker| worker.gone.is_none()) else {
            return;
        };
        worker.bury(around, &mut core.sources, now.after(STATUS_WAIT));
        if let Some(ready) = worker.ready.filter(|_| !worker.asked) {
            // Decided at once, so that the next worker does not come before it.
            self.hold = self.backoff.crashed(now.instant, ready.instant).or(self.hold);
            self.linger = self.spec.idle_timeout.map(|timeout| now.after(timeout));
        }
    }

    /// A worker's wait status is known: from its zygote, or from our own waiting.
    pub(crate) fn worker_ended(&mut self, core: &mut Core, number: u32, ending: Option<Ending>, now: Now) {
        if self.workers.contains_key(&number) {
            self.worker_gone(core, number, now);
            self.conclude(core, number, ending, now);
        }
    }

    /// Forgets a worker that has ended, and says what is to be said about it.
    pub(super) fn conclude(&mut self, core: &mut Core, number: u32, ending: Option<Ending>, now: Now) {
        let Some(worker) = self.workers.remove(&number) else { return };
        let title = worker.title();
        if let Some(held) = &worker.held {
            core.processes.remove(&held.pid);
        }
        let Worker { channel, ready, asked, .. } = worker;
        channel.close(&mut core.sources);
        if asked || self.leaving {
            return;
        }
        let how = ending.map_or_else(|| "ended".to_owned(), |ending| ending.to_string());
        self.drain_outputs();
        match ready {
            Some(_) => {
                let next = if self.hold.is_some_and(|until| until > now.instant) {
                    "workers of it keep dying, so it is replaced with a delay"
                } else {
                    "it is replaced when it is needed"
                };
                log::error(
                    340,
                    &format!(
                        "worker {title} of application '{}' {how} after it was ready; {next}",
                        self.name()
                    ),
                );
            }
            None if self.start.is_some() => {
                let summary = format!("worker {title} {how} before it was ready");
                let failure =
                    StartFailure::new(self.step(), summary, advice(self.step(), ending), self.tail.text());
                self.fail(core, &failure, now);
            }
            None => {
                log::error(
                    341,
                    &format!("worker {title} of application '{}' {how} before it was ready", self.name()),
                );
                self.hold = Some(self.backoff.failed(now.instant));
            }
        }
    }

    /// A zygote's channel has ended: so must its process. What is to be said waits for the wait status.
    pub(crate) fn zygote_gone(&mut self, core: &mut Core, number: u32) {
        if let Some(zygote) = self.zygotes.get_mut(&number).filter(|zygote| !zygote.closed) {
            zygote.closed = true;
            core.sources.remove(zygote.channel.as_fd(), zygote.channel.token());
            if zygote.kill_at.is_none() {
                zygote.kill();
            }
        }
    }

    /// A zygote was collected.
    pub(crate) fn zygote_ended(&mut self, core: &mut Core, number: u32, ending: Ending, now: Now) {
        // Its last words may say why.
        self.take_from_zygote(core, number, now);
        let Some(zygote) = self.zygotes.remove(&number) else { return };
        core.processes.remove(&zygote.pid);
        zygote.channel.close(&mut core.sources);
        if self.current != Some(number) {
            return;
        }
        self.current = None;
        self.drain_outputs();
        if self.start.is_some() {
            let summary = match self.step() {
                Step::Interpreter => {
                    let tried: Vec<_> =
                        self.spec.interpreters.iter().map(|path| format!("'{path}'")).collect();
                    format!("the interpreter (the first that exists of {}) {ending}", tried.join(", "))
                }
                _ => format!("the process {ending}"),
            };
            let failure =
                StartFailure::new(self.step(), summary, advice(self.step(), Some(ending)), self.tail.text());
            self.fail(core, &failure, now);
        } else if !self.leaving {
            log::error(
                342,
                &format!(
                    "the zygote of application '{}' {ending}; its workers go on, and a new one is started when it is \
                     needed",
                    self.name()
                ),
            );
        }
    }
}

/// What to do about a process that ended without a word.
fn advice(step: Step, ending: Option<Ending>) -> &'static str {
    match ending {
        Some(Ending::Signalled(libc::SIGKILL)) => {
            "the system may be out of memory; see the kernel's log, and who else sends signals"
        }
        Some(Ending::Signalled(libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGABRT)) => {
            "an extension module may be broken or built for another Python; reinstall the application's packages"
        }
        Some(Ending::Exited(_)) if step == Step::Interpreter => {
            "it is no CPython that works; name one of version 3.9 or newer with KraitPython"
        }
        Some(Ending::Exited(_)) if step == Step::Import => {
            "see what the application calls exit for when it is imported"
        }
        _ => "",
    }
}
