//! The command table (`command_rec`), made from the one table of directives, and what httpd knows when it reads a
//! directive (`cmd_parms`).

use super::entry;
use crate::ffi;
use krait_config::{DIRECTIVES, Mount, Place};
use std::ffi::{CStr, c_int, c_uint};
use std::ptr::{NonNull, null, null_mut};

const COUNT: usize = DIRECTIVES.len();

/// `command_rec[]`, ended by an empty record.
#[repr(transparent)]
pub(super) struct Commands([ffi::command_rec; COUNT + 1]);

// SAFETY: never written; its pointers are to statics.
unsafe impl Sync for Commands {}

impl Commands {
    pub(super) const fn first(&'static self) -> *const ffi::command_rec {
        self.0.as_ptr()
    }
}

const fn overrides(place: Place) -> c_int {
    let bits = match place {
        Place::Global => ffi::RSRC_CONF,
        Place::Administrator => ffi::RSRC_CONF | ffi::ACCESS_CONF,
        Place::Everywhere => ffi::RSRC_CONF | ffi::ACCESS_CONF | ffi::OR_FILEINFO,
    };
    bits.cast_signed()
}

pub(super) static COMMANDS: Commands = {
    let end = ffi::command_rec {
        name: null(),
        func: ffi::cmd_func { no_args: None },
        cmd_data: null_mut(),
        req_override: 0,
        args_how: ffi::RAW_ARGS,
        errmsg: null(),
    };
    let mut records = [end; COUNT + 1];
    let mut row = 0;
    while row < COUNT {
        let directive = &DIRECTIVES[row];
        records[row] = ffi::command_rec {
            name: directive.name.as_ptr(),
            func: ffi::cmd_func { raw_args: Some(entry::directive) },
            // The row's number; never followed.
            cmd_data: std::ptr::without_provenance_mut(row),
            req_override: overrides(directive.place),
            args_how: ffi::RAW_ARGS,
            errmsg: null(),
        };
        row += 1;
    }
    Commands(records)
};

/// Circumstances of a directive that is being read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Command<'a> {
    raw: NonNull<ffi::cmd_parms>,
    life: std::marker::PhantomData<&'a ffi::cmd_parms>,
}

impl Command<'_> {
    /// # Safety
    /// `raw` must be null or live during `'a`.
    pub(super) unsafe fn from_raw(raw: *mut ffi::cmd_parms) -> Option<Self> {
        NonNull::new(raw).map(|raw| Command { raw, life: std::marker::PhantomData })
    }

    /// The row of [`DIRECTIVES`].
    pub(crate) fn row(self) -> usize {
        // SAFETY: live; `info` is the record's `cmd_data`.
        unsafe { (*self.raw.as_ptr()).info.addr() }
    }

    fn path(self) -> Option<String> {
        // SAFETY: live; null or a C string.
        unsafe {
            let path = (*self.raw.as_ptr()).path;
            (!path.is_null()).then(|| CStr::from_ptr(path).to_string_lossy().into_owned())
        }
    }

    /// Whether it stands in a `.htaccess` file (which httpd reads with the request's own pool).
    pub(crate) fn is_htaccess(self) -> bool {
        // SAFETY: live.
        unsafe { (*self.raw.as_ptr()).pool == (*self.raw.as_ptr()).temp_pool }
    }

    /// A sentence where it stands inside a section or virtual host, but may not.
    pub(crate) fn must_be_global(self) -> Option<String> {
        // SAFETY: live; the answer is null or a C string.
        unsafe {
            let error = ffi::ap_check_cmd_context(self.raw.as_ptr(), ffi::GLOBAL_ONLY as c_uint);
            (!error.is_null()).then(|| CStr::from_ptr(error).to_string_lossy().into_owned())
        }
    }

    /// The section it stands in. Patterns and wildcards name no single place.
    pub(crate) fn mount(self) -> Mount {
        let path = self.path();
        if self.is_htaccess() {
            return path.map_or(Mount::Pattern, Mount::Directory);
        }
        // SAFETY: live; each directive's parent is null or live, and its texts are null or C strings.
        unsafe {
            let mut directive = (*self.raw.as_ptr()).directive;
            while !directive.is_null() {
                directive = (*directive).parent;
                if directive.is_null() || (*directive).directive.is_null() {
                    break;
                }
                let name = CStr::from_ptr((*directive).directive).to_bytes();
                let arguments = (*directive).args;
                let pattern = !arguments.is_null() && {
                    let arguments = CStr::from_ptr(arguments).to_bytes();
                    arguments.iter().any(|byte| b"~*?[".contains(byte))
                };
                let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
                if is("<VirtualHost") {
                    return Mount::Server;
                } else if is("<Location") && !pattern {
                    return path.map_or(Mount::Pattern, Mount::Location);
                } else if is("<Directory") && !pattern {
                    return path.map_or(Mount::Pattern, Mount::Directory);
                } else if name.starts_with(b"<") && !is("<IfModule") && !is("<IfDefine") && !is("<IfVersion")
                {
                    return Mount::Pattern;
                }
            }
        }
        Mount::Server
    }

    /// Where relative paths start: the directory of a Directory section or `.htaccess`, else ServerRoot.
    pub(crate) fn base(self, mount: &Mount) -> String {
        if let Mount::Directory(directory) = mount {
            return directory.clone();
        }
        // SAFETY: live; the answer is null or a C string of the pool.
        unsafe {
            let root = ffi::ap_server_root_relative((*self.raw.as_ptr()).temp_pool, c".".as_ptr());
            if root.is_null() { "/".to_owned() } else { CStr::from_ptr(root).to_string_lossy().into_owned() }
        }
    }

    /// The server whose configuration is read, to find its other sections with [`super::process::main_sections`].
    pub(super) fn server(self) -> *mut ffi::server_rec {
        // SAFETY: live.
        unsafe { (*self.raw.as_ptr()).server }
    }

    /// Where messages and our sections live.
    pub(super) fn pool(self) -> *mut ffi::apr_pool_t {
        // SAFETY: live.
        unsafe { (*self.raw.as_ptr()).pool }
    }
}

/// The words of a directive's arguments, by httpd's own quoting rules.
///
/// # Safety
/// `arguments` must be null or a C string, and `pool` live.
pub(super) unsafe fn words(pool: *mut ffi::apr_pool_t, arguments: *const std::ffi::c_char) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = arguments;
    // SAFETY: as promised; the call moves `rest` along the string and copies each word into the pool.
    unsafe {
        while !rest.is_null() && *rest != 0 {
            let word = ffi::ap_getword_conf(pool, &raw mut rest);
            if word.is_null() {
                break;
            }
            let text = CStr::from_ptr(word).to_string_lossy().into_owned();
            if text.is_empty() && *rest == 0 && words.is_empty() {
                break;
            }
            words.push(text);
        }
    }
    words
}

/// A message for the administrator, in the pool, as a directive's function returns it.
///
/// # Safety
/// `pool` must be live.
pub(super) unsafe fn message(pool: *mut ffi::apr_pool_t, text: &str) -> *const std::ffi::c_char {
    // SAFETY: as promised; the call copies and adds a NUL.
    unsafe { ffi::apr_pstrmemdup(pool, text.as_ptr().cast(), text.len()) }
}
