use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    task::{Poll, ready},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{RelayError, RelayErrorKind, Traffic, copier::Copier, gate::Gate, idle::Watch};
use crate::io::{Direction, MeteredStream, Raw, lingering_close};

/// Copies both directions of a tunnel, within limits. See the [module](super).
///
/// The defaults are those that RFC 5382 asks of a NAT: 2 hours 4 minutes for an established
/// connection, 4 minutes for a half-closed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relay {
    idle: Duration,
    half_close: Duration,
}

impl Relay {
    /// Creates a relay with the default limits.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            idle: Duration::from_secs(2 * 3600 + 4 * 60),
            half_close: Duration::from_secs(4 * 60),
        }
    }

    /// Ends a tunnel in which no byte has moved in either direction for so long; [`Duration::MAX`]
    /// for no limit.
    #[must_use]
    pub const fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle = limit;
        self
    }

    /// Ends a half-closed tunnel: one direction has ended, and no byte has moved in the other for
    /// so long. The idle limit still holds where it is shorter.
    #[must_use]
    pub const fn half_close_timeout(mut self, limit: Duration) -> Self {
        self.half_close = limit;
        self
    }

    /// Copies both directions until both have ended, and returns how many bytes were moved.
    ///
    /// # Errors
    ///
    /// When a stream fails or a limit passes. A [`RelayError`] inside the error has which it was
    /// and the traffic until then; the kind is that of the stream, or [`io::ErrorKind::TimedOut`]
    /// for a limit.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops both streams; bytes in flight are lost.
    #[expect(
        clippy::manual_async_fn,
        reason = "the future of an async fn has room for its parameters twice"
    )]
    pub fn run<A, B>(
        self,
        mut client: A,
        mut target: B,
    ) -> impl Future<Output = io::Result<Traffic>>
    where
        A: AsyncRead + AsyncWrite + Unpin + 'static,
        B: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        async move {
            let mut up = Copier::new();
            let mut down = Copier::new();
            let mut meters = MeteredStream::take(&mut client);
            let broken = {
                let mut watch = Watch::new(self.idle, self.half_close);
                let mut timer = pin!(watch.timer());
                poll_fn(|cx| {
                    let before = up.moved + down.moved;
                    let gate = Gate::new(&mut meters, Direction::Up);
                    if let Poll::Ready(Err(broken)) =
                        up.poll(cx, &mut client, &mut target, &down, gate)
                    {
                        return Poll::Ready(Some(
                            broken.between(RelayErrorKind::Client, RelayErrorKind::Target),
                        ));
                    }
                    let gate = Gate::new(&mut meters, Direction::Down);
                    if let Poll::Ready(Err(broken)) =
                        down.poll(cx, &mut target, &mut client, &up, gate)
                    {
                        return Poll::Ready(Some(
                            broken.between(RelayErrorKind::Target, RelayErrorKind::Client),
                        ));
                    }
                    if up.is_done() && down.is_done() {
                        return Poll::Ready(None);
                    }
                    if up.moved + down.moved > before {
                        watch.moved();
                    }
                    if up.is_done() || down.is_done() {
                        watch.half_closed();
                    }
                    let kind = ready!(watch.poll(cx, timer.as_mut()));
                    Poll::Ready(Some((kind, None)))
                })
                .await
            };
            let traffic = Traffic {
                up: up.moved,
                down: down.moved,
            };
            match broken {
                None => {}
                Some((kind, None)) => return Err(RelayError::timed_out(kind, traffic)),
                Some((kind, Some(error))) => {
                    // The other side must not take this for a complete end.
                    for raw in [Raw::of(&client), Raw::of(&target)].into_iter().flatten() {
                        let _ = raw.reset();
                    }
                    return Err(RelayError::broken(kind, traffic, error));
                }
            }
            // Boxed, since few tunnels end like this and all of them would keep room for it.
            if up.is_discarding() {
                Box::pin(lingering_close(client)).await;
            }
            if down.is_discarding() {
                Box::pin(lingering_close(target)).await;
            }
            let refused = (up.refused.map(|error| (RelayErrorKind::Target, error)))
                .or(down.refused.map(|error| (RelayErrorKind::Client, error)));
            match refused {
                Some((kind, error)) => Err(RelayError::broken(kind, traffic, error)),
                None => Ok(traffic),
            }
        }
    }
}

impl Default for Relay {
    fn default() -> Self {
        Self::new()
    }
}
