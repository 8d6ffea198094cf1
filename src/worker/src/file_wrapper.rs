//! `wsgi.file_wrapper`: a file that httpd may send by itself.

use crate::glue;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use pyo3::{PyTraverseError, PyVisit};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

const BLOCK_BYTES: isize = 8192;

/// An iterable of a file's blocks, whatever kind of file it is.
#[pyclass(frozen, module = "krait._krait")]
#[derive(Debug)]
pub(crate) struct FileWrapper {
    /// Empty only when the garbage collector broke a cycle.
    file: Mutex<Option<Py<PyAny>>>,
    block_size: isize,
}

impl FileWrapper {
    fn file<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        // Nothing runs under this lock but a reference count.
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.as_ref().map(|file| file.bind(py).clone())
    }

    /// The file's descriptor and what is left of it, where the kernel can send it in our place.
    pub(crate) fn sendable(&self, py: Python<'_>) -> Option<Sendable> {
        let file = self.file(py)?;
        // Whatever goes wrong here, reading the file shows better.
        Types::get(py).ok()?.sendable(&file).ok().flatten()
    }
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (filelike, block_size=BLOCK_BYTES, /))]
    fn new(filelike: Py<PyAny>, block_size: isize) -> Self {
        let block_size = if block_size > 0 { block_size } else { BLOCK_BYTES };
        FileWrapper { file: Mutex::new(Some(filelike)), block_size }
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(file) = self.file(py) else { return Ok(None) };
        let block = file.call_method1("read", (self.block_size,))?;
        Ok(block.is_truthy()?.then_some(block))
    }

    /// Closes the file where it can be closed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(file) = self.file(py)
            && let Some(close) = file.getattr_opt("close")?
        {
            close.call0()?;
        }
        Ok(())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.file.try_lock() {
            Ok(file) => visit.call(&*file),
            Err(_) => Ok(()),
        }
    }

    fn __clear__(&self) {
        let file = self.file.try_lock().ok().and_then(|mut file| file.take());
        drop(file);
    }
}

/// A range of a regular file.
#[derive(Debug)]
pub(crate) struct Sendable {
    pub(crate) file: OwnedFd,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// The types whose `fileno()` is the very bytes that `read()` gives. `GzipFile` and many others have one, too.
#[derive(Debug)]
struct Types {
    raw: Py<PyType>,
    buffered: [Py<PyType>; 2],
    temporary: Py<PyType>,
}

impl Types {
    fn get(py: Python<'_>) -> PyResult<&'static Types> {
        static TYPES: PyOnceLock<Types> = PyOnceLock::new();
        TYPES.get_or_try_init(py, || {
            let io = py.import("io")?;
            let kind = |module: &Bound<'_, PyAny>, name| -> PyResult<Py<PyType>> {
                Ok(module.getattr(name)?.cast_into::<PyType>()?.unbind())
            };
            Ok(Types {
                raw: kind(&io, "FileIO")?,
                buffered: [kind(&io, "BufferedReader")?, kind(&io, "BufferedRandom")?],
                temporary: kind(py.import("tempfile")?.as_any(), "_TemporaryFileWrapper")?,
            })
        })
    }

    fn sendable(&self, file: &Bound<'_, PyAny>) -> PyResult<Option<Sendable>> {
        let mut file = file.clone();
        if file.get_type().is(&self.temporary) {
            file = file.getattr("file")?;
        }
        let is_buffered = self.buffered.iter().any(|kind| file.get_type().is(kind));
        let raw = if is_buffered { file.getattr("raw")? } else { file.clone() };
        if !raw.get_type().is(&self.raw) || !raw.call_method0("readable")?.is_truthy()? {
            return Ok(None);
        }
        if is_buffered && file.call_method0("writable")?.is_truthy()? {
            file.call_method0("flush")?;
        }
        let offset: u64 = file.call_method0("tell")?.extract()?;
        let file = glue::duplicate(file.call_method0("fileno")?.extract()?)?;
        let file = File::from(file);
        let metadata = file.metadata()?;
        // Files of /proc say that they are empty; reading them shows what they hold.
        let length = metadata.len().saturating_sub(offset);
        if !metadata.is_file() || length == 0 || i64::try_from(offset).is_err() {
            return Ok(None);
        }
        Ok(Some(Sendable { file: file.into(), offset, length }))
    }
}
