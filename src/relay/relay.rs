use std::{future::Future, io, time::Duration};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    RelayError, RelayErrorKind, Traffic,
    copier::Copier,
    ends::{Closing, Ends},
    error::End,
    idle::Watch,
    moving::Moving,
};
use crate::io::{lingering_close, sent};

/// Copies both directions of a tunnel, within limits. See the [module](super).
///
/// The defaults are those that RFC 5382 asks of a NAT: 2 hours 4 minutes for an established
/// connection, 4 minutes for a half-closed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relay {
    idle: Duration,
    half_close: Duration,
    splice: bool,
}

impl Relay {
    /// Creates a relay with the default limits.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            idle: Duration::from_secs(2 * 3600 + 4 * 60),
            half_close: Duration::from_secs(4 * 60),
            splice: true,
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

    /// Sets whether bulk data between raw sockets moves by `splice(2)`, where the system has it: it does by default.
    /// Without, it is read and written as all other data is: for a sandbox or a kernel that does not take the call, or to
    /// find out what it is worth.
    #[must_use]
    pub const fn splice(mut self, whether: bool) -> Self {
        self.splice = whether;
        self
    }

    /// Copies both directions until both have ended, and returns how many bytes were moved.
    ///
    /// # Errors
    ///
    /// When a stream fails or a limit passes. A [`RelayError`] inside the error has which it was
    /// and the traffic until then; the kind is that of the stream, or [`io::ErrorKind::TimedOut`]
    /// for a limit. Sockets are reset then. Where a stream failed, what it had sent before is sent
    /// on first, to a receiver that takes it within the half-close limit.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future resets both sockets, so that what has arrived does not look complete;
    /// bytes in flight are lost.
    pub fn run<A, B>(self, client: A, target: B) -> impl Future<Output = io::Result<Traffic>>
    where
        A: AsyncRead + AsyncWrite + Unpin + 'static,
        B: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let mut ends = Ends::new(client, target, self.splice);
        let mut watch = Watch::new(self.idle, self.half_close);
        async move {
            let broken = Moving::new(&mut ends, &mut watch).await;
            let is_clean = |copier: &Copier| !copier.is_discarding() && copier.refused.is_none();
            if broken.is_none() && is_clean(&ends.up) && is_clean(&ends.down) {
                ends.close(Closing::Complete);
                return Ok(ends.traffic());
            }
            // Boxed, since few tunnels end like this and all of them would keep room for it.
            Box::pin(finish(ends, watch.half_close(), broken)).await
        }
    }
}

/// Ends a relay that is broken, or one of whose sinks has refused the rest.
async fn finish<A, B>(
    mut ends: Ends<A, B>,
    half_close: Duration,
    broken: Option<(RelayErrorKind, End)>,
) -> io::Result<Traffic>
where
    A: AsyncRead + AsyncWrite + Unpin + 'static,
    B: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let traffic = ends.traffic();
    match broken {
        None => ends.close(Closing::Complete),
        Some((kind, End::Limit(limit))) => {
            ends.close(Closing::Broken);
            return Err(RelayError::timed_out(kind, traffic, limit));
        }
        Some((kind, End::Broken(error))) => {
            match kind {
                RelayErrorKind::Client => sent(&mut ends.target, half_close).await,
                RelayErrorKind::Target => sent(&mut ends.client, half_close).await,
                _ => {}
            }
            ends.close(Closing::Broken);
            return Err(RelayError::broken(kind, traffic, error));
        }
    }
    if ends.up.is_discarding() {
        lingering_close(&mut ends.client).await;
    }
    if ends.down.is_discarding() {
        lingering_close(&mut ends.target).await;
    }
    let up = ends.up.refused.take();
    let up = up.map(|error| (RelayErrorKind::Target, error));
    let down = ends.down.refused.take();
    let down = down.map(|error| (RelayErrorKind::Client, error));
    match up.or(down) {
        Some((kind, error)) => Err(RelayError::broken(kind, traffic, error)),
        None => Ok(traffic),
    }
}

impl Default for Relay {
    fn default() -> Self {
        Self::new()
    }
}
