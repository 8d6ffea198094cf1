//! How the scheduler treats this process (`sched(7)`).

use crate::check;
use std::io;

/// Makes this process, and all it starts from now on, a batch process (`SCHED_BATCH`): when it wakes up it does not
/// push aside who runs. Its share of the processor stays the same.
///
/// # Errors
/// `sched_setscheduler(2)`'s.
pub fn become_batch() -> io::Result<()> {
    let parameter = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameter is a live value that the call only reads; 0 means the caller.
    check(unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameter) }).map(drop)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernel_agrees() {
        // Of a thread of its own, so that the other tests' threads stay as they are.
        std::thread::spawn(|| {
            super::become_batch().unwrap();
            // SAFETY: no memory is involved.
            assert_eq!(unsafe { libc::sched_getscheduler(0) }, libc::SCHED_BATCH);
        })
        .join()
        .unwrap();
    }
}
