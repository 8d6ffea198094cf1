//! krait-spawn: becomes the application's user, step by step, then the Python interpreter. Nothing else.
//!
//! The manager starts it with an empty environment; descriptor 0 is a packet socket, 1 and 2 are the application's
//! output. The first packet is the [`SpawnPlan`]; the socket goes on to the interpreter as its control channel.
//! What fails is told there, and ends the program with status 1.

mod interpreter;
mod privileges;

use krait_protocol::control::{self, ZygoteToManager};
use krait_protocol::limits::{MAX_CONTROL_BYTES, VERSION};
use krait_protocol::start::{CONTROL_FD, SpawnPlan, StartFailure, Step};
use krait_sys::{descriptor, schedule, signal, socket};
use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

/// What the interpreter runs first: it finds the `krait` package and loads the worker.
const STUB: &str = include_str!("../../worker/python/krait/_stub.py");

fn main() -> ExitCode {
    // Nothing but the three standard descriptors was meant for us.
    let closed = descriptor::close_from(3);
    let Ok(channel) = descriptor::copy_of_stdin() else {
        // Without a channel there is nobody to tell; the manager sees our status.
        return ExitCode::from(2);
    };
    let failure = match closed {
        Ok(()) => run(&channel),
        Err(error) => internal("inherited descriptors could not be closed", &error),
    };
    let message = ZygoteToManager::Failed(failure);
    if let Ok(packet) = control::encode(&message) {
        // If the manager is gone by now, its successor starts afresh.
        drop(socket::send(channel.as_fd(), &[IoSlice::new(&packet)], &[], true));
    }
    ExitCode::FAILURE
}

/// The steps in their order. Comes back only with what failed.
fn run(channel: &OwnedFd) -> StartFailure {
    let plan = match receive_plan(channel) {
        Ok(plan) => plan,
        Err(failure) => return failure,
    };
    tell_step(channel, Step::Privileges);
    if let Err(failure) = privileges::drop_to(plan.identity.as_ref()) {
        return failure;
    }
    // From here on we are the application's user: whatever cannot be reached now, the application could not reach.
    tell_step(channel, Step::Interpreter);
    if let Err(failure) = enter(&plan) {
        return failure;
    }
    let program = match interpreter::find(&plan) {
        Ok(program) => program,
        Err(failure) => return failure,
    };
    // A worker that wakes up to a request does not push aside the httpd thread that sent it, which is about to wait
    // anyway: a fifth more requests on a busy machine. Nothing depends on it, so a refusal is of no consequence.
    schedule::become_batch().ok();
    // The manager's signal handling is not the application's.
    signal::reset();
    // Our channel becomes the interpreter's control channel, and its standard input becomes empty.
    if let Err(failure) = arrange_descriptors(channel) {
        return failure;
    }
    interpreter::execute(&program, STUB, &plan)
}

fn receive_plan(channel: &OwnedFd) -> Result<SpawnPlan, StartFailure> {
    let mut buffer = vec![0; MAX_CONTROL_BYTES];
    let received = socket::receive_packet(channel.as_fd(), &mut buffer, true)
        .map_err(|error| internal("the plan could not be received", &error))?;
    let packet = buffer.get(..received.length).unwrap_or_default();
    let plan: SpawnPlan =
        control::decode(packet).map_err(|error| internal("the plan could not be read", &error))?;
    if plan.version != VERSION {
        let summary = format!("krait-spawn speaks version {VERSION} and kraitd version {}", plan.version);
        return Err(StartFailure::new(Step::Privileges, summary, "install both from one package", ""));
    }
    Ok(plan)
}

fn enter(plan: &SpawnPlan) -> Result<(), StartFailure> {
    let Err(error) = std::env::set_current_dir(&plan.directory) else { return Ok(()) };
    let who = plan.identity.as_ref().map_or("the server's user", |identity| identity.name.as_str());
    let (summary, advice) = match error.kind() {
        std::io::ErrorKind::NotFound => (
            format!("the working directory '{}' does not exist", plan.directory),
            "create it, or correct the application's path",
        ),
        std::io::ErrorKind::PermissionDenied => (
            format!("'{who}' may not enter the working directory '{}'", plan.directory),
            "give that user search permission (x) on it and on every folder above it",
        ),
        _ => (format!("the working directory '{}' cannot be entered: {error}", plan.directory), ""),
    };
    Err(StartFailure::new(Step::Interpreter, summary, advice, ""))
}

fn arrange_descriptors(channel: &OwnedFd) -> Result<(), StartFailure> {
    let nothing =
        std::fs::File::open("/dev/null").map_err(|error| internal("/dev/null cannot be opened", &error))?;
    // The channel is at 3 or above (the copy asked for that). Where it is 3 itself only its flag changes.
    descriptor::copy_onto(channel.as_fd(), CONTROL_FD)
        .and_then(|()| descriptor::copy_onto(nothing.as_fd(), 0))
        .map_err(|error| internal("the interpreter's descriptors cannot be arranged", &error))
}

fn tell_step(channel: &OwnedFd, step: Step) {
    if let Ok(packet) = control::encode(&ZygoteToManager::Step(step)) {
        // Only for the journey's timing; what matters is told by failures.
        drop(socket::send(channel.as_fd(), &[IoSlice::new(&packet)], &[], false));
    }
}

fn internal(what: &str, error: &dyn std::fmt::Display) -> StartFailure {
    StartFailure::new(Step::Privileges, format!("{what}: {error}"), "", "")
}
