//! What the httpd parent allows.

use krait_config::AppSpec;
use krait_protocol::control;
use krait_protocol::start::Identity;
use std::collections::HashSet;

/// Most applications that one policy may start by itself.
const MAX_PRESTARTS: usize = 4096;

/// A policy in force.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    identities: HashSet<Identity>,
    pub(crate) prestarts: Vec<Vec<u8>>,
    pub(crate) generation: u64,
}

impl Policy {
    pub(crate) fn new(policy: control::Policy) -> Policy {
        Policy {
            identities: policy.identities.into_iter().collect(),
            prestarts: Vec::new(),
            generation: policy.generation,
        }
    }

    /// Notes an application to start; `false` where there are too many.
    pub(crate) fn add_prestart(&mut self, spec: Vec<u8>) -> bool {
        let room = self.prestarts.len() < MAX_PRESTARTS;
        if room {
            self.prestarts.push(spec);
        }
        room
    }

    /// Whether an application may run as it wants to.
    ///
    /// # Errors
    /// A sentence for the error log.
    pub(crate) fn check(&self, spec: &AppSpec) -> Result<(), String> {
        self.check_identity(spec.identity.as_ref())
            .map_err(|why| format!("application '{}' may not run: {why}", spec.plan.name))
    }

    /// Whether anything may run as this user.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check_identity(&self, wanted: Option<&Identity>) -> Result<(), String> {
        match wanted {
            None if self.identities.is_empty() => Ok(()),
            None => Err("it names no user, and this server switches users".to_owned()),
            Some(identity) if self.identities.contains(identity) => Ok(()),
            Some(identity) => Err(format!(
                "user '{}' ({}:{}) is not among those that the server's configuration names; set KraitUser there",
                identity.name, identity.uid, identity.gid
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(uid: u32) -> Identity {
        Identity { name: "u".into(), uid, gid: uid, groups: vec![uid], home: "/".into() }
    }

    fn policy(identities: Vec<Identity>) -> Policy {
        Policy::new(control::Policy { version: 1, generation: 1, parent_pid: 1, identities })
    }

    #[test]
    fn only_named_users_may_be_used() {
        let some = policy(vec![identity(1000), identity(1001)]);
        assert!(some.check_identity(Some(&identity(1001))).is_ok());
        assert!(some.check_identity(Some(&identity(1002))).is_err());
        assert!(some.check_identity(None).is_err());
        let more = Identity { groups: vec![1000, 0], ..identity(1000) };
        assert!(some.check_identity(Some(&more)).is_err(), "a group more is another identity");
    }

    #[test]
    fn without_users_nobody_is_switched() {
        assert!(policy(vec![]).check_identity(None).is_ok());
        assert!(policy(vec![]).check_identity(Some(&identity(1000))).is_err());
    }

    #[test]
    fn prestarts_are_bounded() {
        let mut policy = policy(vec![]);
        assert!((0..MAX_PRESTARTS).all(|_| policy.add_prestart(vec![])));
        assert!(!policy.add_prestart(vec![]));
    }
}
