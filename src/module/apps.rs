//! From the configuration of a place to the application that serves it: looked up by fingerprint, worked out once.

use crate::channel::Channel;
use crate::config;
use crate::failure::{Failure, no_manager};
use crate::httpd::request::Request;
use crate::mount::{self, Mapped, Split};
use krait_config::layer::App;
use krait_config::spec::RequestRules;
use krait_config::target::Application;
use krait_config::{AppSpec, Effective, Mount};
use krait_protocol::control::{ChildToManager, ManagerToChild};
use krait_protocol::start::{Identity, Target};
use krait_scoreboard::memory::AppRef;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// An application as this child knows it.
#[derive(Debug)]
pub(crate) struct Handle {
    /// As configured, for messages.
    pub(crate) name: String,
    pub(crate) rules: RequestRules,
    /// Whether it is a script that the URL itself names.
    is_script: bool,
    spec: Vec<u8>,
    /// Its place in the scoreboard: index, then generation; [`UNKNOWN`] until asked.
    place: AtomicU64,
}

const UNKNOWN: u64 = u64::MAX;

/// Where an application stands in the scoreboard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) app: AppRef,
    /// Whether the manager just said that a start is under way.
    pub(crate) is_starting: bool,
}

impl Handle {
    /// Its place in the scoreboard, asking the manager where it is not known.
    pub(crate) fn place(&self, channel: &Channel) -> Result<Place, Failure> {
        match self.place.load(Ordering::Acquire) {
            UNKNOWN => self.resolve(channel),
            known => Ok(Place { app: unpack(known), is_starting: false }),
        }
    }

    /// Asks the manager for its place, which also makes it try a start that failed before.
    pub(crate) fn resolve(&self, channel: &Channel) -> Result<Place, Failure> {
        let question = ChildToManager::Resolve(self.spec.clone());
        match channel.ask(&question) {
            Ok((ManagerToChild::Resolved { app, generation, starting }, _)) => {
                self.place.store(u64::from(app) << 32 | u64::from(generation), Ordering::Release);
                Ok(Place { app: AppRef { index: app, generation }, is_starting: starting })
            }
            Ok((ManagerToChild::Refused { reason }, _)) => Err(Failure::Refused(reason)),
            Ok(_) => Err(Failure::NoManager("the manager gave an answer to another question".to_owned())),
            Err(error) => Err(no_manager(&error)),
        }
    }

    /// Forgets a place that is no longer valid.
    pub(crate) fn forget(&self, place: AppRef) {
        let packed = u64::from(place.index) << 32 | u64::from(place.generation);
        // Lost only where another thread has learned the new place already.
        self.place.compare_exchange(packed, UNKNOWN, Ordering::AcqRel, Ordering::Relaxed).ok();
    }

    /// `SCRIPT_NAME` and `PATH_INFO` of a request for it.
    pub(crate) fn split<'r>(&self, r: Request<'r>) -> Split<'r> {
        let mapped = Mapped { uri: r.uri(), filename: r.filename(), path_info: r.path_info() };
        if self.is_script { mount::split_script(mapped) } else { mount::split(&self.rules.mount, mapped) }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves")]
fn unpack(packed: u64) -> AppRef {
    AppRef { index: (packed >> 32) as u32, generation: packed as u32 }
}

/// Everything that decides which application serves a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    fingerprint: u128,
    /// The script's file, where the URL names it.
    script: Option<Vec<u8>>,
}

/// A tenant can make any number of configurations (each `.htaccess` read is one), so the table is emptied when it
/// has grown to this; what is still used comes back at once.
const MOST_HANDLES: usize = 4096;

/// The applications that this child has met.
#[derive(Debug, Default)]
pub(crate) struct Apps {
    handles: RwLock<HashMap<Key, Arc<Handle>>>,
}

impl Apps {
    /// The application of a request; `None` where our handler has nothing to serve here.
    pub(crate) fn find(&self, r: Request<'_>, server: Option<&Identity>) -> Result<Arc<Handle>, Failure> {
        let sections = r.sections();
        let app = sections.app();
        if app.is_none() && !r.is_file() {
            return Err(Failure::NoScript);
        }
        let script = app.is_none().then(|| r.filename().to_vec());
        let key = Key { fingerprint: sections.fingerprint(), script };
        if let Some(handle) = self.handles.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(handle.clone());
        }
        let effective = Effective::new(sections.layers());
        let handle = Arc::new(match app {
            Some(app) => make(&effective, app, false, server)?,
            None => make(&effective, &script_app(r)?, true, server)?,
        });
        let mut handles = self.handles.write().unwrap_or_else(PoisonError::into_inner);
        if handles.len() >= MOST_HANDLES {
            handles.clear();
        }
        Ok(handles.entry(key).or_insert(handle).clone())
    }
}

fn make(
    effective: &Effective<'_>,
    app: &App,
    is_script: bool,
    server: Option<&Identity>,
) -> Result<Handle, Failure> {
    let wrong = |why: String| Failure::Misconfigured(format!("{why} (at {})", config::place(&app.mount)));
    let spec: AppSpec = effective.spec(app, server).map_err(wrong)?;
    Ok(Handle {
        name: app.text.clone(),
        rules: effective.rules(app.mount.clone()),
        is_script,
        spec: spec.encode().map_err(|error| wrong(error.to_string()))?,
        place: AtomicU64::new(UNKNOWN),
    })
}

/// The application that a URL names by its own script (`AddHandler krait .wsgi`).
fn script_app(r: Request<'_>) -> Result<App, Failure> {
    let file = String::from_utf8(r.filename().to_vec())
        .ok()
        .filter(|file| file.starts_with('/') && (file.ends_with(".py") || file.ends_with(".wsgi")))
        .ok_or_else(|| {
            Failure::Misconfigured(
                "the handler krait is set, but there is neither KraitApp nor a script ending in .wsgi or .py here"
                    .to_owned(),
            )
        })?;
    Ok(App {
        text: file.clone(),
        application: Application { target: Target::Path(file), callable: None },
        mount: Mount::Pattern,
    })
}
