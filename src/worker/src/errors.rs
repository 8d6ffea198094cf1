//! `wsgi.errors`: text for the error log, as `LOG` frames of the request while it lasts.

use crate::exchange::Exchange;
use crate::log::to_stderr;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use std::sync::Arc;

/// The error stream.
#[pyclass(frozen, module = "krait._krait")]
#[derive(Debug)]
pub(crate) struct Errors {
    exchange: Arc<Exchange>,
}

impl Errors {
    pub(crate) fn new(exchange: Arc<Exchange>) -> Self {
        Errors { exchange }
    }

    /// Never raises for what cannot be logged: a log line must not end a request.
    fn put(&self, py: Python<'_>, text: &[u8], flush: bool) {
        let sent = self.exchange.send(py, |sender| {
            let is_open = !sender.ended() && !sender.gone();
            is_open && sender.write_errors(py, text, flush).is_ok()
        });
        if sent != Some(true) && !text.is_empty() {
            to_stderr(text);
        }
    }
}

#[pymethods]
impl Errors {
    fn write(&self, text: &Bound<'_, PyAny>) -> PyResult<usize> {
        let py = text.py();
        let Ok(string) = text.cast::<PyString>() else {
            let kind = text.get_type().name()?;
            return Err(PyTypeError::new_err(format!("wsgi.errors takes str, not {kind}")));
        };
        match string.to_cow() {
            Ok(utf8) => self.put(py, utf8.as_bytes(), false),
            // Lone surrogates, as the names of files may have them.
            Err(_) => {
                let bytes = string.call_method1("encode", ("utf-8", "backslashreplace"))?;
                self.put(py, bytes.cast::<PyBytes>()?.as_bytes(), false);
            }
        }
        string.len()
    }

    fn writelines(&self, lines: &Bound<'_, PyAny>) -> PyResult<()> {
        for line in lines.try_iter()? {
            self.write(&line?)?;
        }
        Ok(())
    }

    fn flush(&self, py: Python<'_>) {
        self.put(py, b"", true);
    }

    fn writable(&self) -> bool {
        true
    }

    fn isatty(&self) -> bool {
        false
    }

    #[getter]
    fn encoding(&self) -> &'static str {
        "utf-8"
    }

    #[getter]
    fn errors(&self) -> &'static str {
        "backslashreplace"
    }

    #[getter]
    fn closed(&self) -> bool {
        false
    }
}
