//! How a Python process is started, and how a start that failed is told.

use crate::limits::MAX_FAILURE_TEXT_BYTES;
use serde::{Deserialize, Serialize};

/// What to load, as `KraitApp` names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Target {
    /// A script, as an absolute path. A folder is looked through for `app.wsgi`, `wsgi.py`, `passenger_wsgi.py`, `app.py`.
    Path(String),
    /// An importable module's dotted name.
    Module(String),
}

/// The application as the worker sees it: everything about loading and calling it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AppPlan {
    /// Name for log lines and process titles, as configured.
    pub name: String,
    /// What to load.
    pub target: Target,
    /// The callable's name in the module, dots allowed; `None`: `application`, else `app`.
    pub callable: Option<String>,
    /// The working directory, absolute; relative names start here and it stands first in `sys.path`.
    pub directory: String,
    /// Folders to put before `sys.path`, after `directory`.
    pub path: Vec<String>,
    /// Threads per worker, 1 or more; each has its slot.
    pub threads: u32,
    /// Whether more than one worker may run: `wsgi.multiprocess`.
    pub multiprocess: bool,
    /// Whether the zygote imports the application before it forks. When `false` each worker imports for itself.
    pub preload: bool,
}

/// Whom a process runs as.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Login name, for log lines and `USER`, `LOGNAME`.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// All groups, the primary one included.
    pub groups: Vec<u32>,
    /// Home directory, for `HOME`.
    pub home: String,
}

/// The first message to `krait-spawn`, on its standard input (a `SOCK_SEQPACKET` socket that becomes the zygote's
/// control channel, descriptor [`CONTROL_FD`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpawnPlan {
    /// [`crate::limits::VERSION`] of the sender.
    pub version: u16,
    /// Whom to become; `None`: stay who we are (httpd was not started by root).
    pub identity: Option<Identity>,
    /// The whole environment of the interpreter; nothing is inherited.
    pub env: Vec<(String, String)>,
    /// Interpreters to try, absolute paths, in order; the first that exists is used.
    pub interpreters: Vec<String>,
    /// `true`: the first candidate was named by the administrator, so a missing one is an error, not a reason to
    /// try the next.
    pub interpreter_named: bool,
    /// Working directory, absolute.
    pub directory: String,
    /// Folder that holds the `krait` package.
    pub package: String,
}

/// Descriptor of the control channel in zygotes and workers.
pub const CONTROL_FD: i32 = 3;

/// The steps of a start, in order. A failure names the step it happened in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Step {
    /// The manager checks the spec against the parent's policy.
    Validate,
    /// The manager starts `krait-spawn`.
    Spawn,
    /// `krait-spawn` becomes the application's user.
    Privileges,
    /// `krait-spawn` finds and executes the interpreter.
    Interpreter,
    /// The interpreter loads the `krait` package.
    Boot,
    /// The application's module is imported and its callable found.
    Import,
    /// The zygote forks a worker.
    Fork,
    /// The worker takes its slots.
    Ready,
}

impl Step {
    /// The word for it in messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Step::Validate => "validate",
            Step::Spawn => "spawn",
            Step::Privileges => "privileges",
            Step::Interpreter => "interpreter",
            Step::Boot => "boot",
            Step::Import => "import",
            Step::Fork => "fork",
            Step::Ready => "ready",
        }
    }

    /// The step of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Step> {
        use Step::*;
        [Validate, Spawn, Privileges, Interpreter, Boot, Import, Fork, Ready]
            .into_iter()
            .find(|step| step.word() == word)
    }
}

/// Why a start failed: step, object and cause, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartFailure {
    /// Where it happened.
    pub step: Step,
    /// One line: what happened, to which object, why.
    pub summary: String,
    /// What to do next; one line, may be empty.
    pub advice: String,
    /// Traceback or other detail, may be empty, may have several lines.
    pub detail: String,
}

impl StartFailure {
    /// A failure with its texts cut to [`MAX_FAILURE_TEXT_BYTES`].
    #[must_use]
    pub fn new(
        step: Step,
        summary: impl Into<String>,
        advice: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        StartFailure {
            step,
            summary: cut(summary.into()),
            advice: cut(advice.into()),
            detail: cut(detail.into()),
        }
    }

    /// Reads the plain form, which a script too old or too broken for the extension can write in one `os.write`:
    /// `!`, then step word, summary, advice and detail, separated by NUL, in UTF-8.
    #[must_use]
    pub fn from_plain(packet: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(packet.strip_prefix(b"!")?);
        let mut parts = text.splitn(4, '\0');
        let step = Step::from_word(parts.next()?)?;
        let mut part = || parts.next().unwrap_or("").to_owned();
        let (summary, advice, detail) = (part(), part(), part());
        Some(StartFailure::new(step, summary, advice, detail))
    }
}

/// Cuts a text from the front, at a character's border, so that the end (a traceback's cause) stays.
fn cut(mut text: String) -> String {
    if text.len() > MAX_FAILURE_TEXT_BYTES {
        let mut from = text.len() - MAX_FAILURE_TEXT_BYTES;
        while !text.is_char_boundary(from) {
            from += 1;
        }
        text.drain(..from);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_form_reads_back() {
        let failure = StartFailure::from_plain(b"!boot\0too old\0use 3.9\0line 1\nline 2").unwrap();
        assert_eq!(failure, StartFailure::new(Step::Boot, "too old", "use 3.9", "line 1\nline 2"));
        assert_eq!(StartFailure::from_plain(b"boot\0x"), None);
        assert_eq!(StartFailure::from_plain(b"!nonsense\0x"), None);
        assert!(StartFailure::from_plain(b"!import").is_some());
    }

    #[test]
    fn a_long_detail_keeps_its_end() {
        let failure = StartFailure::new(Step::Import, "s", "", format!("{}end", "\u{e9}".repeat(40_000)));
        assert!(failure.detail.len() <= MAX_FAILURE_TEXT_BYTES);
        assert!(failure.detail.ends_with("end"));
    }
}
