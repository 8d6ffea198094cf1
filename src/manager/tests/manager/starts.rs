//! Starts that fail, and how the log tells of them.

use crate::httpd::{APP, Httpd, pid};
use krait_scoreboard::pool::Waited;
use std::time::Duration;

/// Starts an application that fails to, and returns the line that says why.
fn failure(source: &str) -> (Httpd, String) {
    let mut httpd = Httpd::start(source);
    let child = httpd.child();
    let mut spec = httpd.spec();
    spec.start_timeout = Duration::from_secs(3);
    let app = child.resolve(&spec).unwrap();
    assert_eq!(child.lease(app).map(drop), Err(Waited::Failed));
    let line = httpd.line(&["KRT0311: application 'shop' could not be started: step "]);
    // While it holds back, nobody waits.
    assert_eq!(child.resolve(&spec).unwrap(), app);
    assert_eq!(child.lease(app).map(drop), Err(Waited::Failed));
    assert!(child.board.pool(app).unwrap().retry_at_ms() > krait_sys::clock::monotonic_ms());
    (httpd, line)
}

#[test]
fn an_exception_comes_with_its_traceback() {
    let (mut httpd, line) = failure("import os\nraise ValueError('no database')\n");
    assert!(line.contains("step import: ") && line.contains("no database"), "{line}");
    httpd.line(&["KRT0312", "app.py", "line 2"]);
    httpd.stop();
}

#[test]
fn an_exit_comes_with_the_last_words() {
    let (mut httpd, line) = failure("import os\nos.write(2, b'going\\n' * 3)\nos._exit(7)\n");
    assert!(line.contains("step import: the process exited with status 7"), "{line}");
    httpd.line(&["KRT0312", "going"]);
    httpd.stop();
}

#[test]
fn a_signal_is_named() {
    let (httpd, line) = failure("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n");
    assert!(
        line.contains("was killed by signal 11 (SIGSEGV)") && line.contains("extension module"),
        "{line}"
    );
    httpd.stop();
}

#[test]
fn a_hanging_import_is_named_and_ended() {
    let source = "import os, time\nprint('at', os.getpid(), flush=True)\ntime.sleep(600)\n";
    let (mut httpd, line) = failure(source);
    assert!(line.contains("step import: still in step import after 3 s"), "{line}");
    let at = pid(httpd.line_at_any_time("'shop': at ").rsplit(' ').next().unwrap());
    crate::httpd::wait_gone(at, Duration::from_secs(5));
    httpd.line(&["KRT0312", "import "]);
    httpd.stop();
}

#[test]
fn a_missing_interpreter_is_named() {
    let mut httpd = Httpd::start(APP);
    let mut spec = httpd.spec();
    spec.interpreters = vec!["/nowhere/python".into(), "/usr/bin/python3".into()];
    spec.interpreter_named = true;
    let child = httpd.child();
    let app = child.resolve(&spec).unwrap();
    assert_eq!(child.lease(app).map(drop), Err(Waited::Failed));
    httpd.line(&["KRT0311", "step interpreter: the configured interpreter '/nowhere/python' does not exist"]);
    httpd.stop();
}

#[test]
fn a_missing_directory_is_named() {
    let mut httpd = Httpd::start(APP);
    let mut spec = httpd.spec();
    spec.plan.directory = "/nowhere".into();
    let child = httpd.child();
    let app = child.resolve(&spec).unwrap();
    assert_eq!(child.lease(app).map(drop), Err(Waited::Failed));
    httpd.line(&["KRT0311", "step interpreter: the working directory '/nowhere' does not exist"]);
    httpd.stop();
}

#[test]
fn after_holding_back_the_next_request_tries_again() {
    let source = "import os\nif not os.path.exists('fixed'):\n    raise ValueError('broken')\n\
                  def application(e, s):\n    s('200 OK', [])\n    return [b'fixed']\n";
    let (httpd, _) = failure(source);
    std::fs::write(httpd.folder.path().join("fixed"), "").unwrap();
    let child = httpd.child();
    let mut spec = httpd.spec();
    spec.start_timeout = Duration::from_secs(3);
    let app = loop {
        let app = child.resolve(&spec).unwrap();
        // One second of holding back passes; resolving does not wait.
        if child.board.pool(app).unwrap().state() != krait_scoreboard::layout::AppState::Failed {
            break app;
        }
        std::thread::yield_now();
    };
    assert_eq!(child.get(app, "/"), "fixed");
    httpd.stop();
}

#[test]
fn an_import_that_leaves_threads_is_done_in_each_worker() {
    let source = "import os, threading, time\n\
                  threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\nat = os.getpid()\n\
                  def application(e, s):\n    s('200 OK', [])\n    return [str(at == os.getpid()).encode()]\n";
    let mut httpd = Httpd::start(source);
    let child = httpd.child();
    let app = child.resolve(&httpd.spec()).unwrap();
    assert_eq!(child.get(app, "/"), "True");
    httpd.line(&["KRT0321", "left 2 threads running"]);
    httpd.line(&["KRT0310"]);
    httpd.stop();
}

#[test]
fn a_worker_that_fails_to_import_tells_why() {
    let mut httpd = Httpd::start("import os\nraise ValueError('in the worker')\n");
    let mut spec = httpd.spec();
    spec.plan.preload = false;
    let child = httpd.child();
    let app = child.resolve(&spec).unwrap();
    assert_eq!(child.lease(app).map(drop), Err(Waited::Failed));
    httpd.line(&["KRT0311", "step import: ", "in the worker"]);
    httpd.stop();
}
