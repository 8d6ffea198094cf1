//! The story of a request, from top to bottom.
//!
//! 1. Is it ours? ([`crate::hooks`])
//! 2. Which application serves it, and where does it stand? ([`crate::apps`], [`crate::mount`])
//! 3. A small body is read before a slot is leased ([`crate::body`]).
//! 4. The variables are written into a frame ([`crate::environ`]).
//! 5. A slot is leased ([`crate::slot`]) and the frame sent.
//! 6. The answer is relayed ([`crate::relay`]), checked ([`crate::answer`]), and the slot given back.
//! 7. Whatever went wrong becomes a status and a log line ([`crate::failure`]).

use crate::apps::Handle;
use crate::body::{self, Source};
use crate::child::{self, Child};
use crate::environ;
use crate::failure::Failure;
use crate::hooks;
use crate::httpd::output::{self, Output, Then};
use crate::httpd::request::Request;
use crate::inbox::Inbox;
use crate::relay::Relay;
use crate::slot::{self, Leased};
use std::cell::RefCell;
use std::sync::Arc;

/// What the handler tells httpd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Somebody else's request.
    NotOurs,
    /// An answer was sent, or broken off.
    Answered,
    /// httpd shall answer with this status.
    Status(u16),
}

/// Buffers that a thread uses for one request after the other.
#[derive(Debug, Default)]
struct Buffers {
    frame: Vec<u8>,
    inbox: Inbox,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

/// A frame buffer larger than this is not kept for the next request.
const MOST_KEPT_BYTES: usize = 1 << 20;

/// Answers a request for one of our handlers.
pub(crate) fn handle(r: Request<'_>) -> Verdict {
    if !hooks::is_our_handler(r.handler()) {
        return Verdict::NotOurs;
    }
    let Some(child) = child::this() else {
        let failure = Failure::NoManager(
            "this httpd child has no scoreboard; line KRT0002 or KRT0010 says why".to_owned(),
        );
        failure.report(r, "?");
        return Verdict::Status(failure.status());
    };
    let app = match child.apps.find(r, child.server.as_ref()) {
        Ok(app) => app,
        Err(failure) => {
            failure.report(r, "?");
            return Verdict::Status(failure.status());
        }
    };
    BUFFERS.with(|buffers| match buffers.try_borrow_mut() {
        Ok(mut buffers) => serve(r, child, &app, &mut buffers),
        // A filter made a sub-request for an application while an answer of another is passed on.
        Err(_) => serve(r, child, &app, &mut Buffers::default()),
    })
}

fn serve(r: Request<'_>, child: &Child, app: &Arc<Handle>, buffers: &mut Buffers) -> Verdict {
    let Buffers { frame, inbox } = buffers;
    let verdict = match prepare(r, child, app, frame) {
        Ok((mut body, slot)) => converse(r, app, inbox, slot, &mut body),
        Err(failure) => {
            failure.report(r, &app.name);
            Verdict::Status(failure.status())
        }
    };
    if frame.capacity() > MOST_KEPT_BYTES {
        *frame = Vec::new();
    }
    verdict
}

/// Everything up to the moment when the request is with a worker.
fn prepare<'r, 'c>(
    r: Request<'r>,
    child: &'c Child,
    app: &Handle,
    frame: &mut Vec<u8>,
) -> Result<(Source<'r>, Leased<'c>), Failure> {
    let body = Source::new(r)?;
    environ::write(r, child.next_request(), app.split(r), body.announce(), frame)
        .map_err(|error| Failure::TooLarge(error.to_string()))?;
    for _ in 0..TRIES {
        let slot = slot::lease(child, app)?;
        let Some(end) = slot.end() else { continue };
        match body::send_first(end, frame) {
            Ok(sent) => {
                let rest = frame.get(sent..).unwrap_or_default();
                body::send_all(end, rest, &[]).map_err(|_| Failure::WorkerGone)?;
                return Ok((body, slot));
            }
            // No byte of the request reached the worker, which has just died: another one can have it.
            Err(_) => continue,
        }
    }
    Err(Failure::WorkerGone)
}

/// How often a request that no worker has seen is tried again.
const TRIES: usize = 3;

fn converse<'r>(
    r: Request<'r>,
    app: &Handle,
    inbox: &mut Inbox,
    slot: Leased<'_>,
    body: &mut Source<'r>,
) -> Verdict {
    let mut relay = match Relay::new(r, &app.rules, inbox) {
        Ok(relay) => relay,
        Err(failure) => return Verdict::Status(failure.status()),
    };
    let Err(failure) = relay.run(slot, body) else { return Verdict::Answered };
    // A body that httpd refused (413, 408) decides the status, whatever the application made of it.
    let failure = match body.refused {
        Some(status) if !relay.fail() => Failure::Body(status),
        _ => failure,
    };
    failure.report(r, &app.name);
    if relay.fail() || matches!(failure, Failure::ClientGone) {
        return Verdict::Answered;
    }
    if app.rules.debug && matches!(failure, Failure::Application) && !relay.logged.is_empty() {
        return debug_page(r, &relay.logged);
    }
    Verdict::Status(failure.status())
}

/// The page of `KraitDebug On`.
fn debug_page(r: Request<'_>, logged: &[u8]) -> Verdict {
    let Some(mut output) = Output::new(r) else { return Verdict::Status(500) };
    let text = output::escape(r, logged);
    r.set_status(500, b"");
    r.set_content_type(Some(b"text/html; charset=utf-8"));
    let parts: [&[u8]; 3] = [
        b"<!doctype html><title>Internal Server Error</title><h1>The application failed</h1><pre>",
        &text,
        b"</pre>\n",
    ];
    // Where the client is gone there is nobody to tell.
    output.pass(&parts, Then::End).ok();
    Verdict::Answered
}
