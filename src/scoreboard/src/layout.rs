//! What lies where in the memory: a header and fixed tables of applications, slots, queue places and children.
//! All of it is atomics, and all-zero bytes are an empty scoreboard.

use crate::atomic::{AtomicU32, AtomicU64};
use crate::event::Event;

/// Most applications with an entry at a time.
pub const MAX_APPS: usize = 4096;
/// Most slots of all applications.
pub const MAX_SLOTS: usize = 16384;
/// Most queue places of all applications.
pub const MAX_PLACES: usize = 262_144;
/// Most httpd children at a time.
pub const MAX_CHILDREN: usize = 4096;
/// Words of an application's mask of waiting places; bounds its queue to 64 times as many.
pub const WAITING_WORDS: usize = 16;

/// Grows with every change of this layout, so that a new program does not misread an old memory.
pub const LAYOUT_VERSION: u32 = 1;

/// An application's life as children see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum AppState {
    /// No entry, or no longer one.
    Gone = 0,
    /// A start is under way: wait in the queue.
    Starting = 1,
    /// Workers serve it, or will on demand.
    Ready = 2,
    /// The last start failed: do not wait; see [`App::retry_at_ms`].
    Failed = 3,
}

impl AppState {
    /// The state of any number; an unknown one reads as `Gone`.
    #[must_use]
    pub const fn from_bits(bits: u32) -> AppState {
        match bits {
            1 => AppState::Starting,
            2 => AppState::Ready,
            3 => AppState::Failed,
            _ => AppState::Gone,
        }
    }
}

/// One application's entry.
#[derive(Debug)]
#[cfg_attr(not(loom), repr(C, align(64)))]
pub struct App {
    /// Grows whenever the entry changes hands; a handle with an older one is void.
    pub(crate) generation: AtomicU32,
    /// [`AppState`].
    pub(crate) state: AtomicU32,
    /// First index and number of its slots.
    pub(crate) first_slot: AtomicU32,
    pub(crate) slots: AtomicU32,
    /// First index and number of its queue places.
    pub(crate) first_place: AtomicU32,
    pub(crate) places: AtomicU32,
    /// 1 once a child has told the manager that a request waits; the manager sets it back to 0 to hear it again.
    pub(crate) demand: AtomicU32,
    /// Counts slots that became idle while somebody waited, and changes of state.
    pub(crate) event: Event,
    /// While `Failed`: when the manager will try again, monotonic milliseconds.
    pub(crate) retry_at_ms: AtomicU64,
    /// One bit per place: somebody waits there.
    pub(crate) waiting: [AtomicU64; WAITING_WORDS],
}

/// What is known about a slot besides its word. Only its present owner writes it.
#[derive(Debug)]
#[cfg_attr(not(loom), repr(C, align(64)))]
pub struct SlotRecord {
    /// End of the last request, monotonic milliseconds.
    pub(crate) last_used_ms: AtomicU64,
    /// Start of the present request, 0 when idle, monotonic milliseconds.
    pub(crate) started_ms: AtomicU64,
    /// Requests so far.
    pub(crate) requests: AtomicU64,
}

/// A httpd child.
#[derive(Debug)]
#[cfg_attr(not(loom), repr(C))]
pub struct Child {
    /// Its process id; 0: the entry is free.
    pub(crate) pid: AtomicU32,
}

/// The whole memory.
#[cfg(not(loom))]
#[derive(Debug)]
#[repr(C)]
pub struct Layout {
    pub(crate) version: AtomicU32,
    pub(crate) apps: [App; MAX_APPS],
    pub(crate) words: [AtomicU64; MAX_SLOTS],
    pub(crate) records: [SlotRecord; MAX_SLOTS],
    pub(crate) places: [AtomicU32; MAX_PLACES],
    pub(crate) children: [Child; MAX_CHILDREN],
}
