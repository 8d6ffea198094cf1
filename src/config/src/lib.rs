//! Configuration: the one table of directives, what was typed, and what it means.
//!
//! Three stages, each a module: [`directives`] says which directives exist, [`layer`] holds what one section of
//! httpd's configuration says, and [`spec`] turns a stack of layers into the immutable description of an
//! application that the manager starts. Nothing here does I/O: whoever calls brings file contents, user lookups and
//! paths along.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod directives;
pub mod layer;
mod parse;
pub mod spec;
pub mod target;

pub use directives::{DIRECTIVES, Directive, Id, Place};
pub use layer::{Context, Layer, Mount};
pub use spec::{AppSpec, Effective};
