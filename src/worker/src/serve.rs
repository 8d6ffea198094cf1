//! The story of one request, from the call of the application to the call of `close()`.

use crate::exchange::Exchange;
use crate::file_wrapper::FileWrapper;
use crate::link::LinkError;
use crate::log::to_stderr;
use crate::report::{Fault, kind, traceback};
use crate::sender::Flow;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

/// A list or tuple of up to this many bytes leaves in one piece.
const WHOLE_BYTES: usize = 64 << 10;

const NO_START: &str = "KRT0602: the application sent its answer's body without calling start_response";
const NO_START_AT_ALL: &str = "KRT0603: the application returned without calling start_response";

/// Calls the application and sends its answer. Whatever the application does, this returns.
pub(crate) fn serve(
    application: &Bound<'_, PyAny>,
    environ: &Bound<'_, PyDict>,
    start_response: &Bound<'_, PyAny>,
    exchange: &Exchange,
) {
    let py = application.py();
    let iterable = match application.call1((environ, start_response)) {
        Ok(iterable) => iterable,
        Err(error) => return fail(py, exchange, error.into()),
    };
    let is_plain = iterable.is_exact_instance_of::<PyList>() || iterable.is_exact_instance_of::<PyTuple>();
    if let Err(fault) = send(exchange, &iterable, is_plain) {
        fail(py, exchange, fault);
    }
    if !is_plain && let Err(error) = close(&iterable) {
        // The answer is over and httpd has its lease back, so there is no request to log this with.
        let text = format!(
            "KRT0604: close() of the application's iterable raised {} (request {})\n{}",
            kind(py, &error),
            exchange.send(py, |sender| sender.id()).unwrap_or(0),
            traceback(py, &error)
        );
        to_stderr(text.as_bytes());
    }
}

fn fail(py: Python<'_>, exchange: &Exchange, fault: Fault) {
    let text = fault.text(py);
    drop(fault);
    // Where this cannot be sent either, the slot's end shows at the next receive.
    let _sent = exchange.send(py, |sender| sender.fail(py, text.as_deref().map(str::as_bytes)));
}

fn close(iterable: &Bound<'_, PyAny>) -> PyResult<()> {
    match iterable.getattr_opt("close")? {
        Some(close) => close.call0().map(drop),
        None => Ok(()),
    }
}

/// Runs `act` on the sending half.
fn with<T>(
    py: Python<'_>,
    exchange: &Exchange,
    act: impl FnOnce(&mut crate::sender::Sender) -> Result<T, LinkError>,
) -> Result<T, Fault> {
    match exchange.send(py, act) {
        Some(Ok(done)) => Ok(done),
        Some(Err(_)) | None => Err(Fault::Gone),
    }
}

fn send(exchange: &Exchange, iterable: &Bound<'_, PyAny>, is_plain: bool) -> Result<(), Fault> {
    let py = iterable.py();
    if is_plain && let Some(whole) = Whole::collect(iterable)? {
        return whole.send(py, exchange);
    }
    // The head of an answer without body goes out as soon as it is known; its iterable need not be started.
    if with(py, exchange, |sender| Ok(sender.has_head() && sender.is_bodiless()))? {
        return with(py, exchange, |sender| sender.end(py));
    }
    if let Ok(wrapper) = iterable.cast_exact::<FileWrapper>()
        && with(py, exchange, |sender| Ok(sender.has_head() && !sender.head_sent()))?
        && let Some(found) = wrapper.get().sendable(py)
    {
        return with(py, exchange, |sender| {
            sender.declare(found.length);
            sender.file(py, &found.file, found.offset, found.length)
        });
    }
    for item in iterator(iterable)? {
        let item = item?;
        let block = bytes(&item, iterable)?.as_bytes();
        if block.is_empty() {
            continue;
        }
        let flow = with(py, exchange, |sender| match sender.has_head() {
            true => sender.block(py, block, false).map(Some),
            false => Ok(None),
        })?;
        match flow {
            Some(Flow::More) => {}
            // One more step lets a generator run to its end; only what it still yields is too much.
            Some(Flow::Enough) if !with(py, exchange, |sender| Ok(sender.is_bodiless()))? => {}
            Some(Flow::Enough) => return Ok(()),
            Some(Flow::Excess) => return excess(py, exchange),
            None => return Err(Fault::Rule(NO_START.to_owned())),
        }
    }
    end(py, exchange)
}

/// Tells of blocks after the end; a block that was cut has been told of with the answer.
fn excess(py: Python<'_>, exchange: &Exchange) -> Result<(), Fault> {
    with(py, exchange, |sender| {
        sender.tell_excess();
        Ok(())
    })
}

fn end(py: Python<'_>, exchange: &Exchange) -> Result<(), Fault> {
    let is_begun = with(py, exchange, |sender| match sender.has_head() {
        true => sender.end(py).map(|()| true),
        false => Ok(false),
    })?;
    if is_begun { Ok(()) } else { Err(Fault::Rule(NO_START_AT_ALL.to_owned())) }
}

/// A list or tuple that fits one piece. No application code runs while it is looked through.
enum Whole<'py> {
    /// A single block of any size: its length is that of the whole body.
    One(Bound<'py, PyBytes>),
    Joined(Vec<u8>),
}

impl<'py> Whole<'py> {
    fn collect(iterable: &Bound<'py, PyAny>) -> Result<Option<Self>, Fault> {
        let mut items = iterable.try_iter()?;
        let Some(first) = items.next() else { return Ok(Some(Whole::Joined(Vec::new()))) };
        let first = first?;
        let first = bytes(&first, iterable)?;
        let Some(second) = items.next() else { return Ok(Some(Whole::One(first.clone()))) };
        let mut all = first.as_bytes().to_vec();
        for item in std::iter::once(second).chain(items) {
            let item = item?;
            let block = bytes(&item, iterable)?.as_bytes();
            if all.len() + block.len() > WHOLE_BYTES {
                return Ok(None);
            }
            all.extend_from_slice(block);
        }
        Ok(Some(Whole::Joined(all)))
    }

    fn send(&self, py: Python<'py>, exchange: &Exchange) -> Result<(), Fault> {
        let (block, is_one) = match self {
            Whole::One(block) => (block.as_bytes(), true),
            Whole::Joined(all) => (&all[..], false),
        };
        let is_begun = with(py, exchange, |sender| {
            if !sender.has_head() {
                return Ok(false);
            }
            if is_one {
                sender.declare(block.len() as u64);
            }
            if block.is_empty() || sender.is_bodiless() {
                sender.end(py)?;
            } else if sender.block(py, block, true)? == Flow::Excess {
                sender.tell_excess();
            }
            Ok(true)
        })?;
        if is_begun { Ok(()) } else { Err(Fault::Rule(NO_START_AT_ALL.to_owned())) }
    }
}

fn bytes<'a, 'py>(
    item: &'a Bound<'py, PyAny>,
    iterable: &Bound<'py, PyAny>,
) -> Result<&'a Bound<'py, PyBytes>, Fault> {
    item.cast::<PyBytes>().map_err(|_| {
        let (item, whole) = (name(item), name(iterable));
        Fault::Rule(format!("KRT0605: the application's answer ({whole}) yielded {item}, not bytes"))
    })
}

fn iterator<'py>(iterable: &Bound<'py, PyAny>) -> Result<Bound<'py, pyo3::types::PyIterator>, Fault> {
    let is_text = iterable.is_instance_of::<PyBytes>() || iterable.is_instance_of::<PyString>();
    if is_text {
        let name = name(iterable);
        return Err(Fault::Rule(format!(
            "KRT0606: the application returned {name}, not an iterable of bytes; return a list with it: [...]"
        )));
    }
    iterable.try_iter().map_err(|error| {
        if !error.is_instance_of::<PyTypeError>(iterable.py()) {
            return Fault::Raised(error);
        }
        let name = name(iterable);
        let hint = match name.as_str() {
            "coroutine" => "; an ASGI application needs an adapter to WSGI",
            _ => "",
        };
        drop(error);
        Fault::Rule(format!(
            "KRT0607: the application returned {name}, which is not an iterable of bytes{hint}"
        ))
    })
}

fn name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "an object".to_owned(), |name| name.to_string())
}
