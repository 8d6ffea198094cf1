//! A worker's loop over the requests of one slot.

use crate::environ::{self, Bad, Keys, Values};
use crate::errors::Errors;
use crate::exchange::{Exchange, Halves};
use crate::glue;
use crate::input::Input;
use crate::link::{Link, LinkError, tell_protocol};
use crate::log::to_stderr;
use crate::receiver::{Receiver, Source};
use crate::sender::Sender;
use crate::serve::serve;
use crate::start_response::StartResponse;
use krait_protocol::request::Body;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// The application and what all its requests share.
#[pyclass(frozen, module = "krait._krait")]
#[derive(Debug)]
pub(crate) struct Server {
    application: Py<PyAny>,
    keys: Keys,
}

#[pymethods]
impl Server {
    #[new]
    fn new(py: Python<'_>, application: Py<PyAny>, multithread: bool, multiprocess: bool) -> PyResult<Self> {
        Ok(Server { application, keys: Keys::new(py, multithread, multiprocess)? })
    }

    /// Serves requests until the slot's conversation ends. Takes the descriptor over.
    ///
    /// Raises only what a signal handler raises between two requests.
    fn serve(&self, py: Python<'_>, fd: i32) -> PyResult<()> {
        let fd = glue::adopt(fd).ok_or_else(|| PyValueError::new_err("not a descriptor"))?;
        let link = Arc::new(Link::new(fd));
        let receiver = Box::new(Receiver::new(link.clone()));
        let mut halves = Some(Halves { receiver, sender: Box::new(Sender::new(link.clone())) });
        let mut values = Values::new();
        while let Some(mut pair) = halves.take() {
            match py.detach(|| pair.receiver.request()) {
                Ok(None) => break,
                Ok(Some(payload)) => halves = self.request(py, &link, pair, payload, &mut values),
                Err(LinkError::Interrupted) => {
                    py.check_signals()?;
                    halves = Some(pair);
                }
                Err(error) => {
                    broken(&link, &error);
                    break;
                }
            }
        }
        Ok(())
    }
}

impl Server {
    /// Serves one request; gives the halves back unless the conversation is over.
    fn request(
        &self,
        py: Python<'_>,
        link: &Arc<Link>,
        mut pair: Halves,
        payload: Range<usize>,
        values: &mut Values,
    ) -> Option<Halves> {
        let end = payload.end;
        let request = match environ::read(py, &self.keys, values, pair.receiver.bytes(payload)) {
            Ok(request) => request,
            Err(Bad::Protocol(error)) => {
                broken(link, &LinkError::Protocol(error));
                return None;
            }
            Err(Bad::Python(error)) => {
                let text = format!("KRT0621: a request's environ could not be made: {error}");
                to_stderr(text.as_bytes());
                link.shut_down();
                return None;
            }
        };
        let (inline, source) = match request.body {
            Body::None | Body::Known(0) => (0..0, Source::Done),
            Body::Inline(bytes) => (end - bytes.len()..end, Source::Done),
            Body::Known(length) => (0..0, Source::Pull(Some(length))),
            Body::Unknown => (0..0, Source::Pull(None)),
        };
        let environ = request.environ;
        pair.sender.begin(request.id, request.is_head);
        pair.receiver.begin_body(inline, source);
        let exchange = Arc::new(Exchange::new(link.clone(), pair));
        if let Err(error) = self.call(py, &environ, &exchange) {
            let text = format!("KRT0622: a request's objects could not be made: {error}");
            to_stderr(text.as_bytes());
            link.shut_down();
        }
        // The environ goes before the next request is waited for: what it holds may be large.
        drop(environ);
        let mut pair = exchange.close(py)?;
        match py.detach(|| pair.receiver.end_body()) {
            Ok(()) => Some(pair),
            Err(error) => {
                broken(link, &error);
                None
            }
        }
    }

    fn call(
        &self,
        py: Python<'_>,
        environ: &Bound<'_, pyo3::types::PyDict>,
        exchange: &Arc<Exchange>,
    ) -> PyResult<()> {
        let input = Py::new(py, Input::new(exchange.clone()))?;
        let errors = Py::new(py, Errors::new(exchange.clone()))?;
        let start_response = Bound::new(py, StartResponse::new(exchange.clone()))?.into_any();
        environ::complete(environ, &self.keys, input.into_any(), errors.into_any())?;
        serve(self.application.bind(py), environ, &start_response, exchange);
        Ok(())
    }
}

fn broken(link: &Link, error: &LinkError) {
    if let LinkError::Protocol(error) = error {
        tell_protocol(error);
    }
    link.shut_down();
}
