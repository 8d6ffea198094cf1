//! The system's clocks (`clock_gettime(2)`, `localtime_r(3)`).

use std::time::{SystemTime, UNIX_EPOCH};

/// A moment in local time, as a log line shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// All four digits.
    pub year: i32,
    /// 1 to 12.
    pub month: i32,
    /// 1 to 31.
    pub day: i32,
    /// 0, Sunday, to 6.
    pub weekday: i32,
    /// 0 to 23.
    pub hour: i32,
    /// 0 to 59.
    pub minute: i32,
    /// 0 to 60.
    pub second: i32,
    /// 0 to 999999.
    pub microsecond: u32,
}

/// Now, in the system's time zone; `None` where the clock cannot be expressed in it.
#[must_use]
pub fn local_now() -> Option<LocalTime> {
    local(SystemTime::now())
}

fn local(moment: SystemTime) -> Option<LocalTime> {
    let since = moment.duration_since(UNIX_EPOCH).ok()?;
    let seconds = libc::time_t::try_from(since.as_secs()).ok()?;
    // SAFETY: an all-zero tm is a valid one (its one pointer is only read by nobody here).
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of the right types; the call keeps neither.
    if unsafe { libc::localtime_r(&raw const seconds, &raw mut parts) }.is_null() {
        return None;
    }
    Some(LocalTime {
        year: parts.tm_year + 1900,
        month: parts.tm_mon + 1,
        day: parts.tm_mday,
        weekday: parts.tm_wday,
        hour: parts.tm_hour,
        minute: parts.tm_min,
        second: parts.tm_sec,
        microsecond: since.subsec_micros(),
    })
}

/// Milliseconds of `CLOCK_MONOTONIC`, which all processes of one boot share.
#[must_use]
pub fn monotonic_ms() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec; this clock always exists on Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1000 + u64::try_from(now.tv_nsec / 1_000_000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_time_is_plausible() {
        let now = local_now().unwrap();
        assert!(now.year >= 2024 && (1..=12).contains(&now.month) && (1..=31).contains(&now.day));
    }

    #[test]
    fn monotonic_time_does_not_go_back() {
        let before = monotonic_ms();
        assert!(monotonic_ms() >= before && before > 0);
    }
}
