//! Where an application stands in the URL: `SCRIPT_NAME` and `PATH_INFO` (RFC 3875 4.1.13, 4.1.5; PEP 3333).

use krait_config::Mount;

/// The two parts of the decoded URL path. `SCRIPT_NAME` is empty or starts with `/` and does not end with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Split<'a> {
    pub(crate) script_name: &'a [u8],
    pub(crate) path_info: &'a [u8],
}

/// What httpd made of the URL.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mapped<'a> {
    pub(crate) uri: &'a [u8],
    pub(crate) filename: &'a [u8],
    pub(crate) path_info: &'a [u8],
}

/// Whether `uri` lies at or below `prefix`, which has no slash at its end.
fn is_below(uri: &[u8], prefix: &[u8]) -> bool {
    uri.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'/'))
}

fn without_slash(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").unwrap_or(path)
}

fn at(uri: &[u8], length: usize) -> Split<'_> {
    let (script_name, path_info) = uri.split_at_checked(length).unwrap_or((b"", uri));
    Split { script_name, path_info }
}

/// Splits the URL at an application's mount.
pub(crate) fn split<'a>(mount: &Mount, mapped: Mapped<'a>) -> Split<'a> {
    let uri = mapped.uri;
    match mount {
        Mount::Server | Mount::Pattern => at(uri, 0),
        Mount::Location(path) => {
            let prefix = without_slash(path.as_bytes());
            at(uri, if is_below(uri, prefix) { prefix.len() } else { 0 })
        }
        Mount::Directory(directory) => {
            // Below the directory, URL and file name end alike: the rest of the file name, then the path info.
            let directory = without_slash(directory.as_bytes());
            let Some(rest) = mapped.filename.strip_prefix(directory) else { return at(uri, 0) };
            let rest_length = rest.len() + mapped.path_info.len();
            let length = uri.len().saturating_sub(rest_length);
            let (script, tail) = uri.split_at_checked(length).unwrap_or((b"", uri));
            let ends_alike = tail.strip_suffix(mapped.path_info).is_some_and(|middle| middle == rest);
            if ends_alike && (tail.is_empty() || tail.first() == Some(&b'/')) {
                // The directory itself: its URL may end with a slash that the file name has not.
                return match script.strip_suffix(b"/") {
                    Some(shorter) if tail.is_empty() => at(uri, shorter.len()),
                    _ => Split { script_name: script, path_info: tail },
                };
            }
            at(uri, 0)
        }
    }
}

/// Splits the URL at a script's own name: `SCRIPT_NAME` is all but httpd's path info.
pub(crate) fn split_script(mapped: Mapped<'_>) -> Split<'_> {
    let length = mapped.uri.strip_suffix(mapped.path_info).map_or(mapped.uri.len(), <[u8]>::len);
    at(mapped.uri, length)
}
