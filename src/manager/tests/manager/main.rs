//! kraitd as a whole: real processes, a real Python, and a stand-in for httpd.
#![expect(
    clippy::tests_outside_test_module,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "this is all test"
)]

mod child;
mod crashes;
mod hostile;
mod httpd;
mod identity;
mod life;
mod processes;
mod starts;
