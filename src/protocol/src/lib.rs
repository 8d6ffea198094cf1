//! What mod_krait's processes say to each other, and the limits on it.
//!
//! Three conversations, each on its own socketpair:
//! - [`frame`], [`request`] and [`answer`]: the request and its answer between httpd child and worker (`SOCK_STREAM`);
//! - [`control`]: short messages between parent, children, manager, zygotes and workers (`SOCK_SEQPACKET`);
//! - [`start`]: how a Python process is to be started, and how a failed start is reported.
//!
//! This crate does no I/O and contains no `unsafe`. Decoders never panic and never allocate beyond [`limits`].
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod answer;
pub mod control;
mod cursor;
pub mod error;
pub mod frame;
pub mod limits;
pub mod names;
pub mod request;
pub mod start;

pub use error::ProtocolError;
