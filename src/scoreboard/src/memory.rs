//! The memory itself: a sealed memfd, mapped.

use crate::layout::{LAYOUT_VERSION, Layout};
use crate::pool::Pool;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::Ordering;

/// A handle on an application's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AppRef {
    /// Index of the entry.
    pub index: u32,
    /// The entry's generation when the handle was given.
    pub generation: u32,
}

/// The mapped scoreboard.
#[derive(Debug)]
pub struct Scoreboard {
    layout: NonNull<Layout>,
}

// SAFETY: the mapping is plain memory that contains nothing but atomics.
unsafe impl Send for Scoreboard {}
// SAFETY: as above; shared references only ever reach atomics.
unsafe impl Sync for Scoreboard {}

/// Why a scoreboard cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScoreboardError {
    /// A system call failed.
    #[error("{call} for the scoreboard: {source}")]
    Call {
        /// Its name.
        call: &'static str,
        /// Its error.
        source: io::Error,
    },
    /// The memory is of another size or version: httpd and kraitd come from different builds.
    #[error("the scoreboard is of another version of mod_krait")]
    Version,
}

impl Scoreboard {
    /// Makes an empty scoreboard: a memfd, close-on-exec, sealed so that nobody can cut it short under the others.
    ///
    /// # Errors
    /// Those of `memfd_create(2)`, `ftruncate(2)` and sealing.
    pub fn create() -> Result<OwnedFd, ScoreboardError> {
        let failed = |call| move || ScoreboardError::Call { call, source: io::Error::last_os_error() };
        // SAFETY: the name is a C string.
        let raw = unsafe {
            libc::memfd_create(c"krait-scoreboard".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING)
        };
        if raw < 0 {
            return Err(failed("memfd_create")());
        }
        // SAFETY: just opened, and owned by nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        let size = libc::off_t::try_from(size_of::<Layout>()).unwrap_or(libc::off_t::MAX);
        // SAFETY: no memory is involved.
        if unsafe { libc::ftruncate(raw, size) } < 0 {
            return Err(failed("ftruncate")());
        }
        let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
        // SAFETY: no memory is involved.
        if unsafe { libc::fcntl(raw, libc::F_ADD_SEALS, seals) } < 0 {
            return Err(failed("fcntl(F_ADD_SEALS)")());
        }
        let board = Self::map_any(fd.as_fd())?;
        board.layout().version.store(LAYOUT_VERSION, Ordering::Release);
        Ok(fd)
    }

    /// Maps an existing scoreboard.
    ///
    /// # Errors
    /// `Version` where it is not one of this build, else those of `fstat(2)` and `mmap(2)`.
    pub fn map(fd: BorrowedFd<'_>) -> Result<Scoreboard, ScoreboardError> {
        let board = Self::map_any(fd)?;
        if board.layout().version.load(Ordering::Acquire) == LAYOUT_VERSION {
            Ok(board)
        } else {
            Err(ScoreboardError::Version)
        }
    }

    fn map_any(fd: BorrowedFd<'_>) -> Result<Scoreboard, ScoreboardError> {
        let failed = |call| ScoreboardError::Call { call, source: io::Error::last_os_error() };
        // SAFETY: an all-zero stat is a valid value to be overwritten.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: `stat` is writable and of the right type.
        if unsafe { libc::fstat(fd.as_raw_fd(), &raw mut stat) } < 0 {
            return Err(failed("fstat"));
        }
        if usize::try_from(stat.st_size) != Ok(size_of::<Layout>()) {
            return Err(ScoreboardError::Version);
        }
        // SAFETY: a fresh mapping at an address of the kernel's choice, of the file's checked size.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<Layout>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(failed("mmap"));
        }
        NonNull::new(address.cast()).map(|layout| Scoreboard { layout }).ok_or_else(|| failed("mmap"))
    }

    pub(crate) fn layout(&self) -> &Layout {
        // SAFETY: the mapping is of Layout's size, page-aligned, lives as long as `self`, cannot be cut short
        // (sealed), and every bit pattern of its atomics is valid.
        unsafe { self.layout.as_ref() }
    }

    /// The part of an application that a child holds a handle on; `None` where the entry's numbers make no sense.
    /// A lease must be given back through the very pool it was taken from: the entry's numbers may change.
    #[must_use]
    pub fn pool(&self, app: AppRef) -> Option<Pool<'_>> {
        let layout = self.layout();
        let entry = layout.apps.get(app.index as usize)?;
        let range = |first: u32, count: u32| {
            let first = first as usize;
            Some(first..first.checked_add(count as usize)?)
        };
        let slots = range(entry.first_slot.load(Ordering::Acquire), entry.slots.load(Ordering::Acquire))?;
        let places = range(entry.first_place.load(Ordering::Acquire), entry.places.load(Ordering::Acquire))?;
        Some(Pool {
            app: entry,
            first_slot: u32::try_from(slots.start).ok()?,
            words: layout.words.get(slots)?,
            places: layout.places.get(places)?,
            generation: app.generation,
        })
    }

    /// Notes that a request starts on a slot, at `now_ms` monotonic milliseconds.
    pub fn note_start(&self, slot: u32, now_ms: u64) {
        if let Some(record) = self.layout().records.get(slot as usize) {
            record.started_ms.store(now_ms, Ordering::Relaxed);
        }
    }

    /// Notes that a request ended on a slot; to be called before the lease is given back.
    pub fn note_end(&self, slot: u32, now_ms: u64) {
        if let Some(record) = self.layout().records.get(slot as usize) {
            record.last_used_ms.store(now_ms, Ordering::Relaxed);
            record.started_ms.store(0, Ordering::Relaxed);
            record.requests.store(record.requests.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        }
    }

    /// End of a slot's last request, monotonic milliseconds; 0 where there was none.
    #[must_use]
    pub fn last_used_ms(&self, slot: u32) -> u64 {
        self.layout()
            .records
            .get(slot as usize)
            .map_or(0, |record| record.last_used_ms.load(Ordering::Relaxed))
    }

    /// Requests that ended on a slot since the memory was made.
    #[must_use]
    pub fn requests(&self, slot: u32) -> u64 {
        self.layout().records.get(slot as usize).map_or(0, |record| record.requests.load(Ordering::Relaxed))
    }
}

impl Drop for Scoreboard {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, of this size, and no reference outlives `self`.
        unsafe { libc::munmap(self.layout.as_ptr().cast(), size_of::<Layout>()) };
    }
}
