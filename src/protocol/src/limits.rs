//! Upper bounds of everything that crosses a socketpair. A peer that exceeds one has broken the protocol.

/// Version of every message in this crate. Peers of different versions refuse each other.
pub const VERSION: u16 = 1;

/// Bytes of the header before each frame's payload.
pub const FRAME_HEADER_BYTES: usize = 8;
/// Largest payload of a `REQUEST` frame: variables and an inline body together.
pub const MAX_REQUEST_BYTES: usize = 8 << 20;
/// Largest payload of a `HEAD` frame.
pub const MAX_HEAD_BYTES: usize = 4 << 20;
/// Largest payload of a `DATA` or `BODY` frame.
pub const MAX_DATA_BYTES: usize = 1 << 20;
/// Largest payload of a `LOG` frame; longer lines are cut into several.
pub const MAX_LOG_BYTES: usize = 16 << 10;
/// Payload of the small fixed frames (`READ`, `FILE`, `END`).
pub const MAX_SMALL_BYTES: usize = 64;

/// Most variables in one request.
pub const MAX_VARIABLES: usize = 4096;
/// Longest name of a variable, in bytes.
pub const MAX_NAME_BYTES: usize = 16 << 10;
/// Most response headers in one answer.
pub const MAX_HEADERS: usize = 1024;
/// Longest reason phrase, in bytes.
pub const MAX_REASON_BYTES: usize = 1024;

/// A request body of at most this many bytes travels inside the `REQUEST` frame.
pub const MAX_INLINE_BODY_BYTES: usize = 64 << 10;

/// Largest control message, in bytes.
pub const MAX_CONTROL_BYTES: usize = 128 << 10;
/// Longest text (summary, traceback, standard error) in a start failure, in bytes.
pub const MAX_FAILURE_TEXT_BYTES: usize = 32 << 10;
/// Most slots (threads) of one worker: they travel as descriptors in one message (Linux allows 253).
pub const MAX_THREADS: u32 = 128;
/// Most workers of one application.
pub const MAX_PROCESSES: u32 = 256;
/// Most slots of one application.
pub const MAX_SLOTS: u32 = 1024;
/// Longest queue of one application, in requests.
pub const MAX_QUEUE: u32 = 1024;
