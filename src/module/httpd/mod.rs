//! Safe wrappers around httpd's API, one file per C type, and the entries by which httpd calls us.
//!
//! A wrapper is a pointer with the lifetime of what it points to; it is neither `Send` nor `Sync`. httpd owns the
//! memory (pools); nothing here frees what httpd made.
#![expect(unsafe_code, reason = "this is where httpd's C API is; each block says why it is sound")]

pub(crate) mod command;
mod entry;
mod guard;
pub(crate) mod input;
pub(crate) mod log;
pub(crate) mod output;
pub(crate) mod process;
mod record;
pub(crate) mod request;
pub(crate) mod section;
pub(crate) mod table;
