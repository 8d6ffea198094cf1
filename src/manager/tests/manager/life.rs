//! Workers come, serve, leave and die.

use crate::httpd::{APP, Httpd, pid, wait_gone};
use krait_protocol::control::ReturnReason;
use krait_scoreboard::pool::Waited;
use krait_sys::pidfd::Process;
use std::time::{Duration, Instant};

#[test]
fn an_application_starts_and_answers() {
    let mut httpd = Httpd::start(APP);
    let child = httpd.child();
    let app = child.resolve(&httpd.spec()).unwrap();
    assert_eq!(child.resolve(&httpd.spec()).unwrap(), app, "equal specs share an entry");
    assert_eq!(child.get(app, "/"), "hello");
    httpd.line(&["KRT0310: application 'shop' is ready (1 worker, "]);
    let first = child.get(app, "/pid");
    assert_eq!(child.get(app, "/pid"), first);
    let env = child.get(app, "/env");
    assert!(env.contains("('GREETING', 'hello')") && env.contains("PATH"), "{env}");
    assert!(!env.contains("CARGO"), "nothing of httpd's environment: {env}");
    httpd.stop();
    wait_gone(pid(&first), Duration::from_secs(5));
}

#[test]
fn a_killed_worker_is_replaced() {
    let mut httpd = Httpd::start(APP);
    let child = httpd.child();
    let app = child.resolve(&httpd.spec()).unwrap();
    let first = pid(&child.get(app, "/pid"));
    Process::open(first).unwrap().signal(libc::SIGKILL).unwrap();
    let line = httpd.line(&["KRT0340"]);
    assert!(
        line.contains(&format!("worker {first} of application 'shop' was killed by signal 9 (SIGKILL)")),
        "{line}"
    );
    let second = pid(&child.get(app, "/pid"));
    assert_ne!(first, second);
    httpd.stop();
}

#[test]
fn a_request_on_a_killed_worker_sees_its_end() {
    let httpd = Httpd::start(APP);
    let child = httpd.child();
    let app = child.resolve(&httpd.spec()).unwrap();
    let first = pid(&child.get(app, "/pid"));
    let leased = child.lease(app).unwrap();
    leased.request("/hang");
    Process::open(first).unwrap().signal(libc::SIGKILL).unwrap();
    assert_eq!(leased.answer(), None);
    child.spoil(&leased, ReturnReason::WorkerGone);
    assert_ne!(pid(&child.get(app, "/pid")), first);
    httpd.stop();
}

#[test]
fn what_a_dead_child_held_comes_back() {
    let httpd = Httpd::start(APP);
    let mut spec = httpd.spec();
    spec.processes_max = 1;
    let (dead, alive) = (httpd.child(), httpd.child());
    let app = dead.resolve(&spec).unwrap();
    let leased = dead.lease(app).unwrap();
    let generation = leased.lease.generation;
    drop((dead, leased));
    let leased = alive.lease(app).unwrap();
    assert_eq!(leased.lease.generation, generation + 1, "the slot has a new pair");
    leased.request("/");
    assert_eq!(leased.answer().unwrap(), "hello");
    alive.release(&leased);
    httpd.stop();
}

#[test]
fn an_aborted_request_leaves_a_slot_that_works() {
    let httpd = Httpd::start(APP);
    let mut spec = httpd.spec();
    spec.processes_max = 1;
    let child = httpd.child();
    let app = child.resolve(&spec).unwrap();
    let before = child.get(app, "/pid");
    for _ in 0..20 {
        let leased = child.lease(app).unwrap();
        leased.request("/");
        krait_sys::socket::shut_down(std::os::fd::AsFd::as_fd(&leased.socket));
        child.spoil(&leased, ReturnReason::Aborted);
    }
    assert_eq!(child.get(app, "/pid"), before, "the worker lives on");
    httpd.stop();
}

#[test]
fn a_runaway_is_ended_and_replaced() {
    let mut httpd = Httpd::start(APP);
    let mut spec = httpd.spec();
    spec.processes_max = 1;
    let child = httpd.child();
    let app = child.resolve(&spec).unwrap();
    let runaway = pid(&child.get(app, "/pid"));
    let leased = child.lease(app).unwrap();
    leased.request("/hang");
    child.spoil(&leased, ReturnReason::Deadline);
    httpd.line(&["KRT0351", "passed its time limit", &runaway.to_string()]);
    wait_gone(runaway, Duration::from_secs(10));
    assert_ne!(pid(&child.get(app, "/pid")), runaway);
    httpd.stop();
}

#[test]
fn demand_grows_and_idleness_shrinks() {
    let httpd = Httpd::start(APP);
    let mut spec = httpd.spec();
    spec.idle_timeout = Some(Duration::from_millis(300));
    let child = httpd.child();
    let app = child.resolve(&spec).unwrap();
    let (one, two) = (child.lease(app).unwrap(), child.lease(app).unwrap());
    assert_ne!(one.slot, two.slot);
    let third = child.lease_within(app, Duration::from_millis(200)).map(drop);
    assert_eq!(third, Err(Waited::TimedOut), "never above the maximum");
    let mut pids = vec![];
    for leased in [&one, &two] {
        leased.request("/pid");
        pids.push(pid(&leased.answer().unwrap()));
        child.release(leased);
    }
    for pid in pids {
        wait_gone(pid, Duration::from_secs(10));
    }
    // Nothing is left, and the next request starts again under the same handle.
    assert_eq!(child.get(app, "/"), "hello");
    httpd.stop();
}

#[test]
fn a_minimum_stands() {
    let mut httpd = Httpd::start(APP);
    let mut spec = httpd.spec();
    (spec.processes_min, spec.idle_timeout) = (2, Some(Duration::from_millis(100)));
    httpd.policy(vec![], &[&spec]);
    httpd.line(&["KRT0310", "(2 workers, "]);
    let child = httpd.child();
    let app = child.resolve(&spec).unwrap();
    let first = pid(&child.get(app, "/pid"));
    Process::open(first).unwrap().signal(libc::SIGKILL).unwrap();
    httpd.line(&["KRT0340"]);
    let (one, two) = (child.lease(app).unwrap(), child.lease(app).unwrap());
    child.release(&one);
    child.release(&two);
    httpd.stop();
}

#[test]
fn everything_ends_with_the_manager_even_strays() {
    let httpd = Httpd::start(APP);
    let child = httpd.child();
    let app = child.resolve(&httpd.spec()).unwrap();
    let (worker, stray) = (pid(&child.get(app, "/pid")), pid(&child.get(app, "/stray")));
    httpd.stop();
    wait_gone(worker, Duration::from_secs(1));
    wait_gone(stray, Duration::from_secs(1));
}

#[test]
fn a_stop_lets_requests_finish() {
    let mut httpd = Httpd::start(
        "import time\ndef application(e, s):\n    time.sleep(1)\n    s('200 OK', [])\n    return [b'done']\n",
    );
    let child = httpd.child();
    let app = child.resolve(&httpd.spec()).unwrap();
    let leased = child.lease(app).unwrap();
    leased.request("/");
    Process::open(httpd.kraitd.id()).unwrap().signal(libc::SIGTERM).unwrap();
    httpd.line(&["KRT0305"]);
    assert_eq!(leased.answer().unwrap(), "done");
    child.release(&leased);
    httpd.line(&["KRT0301"]);
    assert!(httpd.kraitd.wait().unwrap().success());
}

#[test]
fn a_flood_of_output_is_logged_and_starves_nobody() {
    let mut httpd = Httpd::start(APP);
    let child = httpd.child();
    let app = child.resolve(&httpd.spec()).unwrap();
    let leased = child.lease(app).unwrap();
    leased.request("/flood");
    // While one worker floods, the manager starts another.
    assert_eq!(child.get(app, "/"), "hello");
    assert_eq!(leased.answer().unwrap(), "flooded");
    child.release(&leased);
    let line = httpd.line(&["flood flood"]);
    assert!(line.contains("application 'shop': flood"), "{line}");
    httpd.stop();
}

#[test]
fn a_new_manager_takes_over() {
    let mut httpd = Httpd::start(APP);
    let child = httpd.child();
    let app = child.resolve(&httpd.spec()).unwrap();
    let before = pid(&child.get(app, "/pid"));
    httpd.kraitd.kill().unwrap();
    httpd.start_again();
    assert!(child.is_cut_off());
    let again = httpd.child();
    let fresh = again.resolve(&httpd.spec()).unwrap();
    assert_ne!(fresh, app);
    assert_ne!(pid(&again.get(fresh, "/pid")), before);
    httpd.stop();
}

#[test]
fn a_child_that_talks_nonsense_is_cut_off() {
    let mut httpd = Httpd::start(APP);
    let (bad, good) = (httpd.child(), httpd.child());
    bad.tell(&krait_protocol::control::ChildToManager::Hello { version: 999 });
    assert!(bad.is_cut_off());
    httpd.line(&["KRT0362", "version 999"]);
    let app = good.resolve(&httpd.spec()).unwrap();
    assert_eq!(good.get(app, "/"), "hello");
    let mut spec = httpd.spec();
    spec.plan.threads = 1 << 20;
    assert!(good.resolve(&spec).unwrap_err().contains("KraitThreads"));
    httpd.stop();
}

#[test]
fn all_ends_when_httpd_dies() {
    let mut parent = std::process::Command::new(std::env::current_exe().unwrap());
    parent.args(["--exact", "life::stand_in_parent", "--ignored", "--nocapture"]);
    let mut parent =
        parent.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(parent.stdout.take().unwrap()));
    let pids =
        lines.find_map(|line| line.unwrap().split_once("PIDS ").map(|(_, pids)| pids.to_owned())).unwrap();
    parent.kill().unwrap();
    let died = Instant::now();
    parent.wait().unwrap();
    for process in pids.split(' ') {
        wait_gone(pid(process), Duration::from_secs(5).saturating_sub(died.elapsed()));
    }
}

#[test]
#[ignore = "run by all_ends_when_httpd_dies"]
fn stand_in_parent() {
    let httpd = Httpd::start(APP);
    let child = httpd.child();
    let app = child.resolve(&httpd.spec()).unwrap();
    let (worker, stray) = (child.get(app, "/pid"), child.get(app, "/stray"));
    let leased = child.lease(app).unwrap();
    leased.request("/hang");
    println!("\nPIDS {} {worker} {stray}", httpd.kraitd.id());
    drop(std::io::read_to_string(std::io::stdin()));
}

#[test]
fn a_stuck_log_stops_nobody() {
    let mut httpd = Httpd::start(APP);
    let child = httpd.child();
    let app = child.resolve(&httpd.spec()).unwrap();
    assert_eq!(child.get(app, "/"), "hello");
    // A log that nobody reads, and much to write to it.
    let (reader, stuck) = krait_sys::descriptor::pipe().unwrap();
    httpd.policy_with_log(&stuck);
    let leased = child.lease(app).unwrap();
    leased.request("/flood");
    assert_eq!(leased.answer().unwrap(), "flooded");
    child.release(&leased);
    let child = httpd.child();
    let app = child.resolve(&httpd.spec()).unwrap();
    assert_eq!(child.get(app, "/"), "hello");
    httpd.policy(vec![], &[]);
    httpd.line(&["KRT0318", "lines were lost"]);
    drop(reader);
    httpd.stop();
}
