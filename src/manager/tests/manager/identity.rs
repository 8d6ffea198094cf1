//! Applications as their own users. Needs root, as httpd does for it; without, there is nothing to test.

use crate::httpd::{APP, Httpd, pid};
use krait_protocol::start::Identity;
use krait_scoreboard::pool::Waited;
use std::time::Duration;

fn identity(name: &str, id: u32) -> Identity {
    Identity { name: name.into(), uid: id, gid: id, groups: vec![id, 40_001], home: format!("/home/{name}") }
}

fn is_root() -> bool {
    krait_sys::identity::effective_user() == 0
}

fn httpd_for(identities: &[Identity]) -> Httpd {
    Httpd::start_as(APP, identities.to_vec())
}

#[test]
fn an_application_is_its_user_and_nothing_else() {
    if !is_root() {
        return;
    }
    let alice = identity("alice", 30_001);
    let httpd = httpd_for(std::slice::from_ref(&alice));
    let mut spec = httpd.spec();
    spec.identity = Some(alice);
    let child = httpd.child();
    let app = child.resolve(&spec).unwrap();
    let folder = httpd.folder.path().display().to_string();
    let me = child.get(app, "/me");
    assert_eq!(me, format!("((30001, 30001, 30001), (30001, 30001, 30001), [30001, 40001], '{folder}')"));
    let status = child.get(app, "/status");
    for line in [
        "CapInh:\t0000000000000000",
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t1",
        "SigBlk:\t0000000000000000",
    ] {
        assert!(status.contains(line), "{line} in\n{status}");
    }
    let env = child.get(app, "/env");
    assert!(env.contains("('HOME', '/home/alice')") && env.contains("('USER', 'alice')"), "{env}");
    // Standard input, output (twice), control channel, slot, and what the listing itself opens.
    let open = child.get(app, "/fds");
    assert_eq!(open.split(',').count(), 6, "{open}");
    let worker = pid(&child.get(app, "/pid"));
    let relations = krait_sys::process::relations(worker).unwrap();
    assert_eq!(relations.user, Some(30_001));
    httpd.stop();
}

#[test]
fn only_the_servers_users_may_be_used() {
    let alice = identity("alice", 30_001);
    let httpd = httpd_for(&[alice]);
    let child = httpd.child();
    let mut spec = httpd.spec();
    assert!(child.resolve(&spec).unwrap_err().contains("names no user"));
    spec.identity = Some(identity("bob", 30_002));
    assert!(child.resolve(&spec).unwrap_err().contains("user 'bob' (30002:30002) is not among those"));
    httpd.stop();
}

#[test]
fn nothing_runs_as_root() {
    if !is_root() {
        return;
    }
    let root = Identity { name: "root".into(), uid: 0, gid: 0, groups: vec![], home: "/root".into() };
    let mut httpd = httpd_for(std::slice::from_ref(&root));
    let mut spec = httpd.spec();
    spec.identity = Some(root);
    let child = httpd.child();
    let app = child.resolve(&spec).unwrap();
    assert_eq!(child.lease(app).map(drop), Err(Waited::Failed));
    httpd.line(&["KRT0311", "step privileges: ", "never run as root"]);
    httpd.stop();
}

#[test]
fn a_folder_that_the_user_may_not_enter_is_named() {
    if !is_root() {
        return;
    }
    let alice = identity("alice", 30_001);
    let mut httpd = httpd_for(std::slice::from_ref(&alice));
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(httpd.folder.path(), closed).unwrap();
    let mut spec = httpd.spec();
    spec.identity = Some(alice);
    let child = httpd.child();
    let app = child.resolve(&spec).unwrap();
    assert_eq!(child.lease(app).map(drop), Err(Waited::Failed));
    httpd.line(&["KRT0311", "step interpreter: 'alice' may not enter the working directory"]);
    httpd.stop();
}

#[test]
fn a_new_policy_ends_what_it_forbids_and_leaves_the_rest_alone() {
    if !is_root() {
        return;
    }
    let (alice, bob) = (identity("alice", 30_001), identity("bob", 30_002));
    let mut httpd = httpd_for(&[alice.clone(), bob.clone()]);
    let child = httpd.child();
    let spec_of = |identity: &Identity| {
        let mut spec = httpd.spec();
        spec.identity = Some(identity.clone());
        spec
    };
    let (of_alice, of_bob) = (spec_of(&alice), spec_of(&bob));
    let (her, his) = (child.resolve(&of_alice).unwrap(), child.resolve(&of_bob).unwrap());
    let (hers, gone) = (child.get(her, "/pid"), child.get(his, "/pid"));
    let leased = child.lease(his).unwrap();
    httpd.policy(vec![alice.clone()], &[&of_alice]);
    httpd.line(&["KRT0315", "user 'bob'"]);
    // His request under way finishes; then he is gone.
    leased.request("/");
    assert_eq!(leased.answer().unwrap(), "hello");
    child.release(&leased);
    crate::httpd::wait_gone(pid(&gone), Duration::from_secs(10));
    assert!(child.resolve(&of_bob).unwrap_err().contains("user 'bob'"));
    assert_eq!(child.lease_within(his, Duration::from_secs(1)).map(drop), Err(Waited::Gone));
    assert_eq!(child.get(her, "/pid"), hers, "hers go on");
    httpd.policy(vec![alice, bob], &[]);
    httpd.line(&["KRT0317: policy 3 is in force"]);
    let again = child.resolve(&of_bob).unwrap();
    assert_eq!(child.get(again, "/"), "hello");
    httpd.stop();
}
