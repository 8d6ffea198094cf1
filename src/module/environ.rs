//! The variables of a request, as httpd knows them, written straight into the `REQUEST` frame.

use crate::httpd::request::Request;
use crate::mount::Split;
use krait_protocol::ProtocolError;
use krait_protocol::request::{Body, FLAG_HTTPS, RequestWriter};

/// Not of the request but of httpd's own process, or replaced by ours. `HTTP_TRANSFER_ENCODING` describes the
/// connection: what the application reads is decoded.
fn is_left_out(name: &[u8]) -> bool {
    matches!(name, b"PATH" | b"LD_LIBRARY_PATH" | b"SCRIPT_NAME" | b"PATH_INFO" | b"HTTP_TRANSFER_ENCODING")
}

/// Writes the frame into `out`.
pub(crate) fn write(
    r: Request<'_>,
    id: u64,
    split: Split<'_>,
    body: Body<'_>,
    out: &mut Vec<u8>,
) -> Result<(), ProtocolError> {
    r.add_cgi_variables();
    let env = r.env();
    let is_https = r.is_https() || env.and_then(|env| env.get(c"HTTPS")) == Some(b"on");
    let mut writer = RequestWriter::new(out, id, if is_https { FLAG_HTTPS } else { 0 });
    for (name, value) in env.into_iter().flat_map(crate::httpd::table::Table::entries) {
        if !is_left_out(name) {
            writer.variable(name, value)?;
        }
    }
    writer.variable(b"SCRIPT_NAME", split.script_name)?;
    writer.variable(b"PATH_INFO", split.path_info)?;
    writer.finish(body)
}
