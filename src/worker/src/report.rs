//! Exceptions of applications as text for the log.

use crate::ClientDisconnected;
use pyo3::prelude::*;

/// How an application failed to answer.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It raised.
    Raised(PyErr),
    /// It broke a rule of WSGI; the text says which.
    Rule(String),
    /// Nobody is there to answer any more.
    Gone,
}

impl From<PyErr> for Fault {
    fn from(error: PyErr) -> Self {
        Fault::Raised(error)
    }
}

impl Fault {
    /// The text for the log; `None` where there is nothing to tell: the client went away.
    pub(crate) fn text(&self, py: Python<'_>) -> Option<String> {
        match self {
            Fault::Raised(error) if error.is_instance_of::<ClientDisconnected>(py) => None,
            Fault::Raised(error) => {
                let name = kind(py, error);
                Some(format!("KRT0601: the application raised {name}\n{}", traceback(py, error)))
            }
            Fault::Rule(text) => Some(text.clone()),
            Fault::Gone => None,
        }
    }
}

pub(crate) fn kind(py: Python<'_>, error: &PyErr) -> String {
    error.get_type(py).name().map_or_else(|_| "an exception".to_owned(), |name| name.to_string())
}

/// The traceback, or as much as can be told where even that fails (no memory, a broken `__str__`).
pub(crate) fn traceback(py: Python<'_>, error: &PyErr) -> String {
    let format = || -> PyResult<String> {
        let format = py.import("krait._failure")?.getattr("format_exception")?;
        let value = error.value(py);
        // Before Python 3.12 a fetched exception carries its traceback beside it, not in it.
        if let Some(trace) = error.traceback(py) {
            value.setattr("__traceback__", trace)?;
        }
        format.call1((value,))?.extract()
    };
    format().unwrap_or_else(|again| format!("(no traceback: formatting it raised {})", kind(py, &again)))
}
