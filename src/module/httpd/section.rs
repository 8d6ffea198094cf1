//! Our part of httpd's per-directory configuration: a tree of layers.
//!
//! httpd merges sections anew for each request, so merging must cost next to nothing: a merge is a node with two
//! pointers and the fingerprint of both. Only when a fingerprint is met for the first time is the tree looked at.

use crate::ffi;
use krait_config::Layer;
use krait_config::layer::merged_fingerprint;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::null;

/// A node as httpd keeps it for us. The fingerprint is cut in two because pools align to 8 bytes only.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Node {
    fingerprint: [u64; 2],
    /// A leaf's layer; null in a merge.
    layer: *mut Layer,
    outer: *const Node,
    inner: *const Node,
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves")]
fn halves(fingerprint: u128) -> [u64; 2] {
    [fingerprint as u64, (fingerprint >> 64) as u64]
}

impl Node {
    fn fingerprint(&self) -> u128 {
        match self.layer.is_null() {
            true => u128::from(self.fingerprint[0]) | u128::from(self.fingerprint[1]) << 64,
            // SAFETY: a leaf's layer lives as long as its node. A leaf grows while configuration is read, so its
            // own fingerprint is the true one.
            false => unsafe { (*self.layer).fingerprint() },
        }
    }
}

unsafe extern "C" fn drop_layer(layer: *mut c_void) -> ffi::apr_status_t {
    // SAFETY: registered once for a layer that `create` made, and run when its pool ends.
    drop(unsafe { Box::from_raw(layer.cast::<Layer>()) });
    ffi::APR_SUCCESS.cast_signed()
}

/// A fresh leaf in `pool`.
///
/// # Safety
/// `pool` must be a live pool.
pub(super) unsafe fn create(pool: *mut ffi::apr_pool_t) -> *mut Node {
    let layer = Box::into_raw(Box::new(Layer::default()));
    // SAFETY: the pool is live; its memory is aligned for pointers and lives until the cleanup has run.
    unsafe {
        let node = ffi::apr_palloc(pool, size_of::<Node>()).cast::<Node>();
        node.write(Node { fingerprint: [0; 2], layer, outer: null(), inner: null() });
        ffi::apr_pool_cleanup_register(
            pool,
            layer.cast(),
            Some(drop_layer),
            Some(ffi::apr_pool_cleanup_null),
        );
        node
    }
}

/// `inner` laid over `outer`, in `pool`.
///
/// # Safety
/// `pool` must be a live pool, and both nodes ours and living at least as long as it.
pub(super) unsafe fn merge(
    pool: *mut ffi::apr_pool_t,
    outer: *const Node,
    inner: *const Node,
) -> *const Node {
    // SAFETY: both nodes are live, as promised.
    let (below, above) = unsafe { ((*outer).fingerprint(), (*inner).fingerprint()) };
    match (below, above) {
        (_, 0) => outer,
        (0, _) => inner,
        (below, above) => {
            let fingerprint = halves(merged_fingerprint(below, above));
            // SAFETY: as in `create`; a node without a layer needs no cleanup.
            unsafe {
                let node = ffi::apr_palloc(pool, size_of::<Node>()).cast::<Node>();
                node.write(Node { fingerprint, layer: std::ptr::null_mut(), outer, inner });
                node
            }
        }
    }
}

/// The layer that a directive writes into.
///
/// # Safety
/// `node` must be a leaf that `create` made, and nobody else may use its layer meanwhile.
pub(super) unsafe fn layer_mut<'a>(node: *mut c_void) -> Option<&'a mut Layer> {
    // SAFETY: as promised.
    unsafe { node.cast::<Node>().as_ref()?.layer.as_mut() }
}

/// The layers in force at a place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sections<'r> {
    node: *const Node,
    life: PhantomData<&'r Layer>,
}

impl<'r> Sections<'r> {
    /// # Safety
    /// `raw` must be null or what `create` or `merge` returned, living as long as `'r`.
    pub(super) unsafe fn from_raw(raw: *const c_void) -> Self {
        Sections { node: raw.cast(), life: PhantomData }
    }

    /// Equal for equal stacks of layers; 0 where nothing is configured.
    pub(crate) fn fingerprint(self) -> u128 {
        // SAFETY: null or live, as promised to `from_raw`.
        unsafe { self.node.as_ref() }.map_or(0, Node::fingerprint)
    }

    /// The layers, outermost first.
    pub(crate) fn layers(self) -> Vec<&'r Layer> {
        let mut layers = Vec::new();
        let mut stack = vec![self.node];
        while let Some(node) = stack.pop() {
            // SAFETY: null or live, as promised to `from_raw`; so are the nodes it was merged from.
            let Some(node) = (unsafe { node.as_ref() }) else { continue };
            // SAFETY: a leaf's layer lives as long as its node.
            match unsafe { node.layer.as_ref() } {
                Some(layer) => layers.push(layer),
                None => stack.extend([node.inner, node.outer]),
            }
        }
        layers
    }

    /// Whether any layer, seen from the innermost, decides about an application.
    pub(crate) fn app(self) -> Option<&'r krait_config::layer::App> {
        // Cheap where nothing is configured, and a short walk elsewhere.
        fn find<'r>(node: *const Node) -> Option<&'r Option<krait_config::layer::App>> {
            // SAFETY: as in `layers`.
            let node = unsafe { node.as_ref() }?;
            // SAFETY: as in `layers`.
            match unsafe { node.layer.as_ref() } {
                Some(layer) => layer.app.as_ref(),
                None => find(node.inner).or_else(|| find(node.outer)),
            }
        }
        find(self.node).and_then(Option::as_ref)
    }
}
