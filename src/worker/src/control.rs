//! The control channel of zygotes and workers, as functions for the Python side.

use crate::glue;
use crate::link::LinkError;
use krait_protocol::ProtocolError;
use krait_protocol::control::{
    ManagerToWorker, ManagerToZygote, WorkerToManager, ZygoteToManager, decode, encode,
};
use krait_protocol::limits::MAX_CONTROL_BYTES;
use krait_protocol::start::{AppPlan, StartFailure, Step, Target};
use krait_sys::socket::{receive_packet, send};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::io::IoSlice;
use std::os::fd::{IntoRawFd, OwnedFd, RawFd};

/// Waits for a packet; `None` at the end of the channel: the manager is gone.
fn packet(py: Python<'_>) -> PyResult<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    let mut buffer = vec![0; MAX_CONTROL_BYTES];
    loop {
        let received = py.detach(|| receive_packet(glue::control(), &mut buffer, true));
        match received.map_err(|error| (LinkError::from(std::io::Error::from(error.kind())), error)) {
            Ok(received) if received.length == 0 => return Ok(None),
            Ok(received) if received.truncated => {
                return Err(PyOSError::new_err("a control message was cut off"));
            }
            Ok(received) => {
                buffer.truncate(received.length);
                return Ok(Some((buffer, received.descriptors)));
            }
            Err((LinkError::Interrupted, _)) => py.check_signals()?,
            Err((_, error)) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(None),
            Err((_, error)) => return Err(error.into()),
        }
    }
}

fn unreadable(error: &ProtocolError) -> PyErr {
    PyValueError::new_err(format!("unreadable control message: {error}"))
}

/// Descriptors as numbers, which the Python side then owns.
fn raw(descriptors: Vec<OwnedFd>) -> Vec<RawFd> {
    descriptors.into_iter().map(IntoRawFd::into_raw_fd).collect()
}

fn post(py: Python<'_>, bytes: &[u8]) -> PyResult<()> {
    loop {
        match py.detach(|| send(glue::control(), &[IoSlice::new(bytes)], &[], true)) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => py.check_signals()?,
            Err(error) => return Err(error.into()),
        }
    }
}

fn to_manager(py: Python<'_>, message: &ZygoteToManager) -> PyResult<()> {
    post(py, &encode(message).map_err(|error| unreadable(&error))?)
}

fn plan_dict<'py>(py: Python<'py>, plan: &AppPlan) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let (kind, target) = match &plan.target {
        Target::Path(path) => ("path", path),
        Target::Module(name) => ("module", name),
    };
    dict.set_item("name", &plan.name)?;
    dict.set_item("kind", kind)?;
    dict.set_item("target", target)?;
    dict.set_item("callable", plan.callable.as_deref())?;
    dict.set_item("directory", &plan.directory)?;
    dict.set_item("path", &plan.path)?;
    dict.set_item("threads", plan.threads)?;
    dict.set_item("multiprocess", plan.multiprocess)?;
    dict.set_item("preload", plan.preload)?;
    Ok(dict)
}

type Message = (&'static str, Py<PyAny>, Vec<RawFd>);

/// The zygote's next message, waited for: `("boot", plan, [])`, `("fork", worker, fds)`, `("stop", None, [])`;
/// `None` at the end.
#[pyfunction]
pub(crate) fn zygote_receive(py: Python<'_>) -> PyResult<Option<Message>> {
    let Some((bytes, descriptors)) = packet(py)? else { return Ok(None) };
    Ok(Some(match decode(&bytes).map_err(|error| unreadable(&error))? {
        ManagerToZygote::Boot(plan) => ("boot", plan_dict(py, &plan)?.into_any().unbind(), vec![]),
        ManagerToZygote::Fork { worker } => {
            ("fork", worker.into_pyobject(py)?.into_any().unbind(), raw(descriptors))
        }
        ManagerToZygote::Stop => ("stop", py.None(), vec![]),
    }))
}

/// The worker's next message, waited for: `("slot", index, fds)`, `("stop", None, [])`; `None` at the end.
#[pyfunction]
pub(crate) fn worker_receive(py: Python<'_>) -> PyResult<Option<Message>> {
    let Some((bytes, descriptors)) = packet(py)? else { return Ok(None) };
    Ok(Some(match decode(&bytes).map_err(|error| unreadable(&error))? {
        ManagerToWorker::Slot { index } => {
            ("slot", index.into_pyobject(py)?.into_any().unbind(), raw(descriptors))
        }
        ManagerToWorker::Stop => ("stop", py.None(), vec![]),
    }))
}

fn step_of(word: &str) -> PyResult<Step> {
    Step::from_word(word).ok_or_else(|| PyValueError::new_err(format!("no step {word:?}")))
}

/// Tells the manager that a step begins.
#[pyfunction]
pub(crate) fn zygote_step(py: Python<'_>, word: &str) -> PyResult<()> {
    to_manager(py, &ZygoteToManager::Step(step_of(word)?))
}

#[pyfunction]
pub(crate) fn zygote_ready(py: Python<'_>, preloaded: bool) -> PyResult<()> {
    to_manager(py, &ZygoteToManager::Ready { preloaded })
}

#[pyfunction]
pub(crate) fn zygote_threaded(py: Python<'_>, threads: u32) -> PyResult<()> {
    to_manager(py, &ZygoteToManager::Threaded { threads })
}

#[pyfunction]
pub(crate) fn zygote_forked(py: Python<'_>, worker: u32, pid: u32) -> PyResult<()> {
    to_manager(py, &ZygoteToManager::Forked { worker, pid })
}

#[pyfunction]
pub(crate) fn zygote_exited(py: Python<'_>, worker: u32, status: i32) -> PyResult<()> {
    to_manager(py, &ZygoteToManager::Exited { worker, status })
}

#[pyfunction]
pub(crate) fn zygote_failed(
    py: Python<'_>,
    step: &str,
    summary: &str,
    advice: &str,
    detail: &str,
) -> PyResult<()> {
    to_manager(py, &ZygoteToManager::Failed(StartFailure::new(step_of(step)?, summary, advice, detail)))
}

#[pyfunction]
pub(crate) fn worker_ready(py: Python<'_>) -> PyResult<()> {
    post(py, &encode(&WorkerToManager::Ready).map_err(|error| unreadable(&error))?)
}

#[pyfunction]
pub(crate) fn worker_failed(
    py: Python<'_>,
    step: &str,
    summary: &str,
    advice: &str,
    detail: &str,
) -> PyResult<()> {
    let failure = StartFailure::new(step_of(step)?, summary, advice, detail);
    post(py, &encode(&WorkerToManager::Failed(failure)).map_err(|error| unreadable(&error))?)
}
