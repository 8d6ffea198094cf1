//! Why a request got no answer of its application: each cause has its status and its log line.

use crate::httpd::log::{self, Level};
use crate::httpd::request::Request;
use std::time::Duration;

/// Why, and with what.
#[derive(Debug)]
pub(crate) enum Failure {
    /// httpd runs without a manager, or it does not answer.
    NoManager(String),
    /// The manager refuses the application.
    Refused(String),
    /// The configuration makes no application.
    Misconfigured(String),
    /// The script that the URL names is not there.
    NoScript,
    /// The application could not be started; the manager has logged why.
    StartFailed,
    /// It could not be started a moment ago, and will be tried again after this time.
    BackingOff(Duration),
    /// Every place in the queue is taken.
    QueueFull,
    /// No worker became free in time.
    QueueTimeout(Duration),
    /// The request is larger than can be passed on.
    TooLarge(String),
    /// The client's body cannot be read: the status httpd gives it.
    Body(u16),
    /// The worker went away before it answered.
    WorkerGone,
    /// The worker broke the protocol.
    Protocol(String),
    /// The worker was silent for too long.
    Deadline(Duration),
    /// The application raised; it has logged why. With `KraitDebug`, what it logged.
    Application,
    /// The client is gone.
    ClientGone,
}

/// The manager could not be asked.
pub(crate) fn no_manager(error: &std::io::Error) -> Failure {
    Failure::NoManager(format!("the manager kraitd does not answer: {error}"))
}

/// What a client is told to wait before it tries again, in seconds.
const RETRY_AFTER_SECONDS: u64 = 5;

impl Failure {
    /// The HTTP status that says it.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Failure::NoManager(_)
            | Failure::BackingOff(_)
            | Failure::QueueFull
            | Failure::QueueTimeout(_)
            | Failure::Refused(_) => 503,
            Failure::StartFailed | Failure::Misconfigured(_) | Failure::Application => 500,
            Failure::NoScript => 404,
            Failure::TooLarge(_) => 431,
            Failure::Body(status) => *status,
            Failure::WorkerGone | Failure::Protocol(_) => 502,
            Failure::Deadline(_) => 504,
            Failure::ClientGone => 499,
        }
    }

    /// Writes the line that says it and sets `Retry-After` where it makes sense.
    pub(crate) fn report(&self, r: Request<'_>, app: &str) {
        let wait = match self {
            Failure::BackingOff(left) => Some(left.as_secs().max(1)),
            _ if self.status() == 503 => Some(RETRY_AFTER_SECONDS),
            _ => None,
        };
        if let (Some(seconds), Some(headers)) = (wait, r.error_headers_out()) {
            headers.set(c"Retry-After", seconds.to_string().as_bytes());
        }
        let error = |text: String| log::request(r, Level::Error, &text);
        match self {
            Failure::NoManager(why) => {
                error(format!("KRT0020: application '{app}' is not served: {why}"));
            }
            Failure::Refused(why) => error(format!("KRT0021: application '{app}' is refused: {why}")),
            Failure::Misconfigured(why) => {
                error(format!("KRT0022: application '{app}' is not usable: {why}"));
            }
            Failure::NoScript => log::request(
                r,
                Level::Info,
                &format!("KRT0032: there is no script '{}'", String::from_utf8_lossy(r.filename())),
            ),
            Failure::StartFailed => log::request(
                r,
                Level::Error,
                &format!(
                    "KRT0023: application '{app}' could not be started; the lines KRT0311 and KRT0312 say why"
                ),
            ),
            Failure::BackingOff(left) => log::request(
                r,
                Level::Warning,
                &format!(
                    "KRT0024: application '{app}' could not be started and is tried again in {} s; line KRT0311 says \
                     why",
                    left.as_secs_f32().ceil()
                ),
            ),
            Failure::QueueFull => log::request(
                r,
                Level::Error,
                &format!(
                    "KRT0025: the queue of application '{app}' is full; raise KraitProcesses if the machine has room, \
                     or KraitQueue"
                ),
            ),
            Failure::QueueTimeout(time) => error(format!(
                "KRT0026: no worker of application '{app}' became free within {} s (KraitQueueTimeout)",
                time.as_secs_f32()
            )),
            Failure::TooLarge(why) => error(format!("KRT0027: the request cannot be passed on: {why}")),
            Failure::Body(status) => {
                log::request(
                    r,
                    Level::Info,
                    &format!("KRT0028: the request body cannot be read (status {status})"),
                );
            }
            Failure::WorkerGone => error(format!(
                "KRT0029: the worker of application '{app}' ended before it answered; the manager's lines around \
                 this one say how"
            )),
            Failure::Protocol(why) => {
                error(format!(
                    "KRT0030: the worker of application '{app}' broke the protocol: {why}; it is replaced"
                ));
            }
            Failure::Deadline(time) => error(format!(
                "KRT0031: application '{app}' did not answer within {} s (KraitRequestTimeout); its worker is replaced",
                time.as_secs_f32()
            )),
            Failure::Application | Failure::ClientGone => {}
        }
    }
}
