use std::{
    future::poll_fn,
    io,
    pin::pin,
    task::{Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep},
};

use super::{
    RelayError, RelayErrorKind, Traffic, direction::Direction, hang_up::hang_up, raw::Raw,
};

/// The limits of a tunnel, and what runs it. See the [module's page](super) for how.
///
/// The defaults are those that RFC 5382 asks of a NAT: 2 hours 4 minutes for an established
/// connection, 4 minutes for a half-closed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relay {
    idle: Duration,
    linger: Duration,
}

impl Relay {
    /// The default limits.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            idle: Duration::from_secs(2 * 3600 + 4 * 60),
            linger: Duration::from_secs(4 * 60),
        }
    }

    /// Ends a tunnel in which no byte has moved either way for so long. [`Duration::MAX`] is for
    /// ever.
    #[must_use]
    pub const fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle = limit;
        self
    }

    /// Ends a tunnel of which one direction has ended, and in which no byte has moved in the other
    /// one for so long. The idle limit still holds where it is shorter.
    #[must_use]
    pub const fn linger(mut self, limit: Duration) -> Self {
        self.linger = limit;
        self
    }

    /// Copies both ways until both streams have ended, and says how much.
    ///
    /// # Errors
    ///
    /// When a stream fails or a limit passes. A [`RelayError`] inside the error says which and how
    /// much had moved; its kind is the stream's, or [`io::ErrorKind::TimedOut`] for a limit.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops both streams; bytes in flight are lost.
    pub async fn run<A, B>(self, mut client: A, mut target: B) -> io::Result<Traffic>
    where
        A: AsyncRead + AsyncWrite + Unpin + 'static,
        B: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let mut up = Direction::new();
        let mut down = Direction::new();
        let ended = {
            let mut last = Instant::now();
            let mut half_closed = false;
            let mut alarm = pin!(sleep(self.idle));
            poll_fn(|cx| {
                let before = up.moved + down.moved;
                if let Poll::Ready(Err(error)) =
                    up.poll(cx, &mut client, &mut target, down.is_done())
                {
                    return Poll::Ready(Err((RelayErrorKind::Client, Some(error))));
                }
                if let Poll::Ready(Err(error)) =
                    down.poll(cx, &mut target, &mut client, up.is_done())
                {
                    return Poll::Ready(Err((RelayErrorKind::Target, Some(error))));
                }
                if up.is_done() && down.is_done() {
                    return Poll::Ready(Ok(()));
                }
                let now_half_closed = up.is_done() || down.is_done();
                if up.moved + down.moved > before || now_half_closed != half_closed {
                    last = Instant::now();
                }
                let (limit, kind) = if now_half_closed {
                    (self.linger.min(self.idle), RelayErrorKind::HalfClosed)
                } else {
                    (self.idle, RelayErrorKind::Idle)
                };
                if now_half_closed != half_closed {
                    half_closed = now_half_closed;
                    alarm.as_mut().reset(after(last, limit));
                }
                // The timer is touched when it fires, not whenever a byte moves.
                loop {
                    ready!(alarm.as_mut().poll(cx));
                    let deadline = after(last, limit);
                    if Instant::now() >= deadline {
                        return Poll::Ready(Err((kind, None)));
                    }
                    alarm.as_mut().reset(deadline);
                }
            })
            .await
        };
        let traffic = Traffic {
            up: up.moved,
            down: down.moved,
        };
        match ended {
            Ok(()) => {}
            Err((kind, None)) => return Err(RelayError::timed_out(kind, traffic)),
            Err((kind, Some(error))) => {
                // The other side must not take this for the end.
                for raw in [Raw::of(&client), Raw::of(&target)].into_iter().flatten() {
                    let _ = raw.reset();
                }
                return Err(RelayError::broken(kind, traffic, error));
            }
        }
        if up.is_discarding() {
            hang_up(client).await;
        }
        if down.is_discarding() {
            hang_up(target).await;
        }
        let refused = (up.refused.map(|error| (RelayErrorKind::Target, error)))
            .or(down.refused.map(|error| (RelayErrorKind::Client, error)));
        match refused {
            Some((kind, error)) => Err(RelayError::broken(kind, traffic, error)),
            None => Ok(traffic),
        }
    }
}

impl Default for Relay {
    fn default() -> Self {
        Self::new()
    }
}

/// `limit` after `last`, or as good as never.
fn after(last: Instant, limit: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);
    last.checked_add(limit).unwrap_or_else(|| last + FAR)
}
