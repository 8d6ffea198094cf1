//! `wsgi.input`: the request body, pulled from httpd when the application reads.

use crate::exchange::{Exchange, too_large};
use crate::receiver::Source;
use krait_protocol::frame::BodyEnd;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use std::sync::Arc;

/// What a read of a body of unknown length grows by.
const GROW_BYTES: usize = 1 << 20;

/// The request body.
#[pyclass(frozen, module = "krait._krait")]
#[derive(Debug)]
pub(crate) struct Input {
    exchange: Arc<Exchange>,
}

/// How many bytes there are at most.
enum Rest {
    Exactly(usize),
    Unknown,
}

impl Input {
    pub(crate) fn new(exchange: Arc<Exchange>) -> Self {
        Input { exchange }
    }

    fn bound(&self, py: Python<'_>) -> PyResult<Rest> {
        self.exchange.receive(py, |receiver| match receiver.source() {
            Source::Done | Source::Broken(_) => Rest::Exactly(receiver.buffered().len()),
            Source::Pull(Some(left)) => {
                let left = usize::try_from(left).unwrap_or(usize::MAX);
                Rest::Exactly(left.saturating_add(receiver.buffered().len()))
            }
            Source::Pull(None) => Rest::Unknown,
        })
    }

    /// Fills `target` as far as the body goes.
    fn fill(&self, py: Python<'_>, target: &mut [u8]) -> PyResult<usize> {
        let mut done = self.exchange.receive(py, |receiver| receiver.take(target))?;
        while let Some(rest) = target.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let wanted = rest.len();
            let (count, goes_on) = self.exchange.more(py, rest, wanted)?;
            done += count;
            if !goes_on {
                self.check_end(py)?;
                break;
            }
        }
        Ok(done)
    }

    /// Raises where the body did not end well.
    fn check_end(&self, py: Python<'_>) -> PyResult<()> {
        match self.exchange.receive(py, |receiver| receiver.source())? {
            Source::Broken(BodyEnd::TooLarge) => Err(too_large()),
            Source::Broken(_) => Err(self.exchange.raise(crate::link::LinkError::Gone)),
            _ => Ok(()),
        }
    }

    fn read_exactly<'py>(&self, py: Python<'py>, size: usize) -> PyResult<Bound<'py, PyBytes>> {
        let mut done = 0;
        let bytes = PyBytes::new_with(py, size, |target| {
            done = self.fill(py, target)?;
            Ok(())
        })?;
        match bytes.as_bytes().get(..done) {
            Some(part) if done < size => Ok(PyBytes::new(py, part)),
            _ => Ok(bytes),
        }
    }

    fn read_unknown<'py>(&self, py: Python<'py>, most: usize) -> PyResult<Bound<'py, PyBytes>> {
        let mut all = Vec::new();
        while all.len() < most {
            let from = all.len();
            all.resize(from + GROW_BYTES.min(most - from), 0);
            let done = self.fill(py, all.get_mut(from..).unwrap_or_default())?;
            let ended = from + done < all.len();
            all.truncate(from + done);
            if ended {
                break;
            }
        }
        Ok(PyBytes::new(py, &all))
    }

    fn line(&self, py: Python<'_>, most: usize) -> PyResult<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            let ended = self.exchange.receive(py, |receiver| {
                let have = receiver.buffered();
                let have = have.get(..most - line.len()).unwrap_or(have);
                let at = have.iter().position(|&byte| byte == b'\n');
                let count = at.map_or(have.len(), |at| at + 1);
                let from = line.len();
                line.resize(from + count, 0);
                receiver.take(line.get_mut(from..).unwrap_or_default());
                at.is_some() || line.len() >= most
            })?;
            if ended {
                return Ok(line);
            }
            let (_, goes_on) = self.exchange.more(py, &mut [], 0)?;
            if !goes_on {
                self.check_end(py)?;
                return Ok(line);
            }
        }
    }
}

fn limit(size: Option<isize>) -> usize {
    size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX)
}

#[pymethods]
impl Input {
    #[pyo3(signature = (size=None, /))]
    fn read<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        let most = limit(size);
        match self.bound(py)? {
            Rest::Unknown if most > GROW_BYTES => self.read_unknown(py, most),
            Rest::Unknown => self.read_exactly(py, most),
            Rest::Exactly(0) if most > 0 => {
                self.check_end(py)?;
                Ok(PyBytes::new(py, b""))
            }
            Rest::Exactly(size) => self.read_exactly(py, size.min(most)),
        }
    }

    #[pyo3(signature = (size=None, /))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.line(py, limit(size))?))
    }

    #[pyo3(signature = (hint=None, /))]
    fn readlines<'py>(&self, py: Python<'py>, hint: Option<isize>) -> PyResult<Bound<'py, PyList>> {
        let most = limit(hint.filter(|&hint| hint > 0));
        let lines = PyList::empty(py);
        let mut total = 0;
        while total < most {
            let line = self.line(py, usize::MAX)?;
            if line.is_empty() {
                break;
            }
            total += line.len();
            lines.append(PyBytes::new(py, &line))?;
        }
        Ok(lines)
    }

    /// For `io.BufferedReader`. The stable ABI of Python 3.9 has no buffers, so a memoryview does the copying.
    fn readinto(&self, py: Python<'_>, buffer: &Bound<'_, PyAny>) -> PyResult<usize> {
        let view =
            py.import("builtins")?.getattr("memoryview")?.call1((buffer,))?.call_method1("cast", ("B",))?;
        let data = self.read(py, Some(view.len()?.cast_signed()))?;
        let count = data.as_bytes().len();
        let slice = pyo3::types::PySlice::new(py, 0, count.cast_signed(), 1);
        view.set_item(slice, data)?;
        Ok(count)
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let line = self.line(py, usize::MAX)?;
        Ok((!line.is_empty()).then(|| PyBytes::new(py, &line)))
    }

    fn readable(&self) -> bool {
        true
    }

    fn writable(&self) -> bool {
        false
    }

    fn seekable(&self) -> bool {
        false
    }

    #[getter]
    fn closed(&self) -> bool {
        false
    }

    /// Does nothing: PEP 3333 forbids applications to close it, and some do.
    fn close(&self) {}
}
