//! Which URLs are ours: small decisions before the handler runs.

use crate::httpd::request::Request;
use krait_config::Mount;

/// The handler names that are ours.
pub(crate) fn is_our_handler(name: &[u8]) -> bool {
    name == b"krait" || name == b"wsgi-script"
}

/// Whether a URL that no alias, redirect or rewrite claimed belongs to an application of a Location or server: then
/// it is mapped to nothing, and httpd looks for no file.
pub(crate) fn claims(r: Request<'_>) -> bool {
    if !r.uri().starts_with(b"/") {
        return false;
    }
    let Some(app) = r.sections().app() else { return false };
    if matches!(app.mount, Mount::Directory(_)) {
        return false;
    }
    let configured = r.configured_handler();
    if !configured.is_empty() && !is_our_handler(configured) {
        return false;
    }
    r.claim(b"krait:application");
    true
}

/// Gives a place with `KraitApp` our handler, unless configuration chose another or an alias claimed the URL.
pub(crate) fn choose_handler(r: Request<'_>) {
    if is_our_handler(r.handler()) {
        if r.sections().app().is_some() {
            r.take_over();
        }
        return;
    }
    let Some(app) = r.sections().app() else { return };
    let is_ours = r.is_claimed() || matches!(app.mount, Mount::Directory(_));
    if is_ours && r.configured_handler().is_empty() {
        r.take_over();
    }
}
