//! Directives as httpd reads them: from its words to the layers of `krait-config`.

use crate::httpd::command::Command;
use crate::httpd::process::Recorded;
use krait_config::{Context, DIRECTIVES, Id, Layer, Mount, Place, layer};
use krait_protocol::start::Identity;
use std::sync::{Mutex, PoisonError};

/// What the parent notes while it reads configuration, for `post_config`.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    /// Sections that name an application.
    pub(crate) sections: Vec<Recorded>,
    /// Users that applications may run as.
    pub(crate) identities: Vec<Identity>,
}

static PASS: Mutex<Pass> = Mutex::new(Pass { sections: Vec::new(), identities: Vec::new() });

fn pass() -> std::sync::MutexGuard<'static, Pass> {
    PASS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Chooses the key of the fingerprints, before anything is configured.
pub(crate) fn choose_key() {
    layer::set_fingerprint_key(krait_sys::random::words());
}

/// httpd begins to read its configuration.
pub(crate) fn start_pass() {
    *pass() = Pass::default();
}

/// What was noted; forgotten with this.
pub(crate) fn end_pass() -> Pass {
    std::mem::take(&mut *pass())
}

/// Reads one directive into its section's layer.
pub(crate) fn read(
    command: Command<'_>,
    layer: &mut Layer,
    words: &[String],
    section: Recorded,
) -> Result<(), String> {
    let directive = DIRECTIVES.get(command.row()).ok_or("internal error: no such directive")?;
    if directive.place == Place::Global
        && let Some(error) = command.must_be_global()
    {
        return Err(error);
    }
    let mount = command.mount();
    let context = Context { base: command.base(&mount), mount, resolve_user: &resolve_user };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    layer.apply(directive, &words, &context)?;
    if !command.is_htaccess() {
        note(directive.id, layer, section);
    }
    Ok(())
}

fn note(id: Id, layer: &Layer, section: Recorded) {
    match (id, &layer.user) {
        (Id::App, _) => {
            let sections = &mut pass().sections;
            if !sections.contains(&section) {
                sections.push(section);
            }
        }
        (Id::User, Some(layer::User::Named(identity))) => {
            let identities = &mut pass().identities;
            if !identities.contains(identity) {
                identities.push(identity.clone());
            }
        }
        _ => {}
    }
}

fn resolve_user(name: &str, group: Option<&str>) -> Result<Identity, String> {
    let failed = |error: std::io::Error| format!("'{name}' cannot be looked up: {error}");
    let account = krait_sys::account::user(name)
        .map_err(failed)?
        .ok_or_else(|| format!("there is no user '{name}'; create it or name another"))?;
    let gid = match group {
        None => account.gid,
        Some(group) => krait_sys::account::group(group)
            .map_err(failed)?
            .ok_or_else(|| format!("there is no group '{group}'; create it or name another"))?,
    };
    let groups = match group {
        None => krait_sys::account::groups_of(name, gid),
        Some(_) => vec![gid],
    };
    Ok(Identity { name: account.name, uid: account.uid, gid, groups, home: account.home })
}

/// The identity of httpd's own user.
pub(crate) fn identity_of(name: &str, uid: u32, gid: u32) -> Identity {
    let home = match krait_sys::account::user(name) {
        Ok(Some(account)) => account.home,
        _ => "/".to_owned(),
    };
    Identity { name: name.to_owned(), uid, gid, groups: krait_sys::account::groups_of(name, gid), home }
}

/// The place of a mount in messages.
pub(crate) fn place(mount: &Mount) -> &str {
    match mount {
        Mount::Server => "the server",
        Mount::Location(path) | Mount::Directory(path) => path,
        Mount::Pattern => "a pattern",
    }
}
