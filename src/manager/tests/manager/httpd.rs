//! A stand-in for httpd: the parent that starts kraitd.

use crate::child::HttpdChild;
pub(crate) use crate::processes::{pid, wait_gone};
use krait_config::AppSpec;
use krait_protocol::control::{self, ChildToManager, ManagerToChild, ParentToManager, Policy};
use krait_protocol::limits::VERSION;
use krait_protocol::start::{AppPlan, Identity, Target};
use krait_scoreboard::Scoreboard;
use krait_scoreboard::word::ChildId;
use krait_sys::socket;
use std::fs::File;
use std::hash::DefaultHasher;
use std::io::{BufRead, BufReader, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longer than anything here takes; only a failing test waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Answers with what the path asks for.
pub(crate) const APP: &str = r#"
import os, sys, time, subprocess

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/pid":
        body = str(os.getpid())
    elif path == "/env":
        body = repr(sorted(os.environ.items()))
    elif path == "/me":
        body = repr((os.getresuid(), os.getresgid(), sorted(os.getgroups()), os.getcwd()))
    elif path == "/status":
        body = open("/proc/self/status").read()
    elif path == "/fds":
        body = repr(sorted(os.listdir("/proc/self/fd")))
    elif path == "/hang":
        time.sleep(600)
    elif path == "/stray":
        body = str(subprocess.Popen(["/bin/sleep", "600"], start_new_session=True).pid)
    elif path == "/flood":
        for _ in range(20000):
            print("flood " * 10)
        body = "flooded"
    else:
        body = "hello"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body.encode()]
"#;

/// `KRAIT_INSTALLATION`, or a folder with kraitd, krait-spawn and the Python package, as they are installed.
fn installation() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        if let Some(place) = std::env::var_os("KRAIT_INSTALLATION") {
            return PathBuf::from(place);
        }
        let kraitd = Path::new(env!("CARGO_BIN_EXE_kraitd"));
        let built = kraitd.parent().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "-p", "krait-spawn", "-p", "krait-worker"]).current_dir(source);
        build.env("CARGO_TARGET_DIR", built.parent().unwrap());
        assert!(build.status().unwrap().success());
        // One place for each build folder, readable for the users that applications run as.
        let hash = std::hash::BuildHasher::hash_one(
            &std::hash::BuildHasherDefault::<DefaultHasher>::default(),
            built,
        );
        let place = std::env::temp_dir().join(format!("krait-installation-{hash:x}"));
        let package = place.join("python/krait");
        std::fs::create_dir_all(&package).unwrap();
        for program in ["kraitd", "krait-spawn"] {
            update(&built.join(program), &place.join(program));
        }
        update(&built.join("lib_krait.so"), &package.join("_krait.abi3.so"));
        for file in std::fs::read_dir(source.join("../worker/python/krait")).unwrap() {
            let file = file.unwrap();
            if file.file_type().unwrap().is_file() {
                update(&file.path(), &package.join(file.file_name()));
            }
        }
        place
    })
}

/// Copies a file, in one step, where it is not the same already: it may be in use.
fn update(from: &Path, to: &Path) {
    if std::fs::read(from).unwrap() != std::fs::read(to).unwrap_or_default() {
        let fresh = to.with_extension(std::process::id().to_string());
        std::fs::copy(from, &fresh).unwrap();
        std::fs::rename(fresh, to).unwrap();
    }
}

pub(crate) struct Httpd {
    pub(crate) kraitd: Child,
    ours: OwnedFd,
    managers: OwnedFd,
    scoreboard: OwnedFd,
    policies: u64,
    log: Receiver<String>,
    log_end: File,
    /// Every line so far.
    pub(crate) lines: Vec<String>,
    /// The application's folder.
    pub(crate) folder: tempfile::TempDir,
}

fn start_kraitd(managers: &OwnedFd, log: &File) -> Child {
    Command::new(installation().join("kraitd"))
        .stdin(Stdio::from(managers.try_clone().unwrap()))
        .stdout(Stdio::null())
        .stderr(Stdio::from(log.try_clone().unwrap()))
        .spawn()
        .unwrap()
}

impl Httpd {
    /// Starts kraitd for an application with this source.
    pub(crate) fn start(source: &str) -> Httpd {
        Self::start_as(source, vec![])
    }

    pub(crate) fn start_as(source: &str, identities: Vec<Identity>) -> Httpd {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("app.py"), source).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), mode).unwrap();
        let (ours, managers) = socket::packet_pair().unwrap();
        socket::ask_credentials(managers.as_fd()).unwrap();
        let (reader, writer) = krait_sys::descriptor::pipe().unwrap();
        let log_end = File::from(writer);
        let kraitd = start_kraitd(&managers, &log_end);
        let (send, log) = channel();
        std::thread::spawn(move || {
            let mut lines = Blocking(reader);
            let mut lines = BufReader::new(&mut lines).lines();
            while let Some(Ok(line)) = lines.next() {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        let scoreboard = Scoreboard::create().unwrap();
        let mut httpd =
            Httpd { kraitd, ours, managers, scoreboard, policies: 0, log, log_end, lines: vec![], folder };
        httpd.policy(identities, &[]);
        httpd
    }

    /// A new kraitd in place of one that died.
    pub(crate) fn start_again(&mut self) {
        self.kraitd.wait().unwrap();
        self.kraitd = start_kraitd(&self.managers, &self.log_end);
        self.policy(vec![], &[]);
    }

    pub(crate) fn tell(&self, message: &ParentToManager, descriptors: &[BorrowedFd<'_>]) {
        send(&self.ours, message, descriptors);
    }

    pub(crate) fn policy(&mut self, identities: Vec<Identity>, prestarts: &[&AppSpec]) {
        let log = self.log_end.as_fd().try_clone_to_owned().unwrap();
        self.policy_of(identities, prestarts, &log);
    }

    /// A policy that brings another error log.
    pub(crate) fn policy_with_log(&mut self, log: &OwnedFd) {
        self.policy_of(vec![], &[], log);
    }

    fn policy_of(&mut self, identities: Vec<Identity>, prestarts: &[&AppSpec], log: &OwnedFd) {
        let parent_pid = std::process::id();
        self.policies += 1;
        let policy = Policy { version: VERSION, generation: self.policies, parent_pid, identities };
        self.tell(&ParentToManager::Policy(policy), &[self.scoreboard.as_fd(), log.as_fd()]);
        for spec in prestarts {
            self.tell(&ParentToManager::Prestart(spec.encode().unwrap()), &[]);
        }
        self.tell(&ParentToManager::PolicyEnd, &[]);
    }

    /// What to run: the application, by the system's Python.
    pub(crate) fn spec(&self) -> AppSpec {
        let directory = self.folder.path().display().to_string();
        AppSpec {
            plan: AppPlan {
                name: "shop".into(),
                target: Target::Path(format!("{directory}/app.py")),
                callable: None,
                directory,
                path: vec![],
                threads: 1,
                multiprocess: true,
                preload: true,
            },
            identity: None,
            env: vec![("GREETING".into(), "hello".into())],
            interpreters: vec!["/usr/bin/python3".into()],
            interpreter_named: false,
            processes_min: 0,
            processes_max: 2,
            queue: 10,
            start_timeout: Duration::from_secs(20),
            idle_timeout: None,
            grace_timeout: Duration::from_secs(5),
        }
    }

    /// A httpd child.
    pub(crate) fn child(&self) -> HttpdChild {
        let (ours, theirs) = socket::packet_pair().unwrap();
        self.tell(&ParentToManager::Child, &[theirs.as_fd()]);
        drop(theirs);
        let board = Scoreboard::map(self.scoreboard.as_fd()).unwrap();
        let mut child = HttpdChild { channel: ours, board, id: ChildId(0) };
        match child.ask(&ChildToManager::Hello { version: VERSION }).0 {
            ManagerToChild::Welcome { child: id } => child.id = ChildId(id),
            other => panic!("{other:?}"),
        }
        child
    }

    /// Waits for a log line that contains all of these.
    pub(crate) fn line(&mut self, parts: &[&str]) -> String {
        let limit = Instant::now() + PATIENCE;
        loop {
            match self.log.recv_timeout(limit.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.lines.push(line.clone());
                    if parts.iter().all(|part| line.contains(part)) {
                        return line;
                    }
                }
                Err(_) => panic!("no line with {parts:?} in\n{}", self.lines.join("\n")),
            }
        }
    }

    /// A line that contains this, whether it came already or not.
    pub(crate) fn line_at_any_time(&mut self, part: &str) -> String {
        match self.lines.iter().find(|line| line.contains(part)) {
            Some(line) => line.clone(),
            None => self.line(&[part]),
        }
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn stop(mut self) {
        krait_sys::pidfd::Process::open(self.kraitd.id()).unwrap().signal(libc::SIGTERM).unwrap();
        self.line(&["KRT0301"]);
        assert!(self.kraitd.wait().unwrap().success());
    }
}

impl Drop for Httpd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            while let Ok(line) = self.log.try_recv() {
                self.lines.push(line);
            }
            eprintln!("{}", self.lines.join("\n"));
        }
        if let Ok(None) = self.kraitd.try_wait()
            && let Ok(process) = krait_sys::pidfd::Process::open(self.kraitd.id())
        {
            drop(process.signal(libc::SIGTERM));
            drop(self.kraitd.wait());
        }
    }
}

pub(crate) fn send<M: serde::Serialize>(fd: &OwnedFd, message: &M, descriptors: &[BorrowedFd<'_>]) {
    let packet = control::encode(message).unwrap();
    socket::send(fd.as_fd(), &[IoSlice::new(&packet)], descriptors, true).unwrap();
}

/// Reads a non-blocking pipe as if it blocked.
struct Blocking(OwnedFd);

impl std::io::Read for &mut Blocking {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        krait_sys::descriptor::readable(self.0.as_fd(), -1)?;
        krait_sys::descriptor::read(self.0.as_fd(), buffer)
    }
}
