//! The httpd parent: what it keeps across restarts, its configuration passes, and its other children
//! (`apr_proc_other_child_register`).

use super::entry;
use super::section::Sections;
use crate::ffi;
use std::ffi::{CStr, c_void};
use std::marker::PhantomData;
use std::os::fd::{BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::ptr::{NonNull, null_mut};

/// The key of our userdata in httpd's process pool. Its number grows with the layout of [`Kept`], so that a new
/// module does not misread what an older one left.
const KEY: &CStr = c"krait-hub-1";

/// What outlives configuration and the module's own code: plain numbers in httpd's process pool. The descriptors stay
/// open until httpd ends.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Kept {
    /// The parent's end of its channel with the manager, which children inherit to introduce themselves.
    pub(crate) parent_end: RawFd,
    /// The manager's end, kept so that a new manager can be started on it.
    pub(crate) manager_end: RawFd,
    /// The scoreboard.
    pub(crate) board: RawFd,
    /// Process id of the manager; 0 where none runs.
    pub(crate) manager: i32,
    /// Process id of the httpd parent.
    pub(crate) parent: u32,
    /// 1 where httpd was started by root and so can switch users.
    pub(crate) is_root: u32,
    /// Grows with every configuration.
    pub(crate) generation: u64,
}

impl Kept {
    /// A descriptor of ours by its number.
    pub(crate) fn borrow<'a>(raw: RawFd) -> BorrowedFd<'a> {
        // SAFETY: called with the fields above, which stay open until httpd ends.
        unsafe { BorrowedFd::borrow_raw(raw) }
    }

    /// Closes this process's copy of the manager's end: a child must not be able to read what others send.
    pub(crate) fn close_manager_end(&mut self) {
        let raw = std::mem::replace(&mut self.manager_end, -1);
        if raw >= 0 {
            // SAFETY: ours, and nobody uses the number after this.
            drop(unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(raw) });
        }
    }
}

/// The main server, while httpd reads its configuration or works.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Main<'a> {
    server: NonNull<ffi::server_rec>,
    life: PhantomData<&'a ()>,
}

impl<'a> Main<'a> {
    /// # Safety
    /// `server` must be null or live during `'a`.
    pub(super) unsafe fn from_raw(server: *mut ffi::server_rec) -> Option<Self> {
        NonNull::new(server).map(|server| Main { server, life: PhantomData })
    }

    fn process_pool(self) -> *mut ffi::apr_pool_t {
        // SAFETY: the server and its process record are live.
        unsafe { (*(*self.server.as_ptr()).process).pool }
    }

    /// What was kept, if anything was.
    pub(crate) fn kept(self) -> Option<&'a mut Kept> {
        let mut data: *mut c_void = null_mut();
        // SAFETY: the pool is live; the data is what `keep` stored. httpd's parent has one thread, and children use
        // it once, in child_init.
        unsafe {
            ffi::apr_pool_userdata_get(&raw mut data, KEY.as_ptr(), self.process_pool());
            data.cast::<Kept>().as_mut()
        }
    }

    /// Keeps for the rest of this httpd's life.
    pub(crate) fn keep(
        self,
        ends: (OwnedFd, OwnedFd),
        board: OwnedFd,
        is_root: bool,
    ) -> Option<&'a mut Kept> {
        let pool = self.process_pool();
        let kept = Kept {
            parent_end: ends.0.into_raw_fd(),
            manager_end: ends.1.into_raw_fd(),
            board: board.into_raw_fd(),
            manager: 0,
            parent: std::process::id(),
            is_root: u32::from(is_root),
            generation: 0,
        };
        // SAFETY: the pool is live; its memory is aligned to 8 bytes and lives as long as httpd. No cleanup: it would
        // point into this module, which may be unloaded by then.
        unsafe {
            let place = ffi::apr_palloc(pool, size_of::<Kept>()).cast::<Kept>();
            place.write(kept);
            ffi::apr_pool_userdata_setn(place.cast(), copy_key(pool), None, pool);
            place.as_mut()
        }
    }

    /// The main server's own sections: what stands outside all others.
    pub(crate) fn sections(self) -> Sections<'a> {
        // SAFETY: the server is live, and its configuration lives as long.
        unsafe { Sections::from_raw(super::record::section((*self.server.as_ptr()).lookup_defaults)) }
    }

    /// Sections recorded while configuration was read, each with its server's defaults beneath it.
    pub(crate) fn with_defaults(self, recorded: Recorded) -> [Sections<'a>; 2] {
        // SAFETY: recorded in this pass of configuration, whose pool still lives.
        unsafe {
            let server = recorded.server as *mut ffi::server_rec;
            [
                Sections::from_raw(super::record::section((*server).lookup_defaults)),
                Sections::from_raw(recorded.node as *const c_void),
            ]
        }
    }

    /// Watches a process that was started: [`crate::daemon::manager_ended`] is called when it ends. The watch ends
    /// with this configuration.
    pub(crate) fn watch(self, pconf: Pool<'_>, pid: i32) {
        // SAFETY: the pool is live; the record lives in it as long as httpd refers to it.
        unsafe {
            let record = ffi::apr_palloc(pconf.raw, size_of::<ffi::apr_proc_t>()).cast::<ffi::apr_proc_t>();
            record.write(ffi::apr_proc_t { pid, in_: null_mut(), out: null_mut(), err: null_mut() });
            ffi::apr_proc_other_child_register(
                record,
                Some(entry::other_child),
                record.cast(),
                null_mut(),
                pconf.raw,
            );
        }
    }

    /// Has [`crate::daemon::forget`] called when this configuration ends: what our statics hold would be lost when
    /// the module's code is unloaded.
    pub(crate) fn forget_with(self, pconf: Pool<'_>) {
        // SAFETY: the pool is live; the function lives until the module is unloaded, which the pool does later, as it
        // runs its cleanups in reverse order.
        unsafe {
            ffi::apr_pool_cleanup_register(
                pconf.raw,
                std::ptr::null(),
                Some(entry::configuration_ends),
                Some(ffi::apr_pool_cleanup_null),
            );
        }
    }

    /// The configuration pool, for [`Main::watch`] outside a configuration pass.
    pub(crate) fn configuration_pool(self) -> Pool<'a> {
        // SAFETY: the server's process record is live, and so is the configuration pool while httpd works.
        Pool { raw: unsafe { (*(*self.server.as_ptr()).process).pconf }, life: PhantomData }
    }
}

/// The key must outlive this module's code.
///
/// # Safety
/// `pool` must be live.
unsafe fn copy_key(pool: *mut ffi::apr_pool_t) -> *const std::ffi::c_char {
    // SAFETY: as promised.
    unsafe { ffi::apr_pstrmemdup(pool, KEY.as_ptr(), KEY.to_bytes().len()) }
}

/// A pool of httpd's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pool<'a> {
    raw: *mut ffi::apr_pool_t,
    life: PhantomData<&'a ()>,
}

impl Pool<'_> {
    /// # Safety
    /// `raw` must be live during the wrapper's life.
    pub(super) unsafe fn from_raw(raw: *mut ffi::apr_pool_t) -> Self {
        Pool { raw, life: PhantomData }
    }
}

/// A section that names an application, remembered by address while configuration is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(super) server: usize,
    pub(super) node: usize,
}

/// Whether httpd only looks at its configuration now: the first of the two passes of a start.
pub(crate) fn is_trial_pass() -> bool {
    // SAFETY: numbers only.
    unsafe {
        ffi::ap_state_query(ffi::AP_SQ_MAIN_STATE.cast_signed())
            == ffi::AP_SQ_MS_CREATE_PRE_CONFIG.cast_signed()
    }
}

/// Whether httpd is on its way out.
pub(crate) fn is_stopping() -> bool {
    let mut state = 0;
    // SAFETY: the answer goes to a live integer.
    let status = unsafe { ffi::ap_mpm_query(ffi::AP_MPMQ_MPM_STATE.cast_signed(), &raw mut state) };
    status == ffi::APR_SUCCESS.cast_signed() && state == ffi::AP_MPMQ_STOPPING.cast_signed()
}

/// httpd's `User` and `Group`: name, user id, group id.
pub(crate) fn server_user() -> (String, u32, u32) {
    // SAFETY: mod_unixd fills the record before any post_config hook; its name is null or a C string.
    unsafe {
        let record = &raw const ffi::ap_unixd_config;
        let name = (*record).user_name;
        let name =
            if name.is_null() { String::new() } else { CStr::from_ptr(name).to_string_lossy().into_owned() };
        (name, (*record).user_id, (*record).group_id)
    }
}

/// The folder that this module's file lies in; kraitd is looked for there.
pub(crate) fn own_folder() -> Option<String> {
    // SAFETY: an all-zero Dl_info is a valid value to be overwritten.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: any address of ours will do; the file name stays while we are loaded.
    unsafe {
        if libc::dladdr((&raw const super::record::krait_module).cast(), &raw mut info) == 0
            || info.dli_fname.is_null()
        {
            return None;
        }
        let file = CStr::from_ptr(info.dli_fname).to_string_lossy();
        let file = std::fs::canonicalize(file.as_ref()).ok()?;
        Some(file.parent()?.to_string_lossy().into_owned())
    }
}
