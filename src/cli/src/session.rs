//! From start to stop as a state machine: what happened comes in, what to do comes out. No I/O, and the caller's clock.

use crate::error::CliError;
use crate::log::{LogLine, after_tag};
use crate::render::GRACE_SECONDS;
use krait_sys::wait::Ending;
use std::time::{Duration, Instant};

/// The manager tells that an application can answer. // tag reference
const READY: &str = "KRT0310";
/// The manager tells that one could not be started. // tag reference
const FAILED: &str = "KRT0311";
/// One line of the details after it. // tag reference
const DETAIL: &str = "KRT0312";
/// The module tells that no application, or not this one, is served: there is no manager, or nothing to tell it.
const UNSERVED: [&str; 6] = [
    "KRT0010", // tag reference
    "KRT0011", // tag reference
    "KRT0012", // tag reference
    "KRT0014", // tag reference
    "KRT0015", // tag reference
    "KRT0016", // tag reference
];
/// Lines that the application printed. // tag reference
const OUTPUT: [&str; 2] = ["KRT0325", "KRT0326"];

/// What every MPM of httpd notes once it answers connections and signals.
const RESUMED: &str = "resuming normal operations";
/// httpd's message for an address that it could not bind.
const NOT_BOUND: &str = "AH00072";

/// httpd stops itself by then; a moment more, so that it is the one to do it.
const GRACE: Duration = Duration::from_secs(GRACE_SECONDS + 2);
/// httpd gives children of its own up to about ten seconds.
const TERMINATION: Duration = Duration::from_secs(12);
/// A failure's report is complete when no line of it came for so long.
const REPORT_PAUSE: Duration = Duration::from_millis(300);

/// What happened.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// A line on httpd's standard error.
    Line(&'a str),
    /// Ctrl-C or SIGTERM.
    Stop,
    /// SIGHUP.
    Restart,
    /// httpd's parent process is gone.
    HttpdEnded(Ending),
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Show a line as it is.
    Show(String),
    /// Say it in krait's name.
    Say(String),
    /// Send httpd a signal.
    Signal(Signal),
}

/// httpd's own meanings of signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Finish running requests, then stop.
    GracefulStop,
    /// Finish running requests with the old configuration, take new ones with the new.
    GracefulRestart,
    /// Stop now.
    Stop,
    /// For the whole process group: no choice.
    Kill,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// httpd reads its configuration, or the application is not ready yet.
    Starting,
    Serving,
    /// The application could not be started; the rest of the report is coming.
    Failing {
        complete_at: Instant,
    },
    /// This was sent; the next harder one follows when the time is over.
    Stopping {
        sent: Signal,
        until: Instant,
    },
    Ended,
}

/// One run of httpd.
#[derive(Debug)]
pub(crate) struct Session {
    /// The application, as the person at the terminal calls it.
    name: String,
    /// As `KraitApp` and so the manager call it.
    directive: String,
    /// The text after "serving NAME at".
    place: String,
    /// `false`: no process is to be started before a request comes, so nothing tells when the application is ready.
    expects_ready: bool,
    verbose: bool,
    phase: Phase,
    /// httpd answers signals.
    resumed: bool,
    app_failed: bool,
    not_bound: bool,
    ending: Option<Ending>,
    /// Set when httpd ended without having been told to.
    ended_in: Option<Phase>,
}

impl Session {
    pub(crate) fn new(
        name: &str,
        directive: &str,
        place: &str,
        expects_ready: bool,
        verbose: bool,
    ) -> Session {
        Session {
            name: name.to_owned(),
            directive: directive.to_owned(),
            place: place.to_owned(),
            expects_ready,
            verbose,
            phase: Phase::Starting,
            resumed: false,
            app_failed: false,
            not_bound: false,
            ending: None,
            ended_in: None,
        }
    }

    /// When [`Session::tick`] is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Failing { complete_at } => Some(complete_at),
            Phase::Stopping { until, .. } => Some(until),
            Phase::Starting | Phase::Serving | Phase::Ended => None,
        }
    }

    /// Takes in what happened.
    pub(crate) fn on(&mut self, event: &Event<'_>, now: Instant) -> Vec<Action> {
        match event {
            Event::Line(line) => self.on_line(line, now),
            Event::Stop => self.on_stop(now),
            Event::Restart if self.resumed && matches!(self.phase, Phase::Starting | Phase::Serving) => {
                vec![Action::Signal(Signal::GracefulRestart)]
            }
            Event::Restart => Vec::new(),
            Event::HttpdEnded(ending) => {
                self.ending = Some(*ending);
                self.ended_in = Some(self.phase);
                self.phase = Phase::Ended;
                Vec::new()
            }
        }
    }

    /// Takes in that the deadline has passed.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<Action> {
        match self.phase {
            Phase::Failing { complete_at } if now >= complete_at => self.send(Signal::Stop, now),
            Phase::Stopping { sent: Signal::GracefulStop, until } if now >= until => {
                let mut actions = vec![Action::Say(
                    "requests are still running after the grace time; stopping now".to_owned(),
                )];
                actions.extend(self.send(Signal::Stop, now));
                actions
            }
            Phase::Stopping { sent: Signal::Stop, until } if now >= until => self.send(Signal::Kill, now),
            // Nothing stronger exists; a process in the kernel's hands may take its time.
            Phase::Stopping { sent: Signal::Kill, until } if now >= until => self.send(Signal::Kill, now),
            _ => Vec::new(),
        }
    }

    fn on_line(&mut self, line: &str, now: Instant) -> Vec<Action> {
        if line.contains(RESUMED) {
            self.resumed = true;
            if self.phase == Phase::Starting && !self.expects_ready {
                return self.serve(line);
            }
        }
        self.not_bound |= line.contains(NOT_BOUND);
        match self.phase {
            Phase::Starting => {
                if self.about_us(line, READY).is_some_and(|text| text.starts_with("is ready")) {
                    return self.serve(line);
                }
                if let Some(text) = self.failure(line) {
                    self.app_failed = true;
                    self.phase = Phase::Failing { complete_at: now + REPORT_PAUSE };
                    return vec![Action::Say(text)];
                }
            }
            Phase::Failing { .. } => {
                if let Some(text) = self.about_us(line, DETAIL) {
                    self.phase = Phase::Failing { complete_at: now + REPORT_PAUSE };
                    return vec![Action::Show(text)];
                }
            }
            Phase::Serving | Phase::Stopping { .. } | Phase::Ended => {}
        }
        // Once is enough, whoever else reports the same failure or tries again.
        let is_repeated =
            self.app_failed && [READY, FAILED, DETAIL].iter().any(|tag| after_tag(line, tag).is_some());
        if self.verbose {
            return vec![Action::Show(line.to_owned())];
        }
        if let Some(printed) = OUTPUT.iter().find_map(|tag| self.about_us(line, tag)) {
            return vec![Action::Show(printed)];
        }
        match LogLine::parse(line) {
            _ if is_repeated => Vec::new(),
            Some(parsed) if parsed.is_routine() => Vec::new(),
            Some(parsed) => vec![Action::Show(parsed.short())],
            None => vec![Action::Show(line.to_owned())],
        }
    }

    /// Why this application will not be ready, if the line says so.
    fn failure(&self, line: &str) -> Option<String> {
        let tag = std::iter::once(FAILED).chain(UNSERVED).find(|tag| line.contains(tag))?;
        let text = after_tag(line, tag)?;
        (!text.starts_with("application '") || self.about_us(line, tag).is_some()).then_some(text)
    }

    /// What a tagged line says about this application; included files may bring others.
    fn about_us(&self, line: &str, tag: &str) -> Option<String> {
        let text = after_tag(line, tag)?;
        let text = text.strip_prefix("application '")?.strip_prefix(&self.directive)?.strip_prefix('\'')?;
        Some(
            text.strip_prefix([':', ' '])
                .map_or(text, |rest| rest.strip_prefix(' ').unwrap_or(rest))
                .to_owned(),
        )
    }

    fn serve(&mut self, line: &str) -> Vec<Action> {
        self.phase = Phase::Serving;
        let mut actions = Vec::new();
        if self.verbose {
            actions.push(Action::Show(line.to_owned()));
        }
        actions.push(Action::Say(format!("serving '{}' at {} (Ctrl-C stops)", self.name, self.place)));
        actions
    }

    fn on_stop(&mut self, now: Instant) -> Vec<Action> {
        match self.phase {
            // Before it handles the graceful signal, httpd ignores it.
            Phase::Starting if !self.resumed => self.send(Signal::Stop, now),
            Phase::Starting | Phase::Serving => self.send(Signal::GracefulStop, now),
            Phase::Failing { .. } | Phase::Stopping { sent: Signal::GracefulStop, .. } => {
                self.send(Signal::Stop, now)
            }
            Phase::Stopping { .. } => self.send(Signal::Kill, now),
            Phase::Ended => Vec::new(),
        }
    }

    fn send(&mut self, signal: Signal, now: Instant) -> Vec<Action> {
        let wait = if signal == Signal::GracefulStop { GRACE } else { TERMINATION };
        self.phase = Phase::Stopping { sent: signal, until: now + wait };
        vec![Action::Signal(signal)]
    }

    /// How the run ended, for the exit code.
    pub(crate) fn outcome(&self) -> Result<(), CliError> {
        if self.app_failed {
            return Err(CliError::AlreadyTold);
        }
        let ending = self.ending.map_or_else(|| "ended".to_owned(), |ending| ending.to_string());
        match self.ended_in {
            Some(Phase::Stopping { sent: Signal::Kill, .. }) => Err(CliError::failure(
                "httpd did not stop and was killed; what it was doing stands in the log above",
            )),
            Some(Phase::Starting) if self.not_bound => Err(CliError::failure(format!(
                "cannot listen at {}: another program took the address; choose another with --listen",
                self.place
            ))),
            Some(Phase::Starting) if !self.resumed => Err(CliError::failure(format!(
                "httpd could not start: it {ending}; its reason stands above, and --print-config shows its configuration"
            ))),
            Some(Phase::Starting | Phase::Serving) if self.ending != Some(Ending::Exited(0)) => {
                Err(CliError::failure(format!("httpd {ending}; look for its reason in the log above")))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESUMING: &str = "[Sat Nov 21 02:53:33.123456 2026] [mpm_event:notice] [pid 1] AH00489: Apache/2.4 configured -- resuming normal operations";
    const IS_READY: &str = "[Sat Nov 21 02:53:33.123456 2026] [krait:notice] [pid 1] KRT0310: application 'a:b' is ready (1 worker, 2 ms)";
    const HAS_FAILED: &str = "[Sat Nov 21 02:53:33.123456 2026] [krait:error] [pid 1] KRT0311: application 'a:b' could not be started: step import: x";

    fn session() -> Session {
        Session::new("typed", "a:b", "http://h/", true, false)
    }

    fn line(session: &mut Session, text: &str) -> Vec<Action> {
        session.on(&Event::Line(text), Instant::now())
    }

    #[test]
    fn a_clean_run() {
        let (mut session, now) = (session(), Instant::now());
        assert_eq!(line(&mut session, RESUMING), []);
        assert_eq!(line(&mut session, "KRT0310: application 'other' is ready").len(), 1);
        assert_eq!(session.phase, Phase::Starting);
        assert_eq!(
            line(&mut session, IS_READY),
            [Action::Say("serving 'typed' at http://h/ (Ctrl-C stops)".to_owned())]
        );
        assert_eq!(line(&mut session, "KRT0310: application 'other' is ready").len(), 1);
        assert_eq!(session.on(&Event::Restart, now), [Action::Signal(Signal::GracefulRestart)]);
        assert_eq!(session.on(&Event::Stop, now), [Action::Signal(Signal::GracefulStop)]);
        assert_eq!(session.on(&Event::Restart, now), []);
        session.on(&Event::HttpdEnded(Ending::Exited(0)), now);
        assert!(session.outcome().is_ok());
        assert_eq!(session.deadline(), None);
    }

    #[test]
    fn an_import_error_is_told_once_and_ends_the_run() {
        let (mut session, now) = (session(), Instant::now());
        line(&mut session, RESUMING);
        assert_eq!(
            line(&mut session, HAS_FAILED),
            [Action::Say("application 'a:b' could not be started: step import: x".to_owned())]
        );
        assert_eq!(
            line(&mut session, "KRT0312: application 'a:b':   File x"),
            [Action::Show("  File x".to_owned())]
        );
        let due = session.deadline().unwrap();
        assert_eq!(session.tick(now), []);
        assert_eq!(session.tick(due), [Action::Signal(Signal::Stop)]);
        assert_eq!(line(&mut session, HAS_FAILED), []);
        assert_eq!(line(&mut session, "KRT0312: application 'a:b': again"), []);
        session.on(&Event::HttpdEnded(Ending::Exited(0)), now);
        assert!(matches!(session.outcome(), Err(CliError::AlreadyTold)));
    }

    #[test]
    fn without_a_manager_there_is_nothing_to_wait_for() {
        let mut session = session();
        line(&mut session, RESUMING);
        assert!(matches!(
            line(&mut session, "KRT0012: application 'c' is not usable").as_slice(),
            [Action::Show(_)]
        ));
        let said = line(&mut session, "KRT0014: the manager '/x' cannot be started");
        assert_eq!(said, [Action::Say("the manager '/x' cannot be started".to_owned())]);
        assert!(session.outcome().is_err());
    }

    #[test]
    fn a_failure_after_the_first_success_is_only_logged() {
        let mut session = session();
        line(&mut session, RESUMING);
        line(&mut session, IS_READY);
        assert_eq!(
            line(&mut session, HAS_FAILED),
            [Action::Show(LogLine::parse(HAS_FAILED).unwrap().short())]
        );
        assert_eq!(session.phase, Phase::Serving);
    }

    #[test]
    fn patience_ends_step_by_step() {
        let mut session = session();
        line(&mut session, RESUMING);
        line(&mut session, IS_READY);
        session.on(&Event::Stop, Instant::now());
        let due = session.deadline().unwrap();
        assert!(session.tick(due).contains(&Action::Signal(Signal::Stop)));
        let due = session.deadline().unwrap();
        assert_eq!(session.tick(due), [Action::Signal(Signal::Kill)]);
        session.on(&Event::HttpdEnded(Ending::Signalled(9)), due);
        assert!(session.outcome().is_err());
    }

    #[test]
    fn impatience_skips_the_waiting() {
        let (mut session, now) = (session(), Instant::now());
        line(&mut session, RESUMING);
        for signal in [Signal::GracefulStop, Signal::Stop, Signal::Kill, Signal::Kill] {
            assert_eq!(session.on(&Event::Stop, now), [Action::Signal(signal)]);
        }
    }

    #[test]
    fn before_httpd_handles_signals_only_the_plain_stop_works() {
        let (mut session, now) = (session(), Instant::now());
        assert_eq!(session.on(&Event::Restart, now), []);
        assert_eq!(session.on(&Event::Stop, now), [Action::Signal(Signal::Stop)]);
        session.on(&Event::HttpdEnded(Ending::Signalled(15)), now);
        assert!(session.outcome().is_ok());
    }

    #[test]
    fn without_a_process_to_wait_for_httpd_is_enough() {
        let mut session = Session::new("typed", "a:b", "http://h/", false, false);
        assert!(matches!(line(&mut session, RESUMING).as_slice(), [Action::Say(_)]));
    }

    #[test]
    fn an_httpd_that_does_not_start_is_a_failure() {
        let mut session = session();
        let message =
            "(98)Address already in use: AH00072: make_sock: could not bind to address 127.0.0.1:8000";
        assert_eq!(line(&mut session, message), [Action::Show(message.to_owned())]);
        session.on(&Event::HttpdEnded(Ending::Exited(1)), Instant::now());
        assert!(session.outcome().unwrap_err().to_string().contains("another program"));
        let mut session = self::session();
        session.on(&Event::HttpdEnded(Ending::Exited(1)), Instant::now());
        assert!(session.outcome().unwrap_err().to_string().contains("exited with status 1"));
    }
}
