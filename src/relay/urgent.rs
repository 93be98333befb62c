//! What a read has left behind the mark of urgent data (TCP's URG, `MSG_OOB`).

#[cfg(target_os = "linux")]
use crate::io::Raw;

/// Reads once more where a read may have stopped before a mark.
///
/// Such a read brings less than it could. Tokio takes that for the sign that there is no more, and
/// waits for a segment that may never come. To ask again after each short read would cost every
/// message a system call, for what few connections ever have. So it is asked once the tunnel is
/// quiet.
#[derive(Debug)]
pub(super) struct Urgent {
    cut_short: bool,
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    look: bool,
}

impl Urgent {
    pub(super) const fn new() -> Self {
        Self {
            cut_short: false,
            look: false,
        }
    }

    /// Learns from a read of `read` bytes, where `most` was asked for.
    #[inline]
    pub(super) const fn learn(&mut self, read: usize, most: usize) {
        self.cut_short = read > 0 && read < most;
    }

    /// Returns `true` if there may be more, of which tokio does not know.
    #[inline]
    pub(super) const fn is_possible(&self) -> bool {
        cfg!(target_os = "linux") && self.cut_short
    }

    /// Makes the next read ask the system.
    pub(super) const fn look(&mut self) {
        self.look = self.cut_short;
        self.cut_short = false;
    }

    /// Returns `true` if the next read is to ask the system.
    #[cfg(target_os = "linux")]
    #[inline]
    pub(super) const fn is_due(&self) -> bool {
        self.look
    }

    /// Reads what a socket has though its readiness does not say so; 0 if that is nothing, or nobody wanted to know.
    #[cfg(target_os = "linux")]
    #[inline]
    pub(super) fn read(&mut self, source: Option<Raw<'_>>, room: &mut [u8]) -> usize {
        if !std::mem::take(&mut self.look) {
            return 0;
        }
        // An end or an error is an event, which a poll hears of.
        let read = source.map_or(0, |source| source.receive(room).unwrap_or(0));
        // More may be behind it, of which no event tells.
        self.look = read > 0 && read == room.len();
        read
    }
}
