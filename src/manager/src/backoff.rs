//! How long to wait before the next try of something that keeps failing.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// A worker that served this long shows that the application works.
const STABLE: Duration = Duration::from_secs(5);
/// So many workers in a row may die young before replacing them is slowed down.
const FREE_CRASHES: u32 = 3;

#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    crashes: u32,
}

impl Backoff {
    /// A start failed, or a worker ended before it was ready: when to try again.
    pub(crate) fn failed(&mut self, now: Instant) -> Instant {
        self.failures = self.failures.saturating_add(1);
        now + delay(self.failures)
    }

    /// A worker became ready.
    pub(crate) fn ready(&mut self) {
        self.failures = 0;
    }

    /// A worker that had been ready since `ready` ended unasked: when to replace it; `None`: at once.
    pub(crate) fn crashed(&mut self, now: Instant, ready: Instant) -> Option<Instant> {
        if now.saturating_duration_since(ready) >= STABLE {
            self.crashes = 0;
            return None;
        }
        self.crashes = self.crashes.saturating_add(1);
        let slowed = self.crashes.checked_sub(FREE_CRASHES).filter(|count| *count > 0)?;
        Some(now + delay(slowed))
    }
}

/// 1 s, doubled by each failure after the first, at most 60 s.
fn delay(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(6);
    (FIRST * (1 << doublings)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_doubles_up_to_a_minute() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..9).map(|_| (backoff.failed(now) - now).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        backoff.ready();
        assert_eq!(backoff.failed(now) - now, FIRST);
    }

    #[test]
    fn only_a_row_of_early_deaths_slows_replacing() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        let mut crash = |lived: u64| {
            backoff.crashed(now + Duration::from_secs(lived), now).map(|at| (at - now).as_secs() - lived)
        };
        assert_eq!([crash(0), crash(1), crash(0), crash(1), crash(1)], [None, None, None, Some(1), Some(2)]);
        assert_eq!(crash(7), None);
        assert_eq!(crash(1), None);
    }
}
