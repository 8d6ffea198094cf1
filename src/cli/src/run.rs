//! `krait serve`: starts httpd with the generated configuration and stays until nothing of it is left.

use crate::args::ServeArgs;
use crate::error::CliError;
use crate::log;
use crate::render;
use crate::session::{Action, Event, Session, Signal};
use crate::settings::Settings;
use crate::state::{self, StateDir};
use krait_sys::parent_death;
use krait_sys::pidfd::Process;
use krait_sys::process;
use krait_sys::wait::{self, Reaped};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGKILL, SIGTERM, SIGUSR1, SIGWINCH};
use signal_hook::iterator::Signals;
use std::fs;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// After httpd has ended, the manager drains and ends by itself within this time.
const MANAGER_LEAVES: Duration = Duration::from_secs(6);
/// A killed process is gone within this time, unless the kernel holds it.
const KILLED_LEAVE: Duration = Duration::from_secs(3);
/// How often children are looked for without having heard of one.
const LOOK_AROUND: Duration = Duration::from_millis(500);

/// What the threads that wait for something tell the main one.
#[derive(Debug)]
enum Message {
    Line(String),
    Signal(i32),
}

/// Runs `krait serve`.
pub(crate) fn serve(args: &ServeArgs) -> Result<(), CliError> {
    let settings = Settings::resolve(args)?;
    if args.print_config {
        log::print(render::render(&settings, &state::imagined(&settings), false)?.as_bytes());
        return Ok(());
    }
    settings.check_installation()?;
    let (sender, messages) = mpsc::channel();
    // First of all, so that no signal finds files without somebody to remove them.
    listen_for_signals(&sender)?;
    process::adopt_orphans().map_err(|error| system("become the parent of httpd's orphans", &error))?;
    let state = StateDir::create(&settings)?;
    state.write_config(&render::render(&settings, state.path(), true)?)?;
    let httpd = start_httpd(&settings, &state, sender)?;
    log::say(&format!(
        "starting '{}' with {}, MPM {}",
        settings.name,
        settings.httpd.version,
        settings.mpm.name()
    ));
    let result =
        Run { httpd, session: session(&settings), messages, had_terminal: std::io::stderr().is_terminal() }
            .run();
    drop(state);
    result
}

fn session(settings: &Settings) -> Session {
    let url = settings.endpoint.url(settings.mount.as_str());
    let place = if settings.endpoint.everywhere { format!("{url} and on every interface") } else { url };
    let expects_ready = settings.processes.min > 0;
    Session::new(&settings.name, &settings.app.directive(), &place, expects_ready, settings.verbose)
}

fn system(action: &str, error: &std::io::Error) -> CliError {
    CliError::failure(format!("cannot {action}: {error}; this is not expected on Linux, please report it"))
}

fn listen_for_signals(sender: &Sender<Message>) -> Result<(), CliError> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP, SIGCHLD]).map_err(|error| system("handle signals", &error))?;
    let sender = sender.clone();
    thread::spawn(move || {
        for signal in signals.forever() {
            if sender.send(Message::Signal(signal)).is_err() {
                break;
            }
        }
    });
    Ok(())
}

/// Starts httpd in a process group of its own, so that the terminal's Ctrl-C reaches krait alone.
fn start_httpd(settings: &Settings, state: &StateDir, sender: Sender<Message>) -> Result<u32, CliError> {
    let mut command = Command::new(&settings.httpd.program);
    command.arg("-f").arg(state.config()).arg("-DFOREGROUND");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = parent_death::terminate_with_parent(&mut command).spawn().map_err(|error| {
        CliError::failure(format!(
            "httpd '{}' cannot be started: {error}; name another with --httpd",
            settings.httpd.program.display()
        ))
    })?;
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || read_lines(stdout, log::print));
    }
    if let Some(stderr) = child.stderr.take() {
        thread::spawn(move || {
            read_lines(stderr, |line| {
                let line = String::from_utf8_lossy(line).trim_end_matches(['\n', '\r']).to_owned();
                // Nobody listens any more when krait is about to leave.
                drop(sender.send(Message::Line(line)));
            });
        });
    }
    // From now on its end is noticed by `wait::reap`, like everybody else's.
    Ok(child.id())
}

fn read_lines(source: impl Read, mut take: impl FnMut(&[u8])) {
    let mut source = BufReader::new(source);
    let mut line = Vec::new();
    while source.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        take(&line);
        line.clear();
    }
}

/// A started httpd.
#[derive(Debug)]
struct Run {
    httpd: u32,
    session: Session,
    messages: Receiver<Message>,
    had_terminal: bool,
}

impl Run {
    fn run(mut self) -> Result<(), CliError> {
        while !self.look_for_ended() {
            self.pass_time(self.session.deadline());
            let actions = self.session.tick(Instant::now());
            self.perform(actions);
        }
        self.wait_for_others();
        self.session.outcome()
    }

    /// Collects ended children; `true` when httpd's parent process is among them.
    fn look_for_ended(&mut self) -> bool {
        let mut httpd_ended = false;
        loop {
            match wait::reap() {
                Ok(Reaped::Ended(pid, ending)) if pid == self.httpd => {
                    self.session.on(&Event::HttpdEnded(ending), Instant::now());
                    httpd_ended = true;
                }
                Ok(Reaped::Ended(..)) => {}
                Ok(Reaped::AllRunning) => return httpd_ended,
                // Without any child there is no httpd.
                Ok(Reaped::NoChildren) | Err(_) => return true,
            }
        }
    }

    /// Handles the messages that come until then, or for a while; at least one of them, if there is one.
    fn pass_time(&mut self, until: Option<Instant>) -> bool {
        let wait = until
            .map_or(LOOK_AROUND, |until| until.saturating_duration_since(Instant::now()).min(LOOK_AROUND));
        let mut stop_asked = false;
        let mut next = self.messages.recv_timeout(wait);
        loop {
            let actions = match next {
                Ok(Message::Line(line)) => self.session.on(&Event::Line(&line), Instant::now()),
                Ok(Message::Signal(SIGCHLD)) => return stop_asked,
                Ok(Message::Signal(SIGHUP)) if !self.terminal_is_gone() => {
                    self.session.on(&Event::Restart, Instant::now())
                }
                Ok(Message::Signal(_)) => {
                    stop_asked = true;
                    self.session.on(&Event::Stop, Instant::now())
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return stop_asked,
            };
            self.perform(actions);
            next = self.messages.try_recv().map_err(|_| RecvTimeoutError::Timeout);
        }
    }

    /// SIGHUP comes from somebody who wants a restart, and from a terminal that was closed.
    fn terminal_is_gone(&self) -> bool {
        self.had_terminal && fs::File::open("/dev/tty").is_err()
    }

    fn perform(&self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Show(line) => log::show(&line),
                Action::Say(text) => log::say(&text),
                Action::Signal(signal) => {
                    if let Err(error) = self.signal(signal) {
                        log::say(&format!("httpd, process {}, could not be signalled: {error}", self.httpd));
                    }
                }
            }
        }
    }

    /// httpd has not been reaped, or the session would have ended: its number is certain.
    fn signal(&self, signal: Signal) -> std::io::Result<()> {
        let number = match signal {
            Signal::GracefulStop => SIGWINCH,
            Signal::GracefulRestart => SIGUSR1,
            Signal::Stop => SIGTERM,
            Signal::Kill => return process::signal_group(self.httpd, SIGKILL),
        };
        Process::open(self.httpd)?.signal(number)
    }

    /// The manager and all that it started: they end by themselves, or are ended.
    fn wait_for_others(&mut self) {
        let mut until = Instant::now() + MANAGER_LEAVES;
        let mut killing = false;
        while !self.nobody_left() {
            if Instant::now() >= until {
                if killing {
                    return log::say("a process could not be killed; look for it with 'ps'");
                }
                killing = true;
                until = Instant::now() + KILLED_LEAVE;
            }
            if killing {
                kill_children();
            }
            if self.pass_time(Some(until)) && !killing {
                until = Instant::now();
            }
        }
        // The last lines are on their way through the pipe, whose other end nobody has any more.
        while let Ok(message) = self.messages.recv_timeout(Duration::from_millis(500)) {
            if let Message::Line(line) = message {
                let actions = self.session.on(&Event::Line(&line), Instant::now());
                self.perform(actions);
            }
        }
    }

    fn nobody_left(&self) -> bool {
        loop {
            match wait::reap() {
                Ok(Reaped::Ended(..)) => {}
                Ok(Reaped::AllRunning) => return false,
                Ok(Reaped::NoChildren) | Err(_) => return true,
            }
        }
    }
}

/// Ends who is left. Their own children become ours, and are met the next time.
fn kill_children() {
    for pid in process::children().unwrap_or_default() {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        // A child not yet reaped: the number is certain.
        if Process::open(pid).and_then(|child| child.signal(SIGKILL)).is_ok() {
            log::say(&format!("process {pid} ({}) did not end by itself and was killed", name.trim_end()));
        }
    }
}
