//! The `environ` of a request: a copy of a dict with what never changes, and the request's own variables.

use crate::file_wrapper::FileWrapper;
use crate::glue;
use krait_protocol::ProtocolError;
use krait_protocol::names;
use krait_protocol::request::{Body, FLAG_HTTPS, Name, RequestReader};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

/// Keys made once, so that a request only counts references.
#[derive(Debug)]
pub(crate) struct Keys {
    coded: Vec<Py<PyString>>,
    input: Py<PyString>,
    errors: Py<PyString>,
    scheme: Py<PyString>,
    https: Py<PyString>,
    request_id: Py<PyString>,
    base: Py<PyDict>,
}

impl Keys {
    pub(crate) fn new(py: Python<'_>, multithread: bool, multiprocess: bool) -> PyResult<Self> {
        let base = PyDict::new(py);
        let key = |name| PyString::intern(py, name).unbind();
        base.set_item(key("wsgi.version"), PyTuple::new(py, [1, 0])?)?;
        base.set_item(key("wsgi.url_scheme"), PyString::intern(py, "http"))?;
        base.set_item(key("wsgi.multithread"), multithread)?;
        base.set_item(key("wsgi.multiprocess"), multiprocess)?;
        base.set_item(key("wsgi.run_once"), false)?;
        base.set_item(key("wsgi.file_wrapper"), py.get_type::<FileWrapper>())?;
        base.set_item(key("wsgi.input_terminated"), true)?;
        base.set_item(key("mod_krait.version"), env!("CARGO_PKG_VERSION"))?;
        Ok(Keys {
            coded: names::NAMES.iter().map(|name| key(name)).collect(),
            input: key("wsgi.input"),
            errors: key("wsgi.errors"),
            scheme: key("wsgi.url_scheme"),
            https: key("https"),
            request_id: key("mod_krait.request_id"),
            base: base.unbind(),
        })
    }
}

/// What a request's frame says beside its variables.
#[derive(Debug)]
pub(crate) struct Request<'py, 'a> {
    pub(crate) environ: Bound<'py, PyDict>,
    pub(crate) id: u64,
    pub(crate) is_head: bool,
    pub(crate) body: Body<'a>,
}

/// Why a request could not be made into an environ.
#[derive(Debug)]
pub(crate) enum Bad {
    Protocol(ProtocolError),
    Python(PyErr),
}

impl From<ProtocolError> for Bad {
    fn from(error: ProtocolError) -> Self {
        Bad::Protocol(error)
    }
}

impl From<PyErr> for Bad {
    fn from(error: PyErr) -> Self {
        Bad::Python(error)
    }
}

/// Values of variables that hardly change from one request to the next: the last one is used again where it is
/// equal. Nothing that may be secret or that is new every time is kept.
#[derive(Debug)]
pub(crate) struct Values {
    last: Vec<Option<(Vec<u8>, Py<PyAny>)>>,
}

/// Longest value worth keeping.
const KEPT_BYTES: usize = 256;

fn is_kept(name: &str) -> bool {
    !matches!(
        name,
        "PATH_INFO"
            | "QUERY_STRING"
            | "REQUEST_URI"
            | "PATH_TRANSLATED"
            | "CONTENT_LENGTH"
            | "REMOTE_PORT"
            | "REMOTE_USER"
            | "REMOTE_IDENT"
            | "UNIQUE_ID"
            | "HTTP_COOKIE"
            | "HTTP_AUTHORIZATION"
            | "HTTP_REFERER"
            | "HTTP_X_REQUEST_ID"
            | "HTTP_IF_NONE_MATCH"
            | "HTTP_IF_MODIFIED_SINCE"
    )
}

impl Values {
    pub(crate) fn new() -> Self {
        Values { last: names::NAMES.iter().map(|_| None).collect() }
    }

    fn get<'py>(&mut self, py: Python<'py>, code: u8, value: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let Some(place) = self.last.get_mut(usize::from(code)) else { return glue::latin1(py, value) };
        if let Some((bytes, text)) = place
            && bytes == value
        {
            return Ok(text.bind(py).clone());
        }
        let text = glue::latin1(py, value)?;
        if value.len() <= KEPT_BYTES && names::name_of(code).is_some_and(is_kept) {
            match place {
                Some((bytes, kept)) => {
                    bytes.clear();
                    bytes.extend_from_slice(value);
                    *kept = text.clone().unbind();
                }
                None => *place = Some((value.to_vec(), text.clone().unbind())),
            }
        }
        Ok(text)
    }
}

/// Reads a request's payload into a fresh environ, all but the objects that belong to the exchange.
pub(crate) fn read<'py, 'a>(
    py: Python<'py>,
    keys: &Keys,
    values: &mut Values,
    payload: &'a [u8],
) -> Result<Request<'py, 'a>, Bad> {
    let mut reader = RequestReader::new(payload)?;
    let environ = keys.base.bind(py).copy()?;
    let mut is_head = false;
    while let Some((name, value)) = reader.variable()? {
        match name {
            Name::Code(code) => {
                is_head |= value == b"HEAD" && names::name_of(code) == Some("REQUEST_METHOD");
                let text = values.get(py, code, value)?;
                if let Some(key) = keys.coded.get(usize::from(code)) {
                    environ.set_item(key.bind(py), text)?;
                }
            }
            Name::Text(name) => environ.set_item(glue::latin1(py, name)?, glue::latin1(py, value)?)?,
        }
    }
    if reader.flags & FLAG_HTTPS != 0 {
        environ.set_item(keys.scheme.bind(py), keys.https.bind(py))?;
    }
    environ.set_item(keys.request_id.bind(py), reader.id)?;
    Ok(Request { environ, id: reader.id, is_head, body: reader.body()? })
}

/// Adds the request's own objects.
pub(crate) fn complete(
    environ: &Bound<'_, PyDict>,
    keys: &Keys,
    input: impl for<'py> IntoPyObject<'py>,
    errors: impl for<'py> IntoPyObject<'py>,
) -> PyResult<()> {
    let py = environ.py();
    environ.set_item(keys.input.bind(py), input)?;
    environ.set_item(keys.errors.bind(py), errors)
}
