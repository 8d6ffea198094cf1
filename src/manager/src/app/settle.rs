//! Deciding, after anything has happened: what is due, who is hired, who may go, what children see.

use super::App;
use crate::core::{Core, Now};
use crate::log;
use crate::phase::{Event, Phase};
use krait_scoreboard::layout::AppState;
use std::time::{Duration, Instant};

/// What an application's settling came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Look again at this time, or when something happens.
    Until(Option<Instant>),
    /// Nothing of it is left: it can be forgotten.
    Gone,
}

/// How long a worker of an application that is not configured any more may be idle: httpd's old children may still
/// have requests for it.
const RETIRED_IDLE: Duration = Duration::from_secs(1);

impl App {
    pub(crate) fn settle(&mut self, core: &mut Core, now: Now) -> Settled {
        self.expire(core, now);
        if self.leaving {
            self.dismiss_all(core, now);
        } else {
            self.release_idle(core, now);
            self.listen(core);
            self.staff(core, now);
        }
        self.show(core, now);
        if self.workers.is_empty() && self.zygotes.is_empty() {
            if self.leaving {
                return Settled::Gone;
            }
        } else {
            self.empty_since = now.instant;
        }
        Settled::Until(self.next_look(core, now))
    }

    /// Does what the clock asks for.
    fn expire(&mut self, core: &mut Core, now: Now) {
        if self.hold.is_some_and(|until| until <= now.instant) && self.serves() {
            self.hold = None;
        }
        if self.start.as_ref().is_some_and(|start| start.deadline <= now.instant) {
            self.overdue(core, now);
        }
        for number in self.numbers(|worker| worker.until.is_some_and(|until| until <= now.instant)) {
            if self.workers.get(&number).is_some_and(|worker| worker.is(Phase::Starting)) {
                log::error(
                    330,
                    &format!(
                        "worker {} of application '{}' was not ready within {} s and is ended; look at what the \
                         application does when it is imported, or raise KraitStartTimeout",
                        self.workers.get(&number).map(|worker| worker.title()).unwrap_or_default(),
                        self.name(),
                        self.spec.start_timeout.as_secs(),
                    ),
                );
                self.hold = Some(self.backoff.failed(now.instant));
            }
            self.feed(core, number, Event::Timeout, now);
        }
        for number in self.numbers(|worker| worker.gone.is_some_and(|until| until <= now.instant)) {
            self.conclude(core, number, None, now);
        }
        for zygote in self.zygotes.values_mut() {
            if zygote.kill_at.is_some_and(|at| at <= now.instant) {
                zygote.kill_at = None;
                zygote.kill_group();
            }
        }
    }

    /// Everybody goes, the zygote last: it tells how its workers ended.
    fn dismiss_all(&mut self, core: &mut Core, now: Now) {
        for number in self.numbers(|worker| worker.is_alive()) {
            self.feed(core, number, Event::Drain, now);
        }
        if self.workers.is_empty() {
            self.dismiss_zygote(core, now);
        }
    }

    pub(super) fn dismiss_zygote(&mut self, core: &Core, now: Now) {
        let kill_at = now.after(core.pace.term);
        if let Some(zygote) = self.current.take().and_then(|number| self.zygotes.get_mut(&number)) {
            zygote.stop(kill_at);
        }
    }

    /// Hires up to what is needed; or lets the zygote go where nothing is.
    fn staff(&mut self, core: &mut Core, now: Now) {
        if self.hold.is_some_and(|until| until > now.instant) {
            return;
        }
        let starting = self.count(|worker| worker.is(Phase::Starting) || worker.died_starting());
        let alive = starting + self.count(|worker| worker.is(Phase::Serving));
        let floor = self.minimum.max(u32::from(self.wanted));
        let needed = if alive < floor {
            floor - alive
        } else {
            let short =
                starting == 0 && core.ledger.is_waiting(self.entry) && !core.ledger.has_idle(self.entry);
            u32::from(short)
        };
        let seats = self.free_seats();
        let hired = usize::try_from(needed).unwrap_or(usize::MAX).min(seats.len());
        if hired > 0 {
            self.hire(core, seats.into_iter().take(hired), now);
        } else if alive == 0
            && needed == 0
            && self.workers.is_empty()
            && self.start.is_none()
            && self.linger.is_none_or(|until| until <= now.instant)
        {
            self.dismiss_zygote(core, now);
        }
    }

    /// Seats nobody sits on, the lowest first.
    fn free_seats(&self) -> Vec<u32> {
        (0..self.spec.processes_max)
            .filter(|seat| !self.workers.values().any(|worker| worker.gone.is_none() && worker.seat == *seat))
            .collect()
    }

    /// Until when a worker is within its idle time.
    fn idle_until(&self, core: &Core, number: u32, timeout: Duration, now: Now) -> Option<Instant> {
        let worker = self.workers.get(&number)?;
        let idle = worker.idle_since(&core.ledger).map_or(0, |since| now.ms.saturating_sub(since));
        Some(now.after(timeout.saturating_sub(Duration::from_millis(idle))))
    }

    /// How long a worker above the minimum may be idle.
    fn idle_timeout(&self) -> Option<Duration> {
        if self.retired { Some(RETIRED_IDLE) } else { self.spec.idle_timeout }
    }

    /// Lets one worker above the minimum go that has been idle for too long, the highest seat first.
    fn release_idle(&mut self, core: &mut Core, now: Now) {
        let Some(timeout) = self.idle_timeout() else { return };
        let floor = self.minimum.max(u32::from(self.wanted));
        if self.count(|worker| worker.is_alive()) <= floor {
            return;
        }
        let mut serving = self.numbers(|worker| worker.is(Phase::Serving));
        serving.sort_by_key(|number| self.workers.get(number).map(|worker| std::cmp::Reverse(worker.seat)));
        let due = serving.into_iter().find(|number| {
            self.idle_until(core, *number, timeout, now).is_some_and(|until| until <= now.instant)
        });
        if let Some(number) = due {
            self.linger = None;
            self.feed(core, number, Event::Drain, now);
        }
    }

    /// Sets what children see, where it changed.
    fn show(&mut self, core: &Core, now: Now) {
        if self.leaving {
            return;
        }
        let retry_at = self.hold.map(|until| {
            let left = until.saturating_duration_since(now.instant).as_millis();
            now.ms + u64::try_from(left).unwrap_or(0)
        });
        let starting = self.is_starting();
        let seen = match retry_at {
            _ if self.serves() => (AppState::Ready, 0),
            Some(retry_at) => (AppState::Failed, retry_at),
            None if starting => (AppState::Starting, 0),
            None => (AppState::Ready, 0),
        };
        // The rounding of the clocks is no news.
        let news = self.shown.is_none_or(|shown| shown.0 != seen.0 || shown.1.abs_diff(seen.1) > 5);
        if news {
            self.shown = Some(seen);
            core.ledger.set_state(self.entry, seen.0, seen.1);
        }
    }

    /// When the clock alone will ask for something.
    fn next_look(&self, core: &Core, now: Now) -> Option<Instant> {
        let mut times: Vec<Instant> = Vec::new();
        times.extend(self.start.as_ref().map(|start| start.deadline));
        times.extend(self.workers.values().flat_map(|worker| [worker.until, worker.gone]).flatten());
        times.extend(self.zygotes.values().filter_map(|zygote| zygote.kill_at));
        if !self.leaving {
            let alive = self.count(|worker| worker.is_alive());
            let short =
                alive < self.minimum.max(u32::from(self.wanted)) || core.ledger.is_waiting(self.entry);
            times.extend(self.hold.filter(|until| short && *until > now.instant));
            times.extend(self.linger.filter(|until| self.current.is_some() && *until > now.instant));
            if let Some(timeout) = self.idle_timeout().filter(|_| alive > self.minimum) {
                let serving = self.numbers(|worker| worker.is(Phase::Serving));
                times
                    .extend(serving.iter().filter_map(|number| self.idle_until(core, *number, timeout, now)));
            }
        }
        times.into_iter().min()
    }

    /// Children tell of demand once, until they are heard again. Where every seat is taken, or a worker is on its way,
    /// there is nothing to decide: under load each request that waits would wake us for nothing.
    fn listen(&mut self, core: &Core) {
        let starting = self.count(|worker| worker.is(Phase::Starting) || worker.died_starting());
        let may_hire = starting == 0 && !self.free_seats().is_empty();
        if may_hire && !self.listens {
            core.ledger.hear_demand(self.entry);
        }
        self.listens = may_hire;
    }

    /// A request waits: settling will see it, and children may tell again where it helps.
    pub(crate) fn hear_demand(&mut self, core: &Core, now: Now) {
        self.listens = false;
        let held = self.hold.is_some_and(|until| until > now.instant);
        if core.ledger.is_waiting(self.entry) && !held {
            self.want();
        }
    }
}
