//! The scoreboard: the memory that httpd children and the manager share.
//!
//! It says which slots exist, which are idle, who leases the others, and who waits. A request takes a slot with one
//! compare-and-swap ([`pool`]), waits on a futex when there is none, and gives it back with another. A slot's word
//! ([`word`]) holds state, owner and generation together, so a lease and its owner appear in one instruction, and a
//! child that dies at any instruction leaves nothing that the manager cannot take back by the child's number.
//!
//! Everybody who maps the memory may write anything into it. So every index read from it is checked before use, and
//! the manager keeps what it must rely on (which range belongs to which application) in memory of its own
//! ([`manager`]).
#![expect(unsafe_code, reason = "maps memory and calls futex(2); each block says why it is sound")]
#![warn(missing_docs)]
#![cfg_attr(loom, allow(dead_code, unfulfilled_lint_expectations, reason = "loom sees the pool only"))]

mod atomic;
pub mod event;
pub mod layout;
#[cfg(not(loom))]
pub mod manager;
#[cfg(not(loom))]
pub mod memory;
pub mod pool;
pub mod word;

#[cfg(not(loom))]
pub use manager::Ledger;
#[cfg(not(loom))]
pub use memory::Scoreboard;
