//! `start_response` and the `write` callable it returns (PEP 3333).

use crate::exchange::Exchange;
use crate::head::Head;
use crate::link::LinkError;
use crate::sender::{EXCESS, Flow};
use pyo3::exceptions::{PyAssertionError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use std::sync::Arc;

/// Takes status and headers.
#[pyclass(frozen, module = "krait._krait")]
#[derive(Debug)]
pub(crate) struct StartResponse {
    exchange: Arc<Exchange>,
}

impl StartResponse {
    pub(crate) fn new(exchange: Arc<Exchange>) -> Self {
        StartResponse { exchange }
    }
}

#[pymethods]
impl StartResponse {
    #[pyo3(signature = (status, response_headers, exc_info=None))]
    fn __call__(
        &self,
        py: Python<'_>,
        status: &Bound<'_, PyAny>,
        response_headers: &Bound<'_, PyAny>,
        exc_info: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Write> {
        let replaces = match exc_info {
            Some(info) => info.is_truthy()?,
            None => false,
        };
        let (called, head_sent) = self
            .exchange
            .send(py, |sender| (sender.call(), sender.head_sent() || sender.ended()))
            .ok_or_else(over)?;
        if let Some(info) = exc_info.filter(|_| replaces) {
            let info = info.cast::<PyTuple>().ok().filter(|info| info.len() == 3);
            let info =
                info.ok_or_else(|| PyTypeError::new_err("exc_info must be the tuple of sys.exc_info()"))?;
            if head_sent {
                let error = info.get_item(1)?;
                error.call_method1("with_traceback", (info.get_item(2)?,))?;
                return Err(PyErr::from_value(error));
            }
        } else if called {
            return Err(PyAssertionError::new_err(
                "start_response was called a second time without exc_info",
            ));
        }
        // A head that is refused leaves none behind, not the one it was to replace.
        let head = Head::new(status, response_headers);
        let head = head.map_or_else(|error| (None, Err(error)), |head| (Some(head), Ok(())));
        self.exchange.send(py, |sender| sender.set_head(head.0)).ok_or_else(over)?;
        head.1.map(|()| Write { exchange: self.exchange.clone() })
    }
}

/// The old way to send a body.
#[pyclass(frozen, module = "krait._krait")]
#[derive(Debug)]
pub(crate) struct Write {
    exchange: Arc<Exchange>,
}

#[pymethods]
impl Write {
    #[pyo3(signature = (data, /))]
    fn __call__(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let Ok(block) = data.cast::<PyBytes>() else {
            let kind = data.get_type().name()?;
            return Err(PyTypeError::new_err(format!("write() takes bytes, not {kind}")));
        };
        let block = block.as_bytes();
        let flow = self
            .exchange
            .send(py, |sender| {
                if !sender.has_head() {
                    return Ok(None);
                }
                sender.note_write();
                // Nothing is sent for an empty block, and an answer without body ends when its iterable is known.
                if block.is_empty() || sender.is_bodiless() && !sender.ended() {
                    return Ok(Some(Flow::More));
                }
                sender.block(py, block, false).map(Some)
            })
            .ok_or_else(over)?;
        match flow {
            Ok(Some(Flow::Excess)) => Err(PyValueError::new_err(EXCESS)),
            Ok(Some(Flow::More | Flow::Enough)) => Ok(()),
            Ok(None) => Err(PyAssertionError::new_err("write() needs a start_response() that succeeded")),
            Err(LinkError::Protocol(error)) => Err(self.exchange.raise(LinkError::Protocol(error))),
            Err(_) => Err(self.exchange.raise(LinkError::Gone)),
        }
    }
}

fn over() -> PyErr {
    PyValueError::new_err("the request is over")
}
