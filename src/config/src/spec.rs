//! What a stack of layers means: the immutable description of an application, and how its requests are treated.

use crate::layer::{App, Layer, Manager, Mount, User};
use krait_protocol::limits;
use krait_protocol::start::{AppPlan, Identity, Target};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Everything that decides how an application runs. Equal specs share workers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AppSpec {
    /// What to load and how to call it.
    pub plan: AppPlan,
    /// Whom to run as; `None`: as the manager's own user, where httpd was not started by root.
    pub identity: Option<Identity>,
    /// Variables that `KraitEnv` adds to the process environment.
    pub env: Vec<(String, String)>,
    /// Interpreters to try, absolute paths.
    pub interpreters: Vec<String>,
    /// Whether `KraitPython` named the interpreter, so that a missing one is an error.
    pub interpreter_named: bool,
    /// Workers that stand always.
    pub processes_min: u32,
    /// Workers at the most.
    pub processes_max: u32,
    /// Requests that may wait.
    pub queue: u32,
    /// How long a start may take.
    pub start_timeout: Duration,
    /// How long a worker above the minimum may be idle; `None`: for ever.
    pub idle_timeout: Option<Duration>,
    /// How long a worker that is being stopped may finish its request.
    pub grace_timeout: Duration,
}

/// Why a spec was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SpecError {
    /// It cannot be read, or bytes are left.
    #[error("the description of the application cannot be read")]
    Unreadable,
    /// It is larger than a control message may be.
    #[error("the description of the application is over {} bytes; shorten KraitEnv and KraitPath", limits::MAX_CONTROL_BYTES / 2)]
    TooLarge,
    /// A value is out of its range.
    #[error("{0} is out of range")]
    OutOfRange(&'static str),
    /// A path is not absolute, or text holds a NUL.
    #[error("{0} is not usable")]
    Unusable(&'static str),
}

impl AppSpec {
    /// The bytes by which specs are compared and sent.
    ///
    /// # Errors
    /// `TooLarge`.
    pub fn encode(&self) -> Result<Vec<u8>, SpecError> {
        let bytes = postcard::to_stdvec(self).map_err(|_| SpecError::Unreadable)?;
        if bytes.len() > limits::MAX_CONTROL_BYTES / 2 { Err(SpecError::TooLarge) } else { Ok(bytes) }
    }

    /// Reads and checks a spec that came from a process we do not trust.
    ///
    /// # Errors
    /// Any of [`SpecError`].
    pub fn decode(bytes: &[u8]) -> Result<AppSpec, SpecError> {
        if bytes.len() > limits::MAX_CONTROL_BYTES / 2 {
            return Err(SpecError::TooLarge);
        }
        let spec: AppSpec = match postcard::take_from_bytes(bytes) {
            Ok((spec, [])) => spec,
            _ => return Err(SpecError::Unreadable),
        };
        spec.check()?;
        Ok(spec)
    }

    fn check(&self) -> Result<(), SpecError> {
        let within = |value: u32, least: u32, most: u32, what| {
            if (least..=most).contains(&value) { Ok(()) } else { Err(SpecError::OutOfRange(what)) }
        };
        within(self.plan.threads, 1, limits::MAX_THREADS, "KraitThreads")?;
        within(self.processes_max, 1, limits::MAX_PROCESSES, "KraitProcesses")?;
        within(self.processes_min, 0, self.processes_max, "KraitProcesses")?;
        within(self.queue, 1, limits::MAX_QUEUE, "KraitQueue")?;
        within(self.slots(), 1, limits::MAX_SLOTS, "KraitProcesses times KraitThreads")?;
        let absolute = |path: &String, what| {
            if path.starts_with('/') && !path.contains('\0') {
                Ok(())
            } else {
                Err(SpecError::Unusable(what))
            }
        };
        if let Target::Path(path) = &self.plan.target {
            absolute(path, "KraitApp")?;
        }
        absolute(&self.plan.directory, "the application's directory")?;
        for path in &self.plan.path {
            absolute(path, "KraitPath")?;
        }
        if self.interpreters.is_empty() {
            return Err(SpecError::Unusable("KraitPython"));
        }
        for path in &self.interpreters {
            absolute(path, "KraitPython")?;
        }
        for (name, value) in &self.env {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return Err(SpecError::Unusable("KraitEnv"));
            }
        }
        Ok(())
    }

    /// Slots the application may have at the most.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.processes_max.saturating_mul(self.plan.threads)
    }
}

/// Several layers seen as one: the innermost that says something holds.
#[derive(Debug)]
pub struct Effective<'a> {
    /// From the outermost to the innermost.
    layers: Vec<&'a Layer>,
}

/// How requests of an application are treated in the httpd child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRules {
    /// Where the application stands.
    pub mount: Mount,
    /// How long a worker may be silent.
    pub request_timeout: Duration,
    /// How long a request may wait for a slot.
    pub queue_timeout: Duration,
    /// How long it may wait where the application has to start first.
    pub start_timeout: Duration,
    /// Whether a visitor sees tracebacks.
    pub debug: bool,
}

/// Where the interpreter is looked for when `KraitPython` says nothing: environments beside the application first.
const ENVIRONMENTS: [&str; 2] = ["venv/bin/python", ".venv/bin/python"];
const SYSTEM: [&str; 2] = ["/usr/bin/python3", "/usr/local/bin/python3"];

impl<'a> Effective<'a> {
    /// Lays `layers`, outermost first, over each other.
    #[must_use]
    pub fn new(layers: Vec<&'a Layer>) -> Self {
        Effective { layers }
    }

    fn find<T>(&self, field: impl Fn(&'a Layer) -> Option<T>) -> Option<T> {
        self.layers.iter().rev().find_map(|layer| field(layer))
    }

    /// The application of this place; `None` where there is none.
    #[must_use]
    pub fn app(&self) -> Option<&'a App> {
        self.find(|layer| layer.app.as_ref()).and_then(Option::as_ref)
    }

    /// The manager's program, where `KraitManager` names one.
    #[must_use]
    pub fn manager(&self) -> Option<&'a Manager> {
        self.find(|layer| layer.manager.as_ref())
    }

    /// How requests for an application at `mount` are treated.
    #[must_use]
    pub fn rules(&self, mount: Mount) -> RequestRules {
        RequestRules {
            mount,
            request_timeout: self.find(|layer| layer.request_timeout).unwrap_or(Duration::from_secs(60)),
            queue_timeout: self.find(|layer| layer.queue_timeout).unwrap_or(Duration::from_secs(30)),
            start_timeout: self.start_timeout(),
            debug: self.find(|layer| layer.debug).unwrap_or(false),
        }
    }

    fn start_timeout(&self) -> Duration {
        self.find(|layer| layer.start_timeout).unwrap_or(Duration::from_secs(60))
    }

    /// The spec of `app`. `server` is httpd's own identity, `None` where httpd was not started by root.
    ///
    /// # Errors
    /// A sentence for the administrator.
    pub fn spec(&self, app: &App, server: Option<&Identity>) -> Result<AppSpec, String> {
        let path = self.find(|layer| layer.path.clone()).unwrap_or_default();
        let directory = directory(app, &path);
        let (interpreters, interpreter_named) = match self.find(|layer| layer.python.clone()) {
            Some(python) => (vec![python], true),
            None => {
                let beside = ENVIRONMENTS.iter().map(|place| format!("{directory}/{place}"));
                (beside.chain(SYSTEM.iter().map(|&place| place.to_owned())).collect(), false)
            }
        };
        let identity = match (self.find(|layer| layer.user.as_ref()), server) {
            (Some(User::Named(identity)), Some(_)) => Some(identity.clone()),
            (Some(User::Named(identity)), None) => {
                return Err(format!(
                    "KraitUser '{}' needs a httpd that root started; start it as root or remove the directive",
                    identity.name
                ));
            }
            (Some(User::Server) | None, server) => server.cloned(),
        };
        let mut env: Vec<(String, String)> = Vec::new();
        for (name, value) in self.layers.iter().flat_map(|layer| &layer.env) {
            env.retain(|(known, _)| known != name);
            env.push((name.clone(), value.clone()));
        }
        let (processes_min, most) = self.find(|layer| layer.processes).unwrap_or((0, None));
        let processes_max = most.unwrap_or_else(|| 4.max(processes_min));
        let spec = AppSpec {
            plan: AppPlan {
                name: app.text.clone(),
                target: app.application.target.clone(),
                callable: app.application.callable.clone(),
                directory,
                path,
                threads: self.find(|layer| layer.threads).unwrap_or(1),
                multiprocess: processes_max > 1,
                preload: true,
            },
            identity,
            env,
            interpreters,
            interpreter_named,
            processes_min,
            processes_max,
            queue: self.find(|layer| layer.queue).unwrap_or(100),
            start_timeout: self.start_timeout(),
            idle_timeout: self.find(|layer| layer.idle_timeout).unwrap_or(Some(Duration::from_secs(300))),
            grace_timeout: self.find(|layer| layer.grace_timeout).unwrap_or(Duration::from_secs(15)),
        };
        spec.check().map_err(|error| error.to_string())?;
        Ok(spec)
    }
}

/// The working directory: a script's folder, a folder itself, or a module's first `KraitPath`.
fn directory(app: &App, path: &[String]) -> String {
    match &app.application.target {
        Target::Path(script) if script.ends_with(".py") || script.ends_with(".wsgi") => {
            let folder = script.rsplit_once('/').map_or("", |(folder, _)| folder);
            if folder.is_empty() { "/".to_owned() } else { folder.to_owned() }
        }
        Target::Path(folder) => folder.clone(),
        Target::Module(_) => match (path.first(), &app.mount) {
            (Some(first), _) => first.clone(),
            (None, Mount::Directory(directory)) => {
                let plain = directory.trim_end_matches('/');
                if plain.is_empty() { "/".to_owned() } else { plain.to_owned() }
            }
            (None, _) => "/".to_owned(),
        },
    }
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
