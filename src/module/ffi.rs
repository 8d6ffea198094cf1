//! httpd's API as bindgen reads it from the headers of this machine. Used by [`crate::httpd`] only.
#![expect(
    unsafe_code,
    non_camel_case_types,
    non_upper_case_globals,
    unreachable_pub,
    clippy::all,
    clippy::ptr_as_ptr,
    clippy::undocumented_unsafe_blocks,
    reason = "generated code"
)]
#![allow(dead_code, unused_qualifications, reason = "generated code")]

include!(concat!(env!("OUT_DIR"), "/httpd.rs"));
