//! Linux and privileged calls, one kernel facility per file. Everything here returns errors and never logs.
#![expect(unsafe_code, reason = "this crate is where the system calls are; each block says why it is sound")]
#![warn(missing_docs)]

pub mod socket;
