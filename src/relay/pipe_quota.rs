//! What pipes of this process hold, beside what Linux grants a user without privileges.
//!
//! All pipes of such a user together have a number of pages (`pipe-user-pages-soft`, 64 MiB by default). Beyond it
//! pipes of other programs of that user shrink to two pages. So pipes are large only while they have half of it
//! together, and the first that was cut down is taken as the end for a while.

use std::{
    fs,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use rustix::thread::{CapabilitySet, capabilities};

/// The default of Linux, in pages.
const PAGES: usize = 16_384;

/// Bytes of all pipes.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// How many more ask for nothing after one was refused, unless a pipe is closed before.
static REFUSED: AtomicUsize = AtomicUsize::new(0);

/// Requests that are not worth their system calls after one was refused.
const PATIENCE: usize = 64;

/// Bytes of a pipe, which count while it lives.
#[derive(Debug)]
pub(super) struct Held(usize);

impl Held {
    pub(super) fn new(bytes: usize) -> Self {
        HELD.fetch_add(bytes, Relaxed);
        Self(bytes)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.fetch_sub(self.0, Relaxed);
        REFUSED.store(0, Relaxed);
    }
}

/// Whether so many more bytes leave half of the quota to small pipes and to other programs.
pub(super) fn has_room(bytes: usize) -> bool {
    HELD.load(Relaxed).saturating_add(bytes) <= share()
}

/// A pipe was refused, or cut down.
pub(super) fn refused() {
    REFUSED.store(PATIENCE, Relaxed);
}

/// Whether it is too early to ask again. Counts who asks.
pub(super) fn is_refused() -> bool {
    let less = |left: usize| left.checked_sub(1);
    REFUSED.load(Relaxed) > 0 && REFUSED.fetch_update(Relaxed, Relaxed, less).is_ok()
}

/// Half of the quota, in bytes. There is none for who has privileges.
fn share() -> usize {
    static SHARE: OnceLock<usize> = OnceLock::new();
    *SHARE.get_or_init(|| {
        let privileges = CapabilitySet::SYS_RESOURCE | CapabilitySet::SYS_ADMIN;
        if capabilities(None).is_ok_and(|own| own.effective.intersects(privileges)) {
            return usize::MAX;
        }
        let stated = fs::read_to_string("/proc/sys/fs/pipe-user-pages-soft").ok();
        let pages = stated.and_then(|text| text.trim().parse().ok());
        match pages.unwrap_or(PAGES) {
            // None.
            0 => usize::MAX,
            pages => pages.saturating_mul(rustix::param::page_size()) / 2,
        }
    })
}
