//! Starting: the zygote, its journey, its workers, and what becomes of a start that fails.

use super::{App, Start};
use crate::core::{Core, Now};
use crate::journey::Journey;
use crate::log;
use crate::phase::{Event, Phase};
use crate::worker::Worker;
use crate::zygote;
use krait_protocol::start::{StartFailure, Step};
use std::time::Instant;

impl App {
    /// Takes on workers for these seats; where there is no zygote to fork them, starts that first.
    pub(super) fn hire(&mut self, core: &mut Core, seats: impl Iterator<Item = u32>, now: Now) {
        self.hold = None;
        match self.zygote().map(|zygote| (zygote.ready, zygote.closed)) {
            None => self.begin(core, now),
            Some((Some(preloaded), false)) => {
                for seat in seats {
                    if let Err(error) = self.fork(core, seat, preloaded, now) {
                        self.fork_failed(core, &error, now);
                        return;
                    }
                }
            }
            // It is on its way; when it is ready, this is decided again.
            Some(_) => {}
        }
    }

    /// Begins a start.
    fn begin(&mut self, core: &mut Core, now: Now) {
        let deadline = now.after(self.spec.start_timeout);
        self.start = Some(Start { journey: Journey::begin(now.instant), deadline });
        self.tail.clear();
        self.spawn_zygote(core, now);
    }

    pub(super) fn spawn_zygote(&mut self, core: &mut Core, now: Now) {
        let number = self.next_zygote;
        self.next_zygote = number.wrapping_add(1);
        match zygote::start(core, self.id, number, &self.spec, self.preload) {
            Ok((zygote, watched)) => {
                self.current = Some(number);
                self.zygotes.insert(number, zygote);
                self.outputs.insert(number, watched);
            }
            Err(error) => {
                let summary = format!("krait-spawn could not be started: {error}");
                let advice =
                    "see that mod_krait is installed completely and the server is not out of resources";
                self.fail(core, &StartFailure::new(Step::Spawn, summary, advice, ""), now);
            }
        }
    }

    fn fork(&mut self, core: &mut Core, seat: u32, preloaded: bool, now: Now) -> std::io::Result<()> {
        let threads = self.spec.plan.threads;
        let first = self.slots.start + seat * threads;
        let until = match &self.start {
            // One deadline for the whole start.
            Some(start) => start.deadline,
            None => now.after(self.spec.start_timeout),
        };
        let number = self.next_worker;
        self.next_worker = number.wrapping_add(1);
        let Some(zygote) = self.current.and_then(|current| self.zygotes.get(&current)) else { return Ok(()) };
        let worker =
            Worker::start(core, self.id, &zygote.channel, number, seat, first..first + threads, until)?;
        self.workers.insert(number, worker);
        self.enter(if preloaded { Step::Fork } else { Step::Import }, now);
        Ok(())
    }

    fn fork_failed(&mut self, core: &mut Core, error: &std::io::Error, now: Now) {
        let summary = format!("a worker could not be asked for: {error}");
        if self.start.is_some() {
            let advice = "see that the server is not out of descriptors";
            self.fail(core, &StartFailure::new(Step::Fork, summary, advice, ""), now);
        } else {
            log::error(331, &format!("application '{}': {summary}", self.name()));
            self.hold = Some(self.backoff.failed(now.instant));
        }
    }

    /// The next step of the journey begins.
    pub(super) fn enter(&mut self, step: Step, now: Now) {
        if let Some(start) = &mut self.start {
            start.journey.enter(step, now.instant);
        }
    }

    /// A worker is ready: a start that was under way is complete.
    pub(super) fn arrived(&mut self, now: Now) {
        self.wanted = false;
        self.backoff.ready();
        if let Some(start) = self.start.take() {
            let workers = self.count(|worker| worker.is_alive());
            let plural = if workers == 1 { "" } else { "s" };
            log::notice(
                310,
                &format!(
                    "application '{}' is ready ({workers} worker{plural}, {} ms)",
                    self.name(),
                    start.journey.elapsed(now.instant).as_millis()
                ),
            );
        }
    }

    /// The start takes too long.
    pub(super) fn overdue(&mut self, core: &mut Core, now: Now) {
        self.drain_outputs();
        let Some(start) = &self.start else { return };
        let failure = start.journey.overdue(now.instant, self.tail.text());
        self.fail(core, &failure, now);
    }

    /// The step the start is in.
    pub(super) fn step(&self) -> Step {
        self.start.as_ref().map_or(Step::Ready, |start| start.journey.step())
    }

    /// The start failed: one record in the log, and nothing of it stays.
    pub(super) fn fail(&mut self, core: &mut Core, failure: &StartFailure, now: Now) {
        let retry: Instant = self.backoff.failed(now.instant);
        let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        let advice = match first(&failure.advice) {
            advice if advice.is_empty() => String::new(),
            advice => format!("; {advice}"),
        };
        log::error(
            311,
            &format!(
                "application '{}' could not be started: step {}: {}{advice}",
                self.name(),
                failure.step.word(),
                first(&failure.summary),
            ),
        );
        for line in failure.detail.lines() {
            log::error(312, &format!("application '{}': {line}", self.name()));
        }
        log::info(
            313,
            &format!(
                "application '{}' is not started again for {} s",
                self.name(),
                retry.saturating_duration_since(now.instant).as_secs()
            ),
        );
        let whole = self.start.take().is_some();
        self.wanted = false;
        self.hold = Some(retry);
        for number in self.numbers(|worker| worker.is(Phase::Starting)) {
            self.feed(core, number, Event::Broken, now);
        }
        if let Some(zygote) = self.current.take().and_then(|number| self.zygotes.get(&number)) {
            // Outside of a start there may be workers of it that serve.
            if whole {
                zygote.kill_group();
            } else {
                zygote.kill();
            }
        }
    }
}
