//! `mod_krait.so`: the part of mod_krait that lives in httpd.
//!
//! It reads the directives, starts the manager, and passes each request over a slot to a Python worker. It contains
//! no Python, and nothing in the request path waits without a deadline. The story of a request is told by
//! [`handler`] from top to bottom; httpd itself is reached only through [`httpd`].

mod answer;
mod apps;
mod body;
mod channel;
mod child;
mod config;
mod daemon;
mod environ;
mod failure;
mod ffi;
mod handler;
mod hooks;
mod httpd;
mod inbox;
mod mount;
mod relay;
mod slot;
