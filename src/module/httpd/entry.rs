//! Every place where httpd calls us, each through the guard, in the order of httpd's life.

use super::command::{self, Command};
use super::guard::guard;
use super::process::{Main, Pool, Recorded};
use super::request::Request;
use super::section;
use crate::{child, config, daemon, ffi, handler, hooks};
use std::ffi::{c_char, c_int, c_void};
use std::ptr::{null, null_mut};

const OK: c_int = ffi::OK as c_int;
const DECLINED: c_int = ffi::DECLINED;
const ERROR: c_int = ffi::HTTP_INTERNAL_SERVER_ERROR as c_int;

/// Called once after loading.
pub(super) unsafe extern "C" fn register_hooks(_pool: *mut ffi::apr_pool_t) {
    guard("register_hooks", (), || {
        config::choose_key();
        // SAFETY: the functions have the types that the hooks want and live as long as the module is loaded; httpd
        // forgets its hooks before it unloads a module.
        unsafe {
            ffi::ap_hook_pre_config(Some(pre_config), null(), null(), ffi::APR_HOOK_MIDDLE.cast_signed());
            ffi::ap_hook_post_config(Some(post_config), null(), null(), ffi::APR_HOOK_LAST.cast_signed());
            ffi::ap_hook_child_init(Some(child_init), null(), null(), ffi::APR_HOOK_MIDDLE.cast_signed());
            // After aliases, redirects and rewrites, before the document root.
            ffi::ap_hook_translate_name(
                Some(translate_name),
                null(),
                null(),
                ffi::APR_HOOK_LAST.cast_signed(),
            );
            // After TRACE is answered, before the file system is walked.
            ffi::ap_hook_map_to_storage(
                Some(map_to_storage),
                null(),
                null(),
                ffi::APR_HOOK_LAST.cast_signed(),
            );
            // After SetHandler, before mod_dir.
            ffi::ap_hook_fixups(Some(fixups), null(), null(), ffi::APR_HOOK_MIDDLE.cast_signed());
            ffi::ap_hook_handler(Some(handle), null(), null(), ffi::APR_HOOK_MIDDLE.cast_signed());
        }
    });
}

pub(super) unsafe extern "C" fn create_section(
    pool: *mut ffi::apr_pool_t,
    _path: *mut c_char,
) -> *mut c_void {
    // SAFETY: httpd hands a live pool.
    guard("create_dir_config", null_mut(), || unsafe { section::create(pool) }.cast())
}

pub(super) unsafe extern "C" fn merge_sections(
    pool: *mut ffi::apr_pool_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_void {
    if outer.is_null() || inner.is_null() {
        return if inner.is_null() { outer } else { inner };
    }
    // SAFETY: httpd hands a live pool and two configurations that we made and that live at least as long.
    let merged = || unsafe { section::merge(pool, outer.cast(), inner.cast()) }.cast_mut().cast();
    guard("merge_dir_config", inner, merged)
}

/// Reads one of our directives; returns null, or what is wrong.
pub(super) unsafe extern "C" fn directive(
    parms: *mut ffi::cmd_parms,
    section: *mut c_void,
    arguments: *const c_char,
) -> *const c_char {
    guard("a directive", c"internal error".as_ptr(), || {
        // SAFETY: httpd hands live parameters, the section that we made for this place, used by nobody else while it
        // is being read, and a C string.
        unsafe {
            let (Some(command), Some(layer)) = (Command::from_raw(parms), section::layer_mut(section)) else {
                return c"internal error: no configuration to write into".as_ptr();
            };
            let words = command::words(command.pool(), arguments);
            let recorded = Recorded { server: command.server().addr(), node: section.addr() };
            match config::read(command, layer, &words, recorded) {
                Ok(()) => null(),
                Err(text) => command::message(command.pool(), &text),
            }
        }
    })
}

unsafe extern "C" fn pre_config(
    _pconf: *mut ffi::apr_pool_t,
    _plog: *mut ffi::apr_pool_t,
    _ptemp: *mut ffi::apr_pool_t,
) -> c_int {
    guard("pre_config", OK, || {
        config::start_pass();
        OK
    })
}

unsafe extern "C" fn post_config(
    pconf: *mut ffi::apr_pool_t,
    _plog: *mut ffi::apr_pool_t,
    _ptemp: *mut ffi::apr_pool_t,
    server: *mut ffi::server_rec,
) -> c_int {
    guard("post_config", ERROR, || {
        // SAFETY: httpd hands the main server and the configuration pool.
        if let Some(main) = unsafe { Main::from_raw(server) } {
            // SAFETY: as above.
            daemon::configured(main, unsafe { Pool::from_raw(pconf) });
        }
        OK
    })
}

/// The configuration pool ends.
pub(super) unsafe extern "C" fn configuration_ends(_data: *mut c_void) -> ffi::apr_status_t {
    guard("the end of a configuration", (), daemon::forget);
    ffi::APR_SUCCESS.cast_signed()
}

/// httpd's parent says what became of a process it watches for us.
pub(super) unsafe extern "C" fn other_child(reason: c_int, record: *mut c_void, status: c_int) {
    guard("other_child", (), || {
        if reason != ffi::APR_OC_REASON_DEATH.cast_signed() && reason != ffi::APR_OC_REASON_LOST.cast_signed()
        {
            return;
        }
        // SAFETY: the record is the one we registered; httpd's main server is set while it runs.
        unsafe {
            ffi::apr_proc_other_child_unregister(record);
            if let Some(main) = Main::from_raw(ffi::ap_server_conf) {
                daemon::manager_ended(main, (*record.cast::<ffi::apr_proc_t>()).pid, status);
            }
        }
    });
}

unsafe extern "C" fn child_init(_pool: *mut ffi::apr_pool_t, server: *mut ffi::server_rec) {
    guard("child_init", (), || {
        // SAFETY: httpd hands the main server.
        if let Some(main) = unsafe { Main::from_raw(server) } {
            child::start(main);
        }
    });
}

/// # Safety
/// `raw` must be what httpd hands to a request hook.
unsafe fn with_request(
    entry: &str,
    raw: *mut ffi::request_rec,
    fallback: c_int,
    body: impl FnOnce(Request<'_>) -> c_int,
) -> c_int {
    // SAFETY: httpd hands a live request that only this thread works on.
    guard(entry, fallback, || unsafe { Request::from_raw(raw) }.map_or(DECLINED, body))
}

unsafe extern "C" fn translate_name(r: *mut ffi::request_rec) -> c_int {
    // SAFETY: called by httpd.
    unsafe { with_request("translate_name", r, DECLINED, |r| if hooks::claims(r) { OK } else { DECLINED }) }
}

unsafe extern "C" fn map_to_storage(r: *mut ffi::request_rec) -> c_int {
    // SAFETY: called by httpd.
    unsafe { with_request("map_to_storage", r, DECLINED, |r| if r.is_claimed() { OK } else { DECLINED }) }
}

unsafe extern "C" fn fixups(r: *mut ffi::request_rec) -> c_int {
    // SAFETY: called by httpd.
    unsafe {
        with_request("fixups", r, DECLINED, |r| {
            hooks::choose_handler(r);
            DECLINED
        })
    }
}

unsafe extern "C" fn handle(r: *mut ffi::request_rec) -> c_int {
    // SAFETY: called by httpd.
    unsafe {
        with_request("the handler", r, ERROR, |r| match handler::handle(r) {
            handler::Verdict::NotOurs => DECLINED,
            handler::Verdict::Answered => OK,
            handler::Verdict::Status(status) => c_int::from(status),
        })
    }
}
