//! The module record, by which httpd knows us, and our place in its configuration vectors.

use super::{command, entry};
use crate::ffi;
use std::cell::UnsafeCell;
use std::ffi::{c_int, c_ulong, c_void};
use std::ptr::{null, null_mut};

/// `module` of `http_config.h`. httpd writes its index and its links into it, hence the cell.
#[repr(transparent)]
#[expect(unreachable_pub, reason = "the type of an exported symbol")]
pub struct Record(UnsafeCell<ffi::module>);

// SAFETY: httpd writes the record only while it loads and unloads modules, with one thread; we only take its address.
unsafe impl Sync for Record {}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("krait_module")
    }
}

/// What `LoadModule krait_module` looks for (`STANDARD20_MODULE_STUFF`).
#[unsafe(no_mangle)]
#[expect(unreachable_pub, reason = "httpd finds it by its symbol")]
pub static krait_module: Record = Record(UnsafeCell::new(ffi::module {
    version: ffi::MODULE_MAGIC_NUMBER_MAJOR.cast_signed(),
    minor_version: ffi::MODULE_MAGIC_NUMBER_MINOR.cast_signed(),
    module_index: -1,
    name: c"mod_krait.c".as_ptr(),
    dynamic_load_handle: null_mut(),
    next: null_mut(),
    magic: ffi::MODULE_MAGIC_COOKIE as c_ulong,
    rewrite_args: None,
    create_dir_config: Some(entry::create_section),
    merge_dir_config: Some(entry::merge_sections),
    create_server_config: None,
    merge_server_config: None,
    cmds: command::COMMANDS.first(),
    register_hooks: Some(entry::register_hooks),
    flags: ffi::AP_MODULE_FLAG_NONE as c_int,
}));

fn index() -> usize {
    // SAFETY: httpd has set the index when it loaded us, before it calls us.
    let index = unsafe { (*krait_module.0.get()).module_index };
    usize::try_from(index).unwrap_or(0)
}

/// A configuration vector is an array of pointers, one per module (`ap_get_module_config`).
///
/// # Safety
/// `vector` must be a live configuration vector.
unsafe fn slot(vector: *mut ffi::ap_conf_vector_t, index: usize) -> *mut *mut c_void {
    // SAFETY: httpd sizes vectors for every module that is loaded.
    unsafe { vector.cast::<*mut c_void>().add(index) }
}

/// Our section configuration in a vector; null where there is none.
///
/// # Safety
/// `vector` must be null or a live per-directory vector.
pub(super) unsafe fn section(vector: *mut ffi::ap_conf_vector_t) -> *const c_void {
    if vector.is_null() {
        return null();
    }
    // SAFETY: as promised.
    unsafe { *slot(vector, index()) }
}

/// The core's section configuration in a vector; null where there is none.
///
/// # Safety
/// `vector` must be null or a live per-directory vector.
pub(super) unsafe fn core_section(vector: *mut ffi::ap_conf_vector_t) -> *const ffi::core_dir_config {
    if vector.is_null() {
        return null();
    }
    // SAFETY: the core is always module 0 (`AP_CORE_MODULE_INDEX`).
    unsafe { (*slot(vector, 0)).cast() }
}

/// Marks a request as ours.
///
/// # Safety
/// `vector` must be a live request's vector.
pub(super) unsafe fn set_request_mark(vector: *mut ffi::ap_conf_vector_t, mark: *mut c_void) {
    // SAFETY: as promised.
    unsafe { *slot(vector, index()) = mark }
}

/// The mark of a request; null where there is none.
///
/// # Safety
/// `vector` must be a live request's vector.
pub(super) unsafe fn request_mark(vector: *mut ffi::ap_conf_vector_t) -> *const c_void {
    // SAFETY: as promised.
    unsafe { *slot(vector, index()) }
}
