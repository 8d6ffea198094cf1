//! Zygotes that lie, shout and refuse to go.

use crate::httpd::{APP, Httpd, wait_gone};
use krait_config::AppSpec;
use krait_scoreboard::pool::Waited;
use std::time::Duration;

/// A program in the interpreter's place.
fn with_interpreter(httpd: &Httpd, body: &str) -> AppSpec {
    let path = httpd.folder.path().join("interpreter");
    std::fs::write(&path, format!("#!/usr/bin/python3\nimport os, sys, time, signal\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut spec = httpd.spec();
    spec.plan.name = "evil".into();
    spec.interpreters = vec![path.display().to_string()];
    spec.start_timeout = Duration::from_secs(2);
    spec
}

/// It fails with these words, and another application of the same manager works all the while.
fn fails(body: &str, parts: &[&str]) {
    let mut httpd = Httpd::start(APP);
    let spec = with_interpreter(&httpd, &format!("print('at', os.getpid(), flush=True)\n{body}"));
    let child = httpd.child();
    let evil = child.resolve(&spec).unwrap();
    let good = child.resolve(&httpd.spec()).unwrap();
    assert_eq!(child.get(good, "/"), "hello");
    assert_eq!(child.lease(evil).map(drop), Err(Waited::Failed));
    assert_eq!(child.get(good, "/"), "hello");
    let mut all = vec!["KRT0311: application 'evil' could not be started: "];
    all.extend(parts);
    httpd.line(&all);
    let line = httpd.line_at_any_time("'evil': at ");
    wait_gone(crate::httpd::pid(line.rsplit(' ').next().unwrap()), Duration::from_secs(5));
    httpd.stop();
}

#[test]
fn nonsense_ends_the_zygote() {
    fails("os.write(3, b'\\xff' * 100)\ntime.sleep(600)", &["broke the protocol"]);
}

#[test]
fn an_oversized_packet_ends_the_zygote() {
    fails("os.write(3, b'\\0' * 140000)\ntime.sleep(600)", &["broke the protocol"]);
}

#[test]
fn readiness_without_workers_is_overdue() {
    // Ready, then silence.
    fails("os.write(3, b'\\x01\\x01')\ntime.sleep(600)", &["still in step "]);
}

#[test]
fn endless_steps_are_overdue() {
    fails("while True: os.write(3, b'\\x00\\x05')", &["still in step import"]);
}

#[test]
fn a_zygote_that_closes_its_channel_is_ended() {
    fails("os.close(3)\ntime.sleep(600)", &["was killed by signal 9"]);
}

#[test]
fn ignoring_sigterm_does_not_help() {
    fails(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nos.write(3, b'\\x01\\x01')\ntime.sleep(600)",
        &["step"],
    );
}

#[test]
fn a_strangers_process_is_not_taken_for_a_worker() {
    let mut httpd = Httpd::start(APP);
    let mut victim = std::process::Command::new("/bin/sleep").arg("600").spawn().unwrap();
    let mut number = vec![];
    let mut left = victim.id();
    while left > 127 {
        number.push(format!("\\x{:02x}", left & 127 | 128));
        left >>= 7;
    }
    number.push(format!("\\x{left:02x}"));
    // Ready; then: worker 0 has the victim's number; then it has ended.
    let body = format!(
        "os.write(3, b'\\x01\\x01')\ntime.sleep(0.3)\nos.write(3, b'\\x03\\x00{}')\nos.write(3, b'\\x04\\x00\\x00')\n\
         time.sleep(600)",
        number.concat()
    );
    let spec = with_interpreter(&httpd, &body);
    let child = httpd.child();
    let evil = child.resolve(&spec).unwrap();
    assert_eq!(child.lease(evil).map(drop), Err(Waited::Failed));
    httpd.line(&["KRT0311"]);
    assert!(victim.try_wait().unwrap().is_none(), "it was killed");
    victim.kill().unwrap();
    victim.wait().unwrap();
    httpd.stop();
}

#[test]
fn descriptors_from_below_are_refused() {
    fails(
        "import socket, array\ns = socket.socket(fileno=3)\n\
         try: s.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0] * 200))])\n\
         except OSError as e: print(e, flush=True)\nos._exit(5)",
        &["step "],
    );
}

#[test]
fn a_policy_from_a_stranger_is_refused() {
    let mut httpd = Httpd::start(APP);
    let policy = krait_protocol::control::Policy {
        version: krait_protocol::limits::VERSION,
        generation: 9,
        parent_pid: 1,
        identities: vec![],
    };
    httpd.tell(&krait_protocol::control::ParentToManager::Policy(policy), &[]);
    httpd.line(&["KRT0307: refused: a policy of process 1"]);
    httpd.stop();
}
