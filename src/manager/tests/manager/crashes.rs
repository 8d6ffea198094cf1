//! What dies unasked, and what goes on.

use crate::httpd::{APP, Httpd, pid, wait_gone};
use krait_protocol::control::ReturnReason;
use krait_sys::pidfd::Process;
use std::time::{Duration, Instant};

fn kill(pid: u32) {
    Process::open(pid).unwrap().signal(libc::SIGKILL).unwrap();
}

#[test]
fn workers_outlive_their_zygote() {
    let mut httpd = Httpd::start(APP);
    let child = httpd.child();
    let app = child.resolve(&httpd.spec()).unwrap();
    let worker = pid(&child.get(app, "/pid"));
    kill(krait_sys::process::relations(worker).unwrap().parent);
    httpd.line(&["KRT0342", "the zygote of application 'shop' was killed by signal 9 (SIGKILL)"]);
    assert_eq!(pid(&child.get(app, "/pid")), worker);
    // The next worker needs a new zygote.
    let (one, two) = (child.lease(app).unwrap(), child.lease(app).unwrap());
    child.release(&one);
    child.release(&two);
    // The orphan fell to the manager, which collects it and knows how it ended.
    kill(worker);
    httpd.line(&["KRT0340", &format!("worker {worker} of application 'shop' was killed by signal 9")]);
    httpd.stop();
}

#[test]
fn a_crash_loop_is_slowed_down() {
    let source = "import os, threading, time\ndef die():\n    time.sleep(0.05)\n    os._exit(3)\n\
                  import atexit\nos.register_at_fork(after_in_child=lambda: threading.Thread(target=die).start())\n\
                  def application(e, s):\n    s('200 OK', [])\n    return []\n";
    let mut httpd = Httpd::start(source);
    let mut spec = httpd.spec();
    spec.processes_min = 1;
    let began = Instant::now();
    httpd.policy(vec![], &[&spec]);
    for _ in 0..5 {
        httpd.line(&["KRT0340", "exited with status 3 after it was ready"]);
    }
    assert!(httpd.lines.iter().any(|line| line.contains("replaced with a delay")));
    assert!(began.elapsed() > Duration::from_secs(1), "it was not slowed down");
    httpd.stop();
}

#[test]
fn siblings_of_a_runaway_finish() {
    let mut httpd = Httpd::start(
        "import os, time\ndef application(e, s):\n    s('200 OK', [])\n    path = e['PATH_INFO']\n\
         \x20   time.sleep({'/hang': 600, '/slow': 1}.get(path, 0))\n    return [str(os.getpid()).encode()]\n",
    );
    let mut spec = httpd.spec();
    (spec.plan.threads, spec.processes_max) = (2, 1);
    let child = httpd.child();
    let app = child.resolve(&spec).unwrap();
    let worker = pid(&child.get(app, "/"));
    let (bad, good) = (child.lease(app).unwrap(), child.lease(app).unwrap());
    bad.request("/hang");
    good.request("/slow");
    child.spoil(&bad, ReturnReason::Deadline);
    httpd.line(&["KRT0351"]);
    assert_eq!(good.answer().unwrap(), worker.to_string());
    child.release(&good);
    wait_gone(worker, Duration::from_secs(10));
    assert_ne!(pid(&child.get(app, "/")), worker);
    httpd.stop();
}

#[test]
fn a_worker_may_end_itself() {
    let source = "import os\ndef application(e, s):\n    os._exit(9)\n";
    let mut httpd = Httpd::start(source);
    let child = httpd.child();
    let app = child.resolve(&httpd.spec()).unwrap();
    let leased = child.lease(app).unwrap();
    leased.request("/");
    assert_eq!(leased.answer(), None);
    child.spoil(&leased, ReturnReason::WorkerGone);
    let line = httpd.line(&["KRT0340"]);
    assert!(line.contains("exited with status 9 after it was ready"), "{line}");
    httpd.stop();
}

#[test]
fn an_idle_manager_sleeps() {
    let httpd = Httpd::start(APP);
    let mut spec = httpd.spec();
    (spec.processes_min, spec.idle_timeout) = (1, Some(Duration::from_secs(300)));
    let child = httpd.child();
    let app = child.resolve(&spec).unwrap();
    assert_eq!(child.get(app, "/"), "hello");
    let switches = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", httpd.kraitd.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
        line.trim().parse::<u32>().unwrap()
    };
    // What the last request caused is over once the manager has answered again.
    child.resolve(&spec).unwrap();
    let before = switches();
    std::thread::sleep(Duration::from_secs(2));
    assert!(switches() <= before + 1, "it woke up {} times", switches() - before);
    httpd.stop();
}
