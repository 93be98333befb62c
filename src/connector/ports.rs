//! A free port out of a range.

use std::{
    io,
    ops::RangeInclusive,
    sync::atomic::{AtomicU16, Ordering},
};

/// Whichever the system gives.
pub(super) const ANY: RangeInclusive<u16> = 0..=0;

/// Where the next search begins, so that ports are not used again at once.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// The first port of the range on which `bind` succeeds.
///
/// # Errors
///
/// The last error, when it succeeds on none.
pub(super) fn first_free<T>(
    ports: &RangeInclusive<u16>,
    bind: impl Fn(u16) -> io::Result<T>,
) -> io::Result<T> {
    let (first, last) = (u32::from(*ports.start()), u32::from(*ports.end()));
    let count = (last + 1).saturating_sub(first);
    let begin = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
    let mut outcome = Err(io::ErrorKind::AddrNotAvailable.into());
    for step in 0..count {
        let port = first + (begin + step) % count;
        outcome = bind(u16::try_from(port).unwrap_or_default());
        match &outcome {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            _ => return outcome,
        }
    }
    outcome
}
