//! A counter that threads of several processes can sleep on: `futex(2)` on a word of the shared memory.

use crate::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Counts what happened; a sleeper wakes when the count is no longer the one it saw.
#[derive(Debug)]
#[cfg_attr(not(loom), repr(transparent))]
pub struct Event {
    count: AtomicU32,
    #[cfg(loom)]
    sleepers: (loom::sync::Mutex<()>, loom::sync::Condvar),
}

impl Event {
    /// The count to hand to [`Event::wait`], read before looking for what one would wait for.
    #[must_use]
    pub fn seen(&self) -> u32 {
        self.count.load(Ordering::SeqCst)
    }

    /// Sleeps until the count differs from `seen`, the time is over, or for no reason.
    #[cfg(not(loom))]
    pub fn wait(&self, seen: u32, at_most: Duration) {
        let time = libc::timespec {
            tv_sec: libc::time_t::try_from(at_most.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: at_most.subsec_nanos().into(),
        };
        // SAFETY: the word is a live, aligned u32 and `time` a valid timespec; the kernel only reads both. Every
        // failure (changed count, signal, timeout) is a wake-up, which callers expect.
        unsafe {
            libc::syscall(libc::SYS_futex, self.count.as_ptr(), libc::FUTEX_WAIT, seen, &raw const time);
        }
    }

    #[cfg(not(loom))]
    fn wake(&self, sleepers: i32) {
        // SAFETY: the address only names the queue of sleepers.
        unsafe {
            libc::syscall(libc::SYS_futex, self.count.as_ptr(), libc::FUTEX_WAKE, sleepers);
        }
    }

    /// Counts, and wakes one sleeper.
    #[cfg(not(loom))]
    pub fn notify_one(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.wake(1);
    }

    /// Counts, and wakes every sleeper.
    #[cfg(not(loom))]
    pub fn notify_all(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.wake(i32::MAX);
    }
}

#[cfg(loom)]
#[allow(missing_docs, clippy::unwrap_used)]
impl Event {
    pub fn new() -> Self {
        Event { count: AtomicU32::new(0), sleepers: (loom::sync::Mutex::new(()), loom::sync::Condvar::new()) }
    }

    /// As the futex: compares and goes to sleep in one step. Never times out, so a lost wake-up is a deadlock
    /// that loom reports.
    pub fn wait(&self, seen: u32, _at_most: Duration) {
        let guard = self.sleepers.0.lock().unwrap();
        if self.count.load(Ordering::SeqCst) == seen {
            drop(self.sleepers.1.wait(guard).unwrap());
        }
    }

    pub fn notify_one(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        let _guard = self.sleepers.0.lock().unwrap();
        self.sleepers.1.notify_one();
    }

    pub fn notify_all(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        let _guard = self.sleepers.0.lock().unwrap();
        self.sleepers.1.notify_all();
    }
}

#[cfg(loom)]
impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_changed_count_does_not_sleep_and_time_ends_a_sleep() {
        let event = Event { count: AtomicU32::new(0) };
        let seen = event.seen();
        event.notify_one();
        let start = Instant::now();
        event.wait(seen, Duration::from_secs(20));
        assert!(start.elapsed() < Duration::from_secs(10));
        event.wait(event.seen(), Duration::from_millis(5));
    }

    #[test]
    fn a_sleeper_is_woken() {
        let event = Event { count: AtomicU32::new(0) };
        std::thread::scope(|scope| {
            let seen = event.seen();
            let event = &event;
            let sleeper = scope.spawn(move || {
                while event.seen() == seen {
                    event.wait(seen, Duration::from_secs(20));
                }
            });
            event.notify_all();
            sleeper.join().unwrap();
        });
    }
}
