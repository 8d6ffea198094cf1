//! `krait._krait`: the part of a Python process that talks to httpd and to the manager.
//!
//! `server` has the loop and `serve` the story of a request. `exchange` is what the objects handed to the
//! application (`input`, `errors`, `start_response`) share, over the two halves of the slot (`receiver`, `sender`).

mod control;
mod environ;
mod errors;
mod exchange;
mod file_wrapper;
mod glue;
mod head;
mod input;
mod link;
mod log;
mod outlet;
mod process;
mod receiver;
mod report;
mod sender;
mod serve;
mod server;
mod start_response;

use pyo3::create_exception;
use pyo3::exceptions::{PyConnectionError, PyOSError};
use pyo3::prelude::*;

create_exception!(krait, ClientDisconnected, PyConnectionError, "The client went away.");
create_exception!(krait, RequestTooLarge, PyOSError, "The request body is larger than the server allows.");

/// The module's content.
#[pymodule]
fn _krait(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("CONTROL_FD", krait_protocol::start::CONTROL_FD)?;
    module.add("ClientDisconnected", py.get_type::<ClientDisconnected>())?;
    module.add("RequestTooLarge", py.get_type::<RequestTooLarge>())?;
    module.add_class::<server::Server>()?;
    module.add_class::<input::Input>()?;
    module.add_class::<errors::Errors>()?;
    module.add_class::<start_response::StartResponse>()?;
    module.add_class::<start_response::Write>()?;
    module.add_class::<file_wrapper::FileWrapper>()?;
    module.add_function(wrap_pyfunction!(control::zygote_receive, module)?)?;
    module.add_function(wrap_pyfunction!(control::zygote_step, module)?)?;
    module.add_function(wrap_pyfunction!(control::zygote_ready, module)?)?;
    module.add_function(wrap_pyfunction!(control::zygote_threaded, module)?)?;
    module.add_function(wrap_pyfunction!(control::zygote_forked, module)?)?;
    module.add_function(wrap_pyfunction!(control::zygote_exited, module)?)?;
    module.add_function(wrap_pyfunction!(control::zygote_failed, module)?)?;
    module.add_function(wrap_pyfunction!(control::worker_receive, module)?)?;
    module.add_function(wrap_pyfunction!(control::worker_ready, module)?)?;
    module.add_function(wrap_pyfunction!(control::worker_failed, module)?)?;
    module.add_function(wrap_pyfunction!(process::set_title, module)?)?;
    module.add_function(wrap_pyfunction!(process::exit_within, module)?)?;
    Ok(())
}
