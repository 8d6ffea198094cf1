//! Becoming the application's user. The order matters and each line says why it stands where it stands.

use krait_protocol::start::{Identity, StartFailure, Step};
use krait_sys::{capability, execute, identity, limit, process};

/// Descriptors a program may open unless it asks for more: what every system starts its users with, and what
/// `select(2)` can handle. The manager's own limit is far above.
const OPEN_FILES: u64 = 1024;

/// Leaves the server's session, limits and privileges behind, for good.
pub(crate) fn drop_to(wanted: Option<&Identity>) -> Result<(), StartFailure> {
    // A session of our own: no terminal, and signals to the server's process group pass us by.
    process::new_session().map_err(|error| failed("a session of its own", &error))?;
    // New files are writable by their owner only.
    execute::set_file_mode_mask(0o022);
    // No core files: they would hold the requests of strangers and fill the tenant's disk.
    limit::set(limit::Resource::CoreFile, 0, 0).map_err(|error| failed("no core files", &error))?;
    // The usual number of open files; the hard limit stays.
    limit::get(limit::Resource::OpenFiles)
        .and_then(|(_, hard)| limit::set(limit::Resource::OpenFiles, OPEN_FILES.min(hard), hard))
        .map_err(|error| failed("the usual limit of open files", &error))?;
    if let Some(identity) = wanted {
        become_user(identity)?;
    }
    // From here on no set-user-id program and no file capability gives anything back.
    capability::no_new_privileges().map_err(|error| failed("no_new_privs", &error))?;
    // The change of user took the effective ones; this takes what could be inherited, and all of them if we stay.
    capability::drop_all().map_err(|error| failed("giving up capabilities", &error))
}

fn become_user(wanted: &Identity) -> Result<(), StartFailure> {
    let who = format!("becoming user '{}' ({}:{})", wanted.name, wanted.uid, wanted.gid);
    if wanted.uid == 0 || wanted.gid == 0 || wanted.groups.contains(&0) {
        return Err(StartFailure::new(
            Step::Privileges,
            format!("{who}: applications never run as root or in its group"),
            "let the application belong to another user",
            "",
        ));
    }
    // First what needs root: nothing that is executed later can have a capability, whatever the file says.
    capability::empty_bounding_set().map_err(|error| failed(&who, &error))?;
    // Supplementary groups before the group and the user: afterwards we may not change them any more.
    identity::set_groups(&wanted.groups).map_err(|error| failed(&who, &error))?;
    // The group before the user, for the same reason.
    identity::set_group(wanted.gid).map_err(|error| failed(&who, &error))?;
    // Real, effective and saved user at once: no way back.
    identity::set_user(wanted.uid).map_err(|error| failed(&who, &error))?;
    // Believe no return value where this much depends on it: look, and try to come back.
    if identity::is_for_good(wanted.uid, wanted.gid) {
        Ok(())
    } else {
        Err(StartFailure::new(
            Step::Privileges,
            format!("{who}: the change did not hold"),
            "a security module may interfere; see the system's audit log",
            "",
        ))
    }
}

fn failed(what: &str, error: &std::io::Error) -> StartFailure {
    let advice = if error.kind() == std::io::ErrorKind::PermissionDenied {
        "start httpd as root, or without any user to switch to"
    } else {
        ""
    };
    StartFailure::new(Step::Privileges, format!("{what} failed: {error}"), advice, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_becomes_root() {
        let root = Identity { name: "root".into(), uid: 0, gid: 0, groups: vec![0], home: "/root".into() };
        assert!(become_user(&root).unwrap_err().summary.contains("never run as root"));
        let half = Identity { uid: 1, gid: 1, groups: vec![1, 0], ..root };
        assert!(become_user(&half).is_err());
    }
}
