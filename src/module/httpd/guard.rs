//! The border that no panic crosses: unwinding into C would abort the httpd child and every request in it.

use super::log;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs what httpd called us for; a panic is logged and becomes `fallback`.
pub(super) fn guard<T>(entry: &str, fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|cause| {
        let text = cause
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| cause.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        log::server(
            log::Level::Critical,
            &format!("KRT0001: internal error in {entry}: {text}; please report it with this line"),
        );
        fallback
    })
}
