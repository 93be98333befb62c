use std::{
    fmt, io,
    task::{Context, Poll, ready},
};

use super::{DatagramTransport, Datagrams};
use crate::{
    io::{Direction, DropReason, yield_turn},
    proto::Address,
};

/// Batches that are dropped as a whole, in one poll, before other tasks get their turn.
const ROUNDS: usize = 4;

/// Drops datagrams in both directions: what [`DatagramTransport::filter`] makes of a transport.
pub struct FilterTransport<T, F> {
    transport: T,
    filter: F,
    /// What the filter has passed and the transport has not taken yet. The transport may keep it
    /// itself; then this is an empty batch.
    unsent: Option<Box<Datagrams>>,
}

/// Says whether a datagram passes: `bool`, or `Result<(), DropReason>` with a reason of one's own
/// for the [meters](crate::io::Meter). Sealed.
#[diagnostic::on_unimplemented(
    message = "a datagram filter returns `bool` or `Result<(), DropReason>`, not `{Self}`"
)]
pub trait FilterResult: sealed::Sealed {}

impl FilterResult for bool {}
impl FilterResult for Result<(), DropReason> {}

mod sealed {
    use crate::io::DropReason;

    pub trait Sealed {
        fn into_result(self) -> Result<(), DropReason>;
    }

    impl Sealed for bool {
        fn into_result(self) -> Result<(), DropReason> {
            if self { Ok(()) } else { Err(DropReason::Other) }
        }
    }

    impl Sealed for Result<(), DropReason> {
        fn into_result(self) -> Self {
            self
        }
    }
}

impl<T, F> FilterTransport<T, F> {
    pub(super) const fn new(transport: T, filter: F) -> Self {
        Self {
            transport,
            filter,
            unsent: None,
        }
    }

    /// Returns the transport inside.
    pub const fn get_ref(&self) -> &T {
        &self.transport
    }
}

impl<T, F, R> FilterTransport<T, F>
where
    F: FnMut(Direction, &Address, &[u8]) -> R,
    R: FilterResult,
{
    fn apply(&mut self, direction: Direction, batch: &mut Datagrams) {
        batch.retain_mut(|address, payload| {
            let passes = (self.filter)(direction, address, payload);
            sealed::Sealed::into_result(passes).map(|()| true)
        });
    }
}

impl<T, F, R> DatagramTransport for FilterTransport<T, F>
where
    T: DatagramTransport,
    F: FnMut(Direction, &Address, &[u8]) -> R + Send + 'static,
    R: FilterResult,
{
    fn poll_send(&mut self, cx: &mut Context<'_>, out: &mut Datagrams) -> Poll<io::Result<()>> {
        if let Some(unsent) = &mut self.unsent {
            let sent = self.transport.poll_send(cx, unsent);
            out.add_dropped(unsent.take_dropped());
            ready!(sent)?;
            self.unsent = None;
        }
        if out.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.apply(Direction::Up, out);
        if out.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let sent = self.transport.poll_send(cx, out);
        if sent.is_pending() {
            // Kept here, since the filter has seen it, and a filter may count.
            let drops = out.take_dropped();
            self.unsent = Some(Box::new(std::mem::take(out)));
            out.add_dropped(drops);
        }
        sent
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, into: &mut Datagrams) -> Poll<io::Result<()>> {
        for _ in 0..ROUNDS {
            ready!(self.transport.poll_recv(cx, into))?;
            self.apply(Direction::Down, into);
            if !into.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        yield_turn(cx);
        Poll::Pending
    }
}

impl<T: fmt::Debug, F> fmt::Debug for FilterTransport<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilterTransport")
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}
