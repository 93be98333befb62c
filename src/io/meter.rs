use std::{
    fmt, io,
    task::{Context, Poll, ready},
};

use super::{DropReason, Drops};

/// Counts or bounds the bytes of one tunnel: see [`MeteredStream`](super::MeteredStream).
///
/// The relay asks before each read, so what a limit holds back stays in the kernel, and the sender
/// has to wait. It reports what it has read before it asks again. What several tunnels share is
/// behind their meters.
///
/// ```
/// use std::{io, sync::{Arc, atomic::{AtomicU64, Ordering}}, task::{Context, Poll}};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use tower_socks::{io::{Meter, PrefixedStream, Direction, ClientStream}, relay::Relay};
///
/// /// Ends tunnels once their clients have received so many bytes together.
/// struct Budget(Arc<AtomicU64>);
///
/// impl Meter for Budget {
///     fn poll_allowance(&mut self, _: &mut Context<'_>, direction: Direction) -> Poll<io::Result<usize>> {
///         match (direction, self.0.load(Ordering::Relaxed)) {
///             (Direction::Up, _) => Poll::Ready(Ok(usize::MAX)),
///             (Direction::Down, 0) => Poll::Ready(Err(io::Error::other("nothing is left"))),
///             (Direction::Down, left) => Poll::Ready(Ok(left as usize)),
///         }
///     }
///
///     fn moved(&mut self, direction: Direction, bytes: usize) {
///         if direction == Direction::Down {
///             self.0.fetch_sub(bytes as u64, Ordering::Relaxed);
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// let left = Arc::new(AtomicU64::new(6));
/// let (mut client, near) = tokio::io::duplex(64);
/// let (far, mut target) = tokio::io::duplex(64);
/// let near = PrefixedStream::new(near).metered(Budget(left.clone()));
/// let relay = tokio::spawn(Relay::new().run(near, far));
///
/// target.write_all(b"more than six").await?;
/// let mut heard = String::new();
/// client.read_to_string(&mut heard).await?;
/// assert_eq!(heard, "more t");
/// assert!(relay.await?.is_err());
/// # Ok(())
/// # }
/// ```
pub trait Meter: Send + 'static {
    /// Returns how many bytes may be read in this direction now, one at least. [`usize::MAX`], the
    /// default, is no limit.
    ///
    /// While it is pending nothing is read in that direction, not even the end of the stream; the
    /// task is to be woken once something may move again. This is asked before there is anything to
    /// read, so it takes nothing from a budget: [`moved`](Self::moved) does.
    ///
    /// # Errors
    ///
    /// When nothing may move any more. The tunnel breaks off, in both directions.
    fn poll_allowance(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<usize>> {
        let _ = (cx, direction);
        Poll::Ready(Ok(usize::MAX))
    }

    /// Returns how many of these bytes may go on, and keeps that many for [`moved`](Self::moved), which
    /// follows. Called where more have come than [`poll_allowance`](Self::poll_allowance) said, as
    /// datagrams do, which come whole and many at once. Those that it leaves no room for are dropped.
    ///
    /// The default lets all go on: what is too much is paid for by a longer wait.
    fn admit(&mut self, direction: Direction, bytes: usize) -> usize {
        let _ = direction;
        bytes
    }

    /// Called as soon as bytes have come, with their number. Of datagrams it may be more than was
    /// allowed, as far as [`admit`](Self::admit) lets them go on.
    fn moved(&mut self, direction: Direction, bytes: usize);

    /// Called with the number of datagrams that were received, after [`moved`](Self::moved) with
    /// their bytes. Never called for streams.
    fn datagrams(&mut self, direction: Direction, count: usize) {
        let _ = (direction, count);
    }

    /// Called with the number of datagrams that were dropped for a reason.
    fn dropped(&mut self, reason: DropReason, count: usize) {
        let _ = (reason, count);
    }
}

/// A direction of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the target.
    Up,
    /// From the target to the client.
    Down,
}

/// The meters of one tunnel.
#[derive(Default)]
pub(crate) struct Meters(Option<Box<dyn Meter>>);

struct Both<M>(Box<dyn Meter>, M);

impl<M: Meter> Meter for Both<M> {
    fn poll_allowance(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<usize>> {
        // Both are polled, so that each has the waker.
        let (one, other) = (
            self.0.poll_allowance(cx, direction)?,
            self.1.poll_allowance(cx, direction)?,
        );
        Poll::Ready(Ok(ready!(one).min(ready!(other))))
    }

    fn admit(&mut self, direction: Direction, bytes: usize) -> usize {
        let one = self.0.admit(direction, bytes);
        self.1.admit(direction, one)
    }

    fn moved(&mut self, direction: Direction, bytes: usize) {
        self.0.moved(direction, bytes);
        self.1.moved(direction, bytes);
    }

    fn datagrams(&mut self, direction: Direction, count: usize) {
        self.0.datagrams(direction, count);
        self.1.datagrams(direction, count);
    }

    fn dropped(&mut self, reason: DropReason, count: usize) {
        self.0.dropped(reason, count);
        self.1.dropped(reason, count);
    }
}

impl Meter for Box<dyn Meter> {
    fn poll_allowance(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<usize>> {
        (**self).poll_allowance(cx, direction)
    }

    fn admit(&mut self, direction: Direction, bytes: usize) -> usize {
        (**self).admit(direction, bytes)
    }

    fn moved(&mut self, direction: Direction, bytes: usize) {
        (**self).moved(direction, bytes);
    }

    fn datagrams(&mut self, direction: Direction, count: usize) {
        (**self).datagrams(direction, count);
    }

    fn dropped(&mut self, reason: DropReason, count: usize) {
        (**self).dropped(reason, count);
    }
}

impl Meters {
    pub(super) fn add(&mut self, meter: impl Meter) {
        self.0 = Some(match self.0.take() {
            None => Box::new(meter),
            Some(others) => Box::new(Both(others, meter)),
        });
    }

    pub(super) const fn are_any(&self) -> bool {
        self.0.is_some()
    }

    /// Adds those of another stream.
    pub(super) fn append(&mut self, others: Self) {
        match others.0 {
            Some(meter) if self.0.is_none() => self.0 = Some(meter),
            Some(meter) => self.add(meter),
            None => {}
        }
    }

    #[inline]
    pub(crate) fn poll_allowance(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            None => Poll::Ready(Ok(usize::MAX)),
            // A read of 0 bytes would look like the end of the stream.
            Some(meter) => meter
                .poll_allowance(cx, direction)
                .map_ok(|bytes| bytes.max(1)),
        }
    }

    pub(crate) fn admit(&mut self, direction: Direction, bytes: usize) -> usize {
        let meter = self.0.as_mut();
        meter.map_or(bytes, |meter| meter.admit(direction, bytes).min(bytes))
    }

    #[inline]
    pub(crate) fn moved(&mut self, direction: Direction, bytes: usize) {
        if let Some(meter) = self.0.as_mut().filter(|_| bytes > 0) {
            meter.moved(direction, bytes);
        }
    }

    #[inline]
    pub(crate) fn datagrams(&mut self, direction: Direction, count: usize) {
        if let Some(meter) = self.0.as_mut().filter(|_| count > 0) {
            meter.datagrams(direction, count);
        }
    }

    #[inline]
    pub(crate) fn dropped(&mut self, drops: Option<Drops>) {
        if let (Some(meter), Some(drops)) = (&mut self.0, drops) {
            for (reason, count) in drops.iter() {
                meter.dropped(reason, count);
            }
        }
    }
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Meters"
        } else {
            "Meters(none)"
        })
    }
}
