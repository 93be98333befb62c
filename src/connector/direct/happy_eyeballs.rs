//! Happy eyeballs (RFC 8305): staggered connects to several addresses, for one connection.

use std::{
    collections::VecDeque,
    error::Error,
    fmt,
    future::{Future, pending},
    io,
    net::SocketAddr,
    pin::pin,
    time::Duration,
};

use futures_util::{
    future::{Either, select},
    stream::{FuturesUnordered, StreamExt},
};
use tokio::time::sleep;

use crate::error::is_own;

/// Connection Attempt Delay (RFC 8305 section 8).
const STAGGER: Duration = Duration::from_millis(250);

/// Tries `candidates` with `attempt` until one succeeds, and returns it. The others are dropped.
///
/// # Errors
///
/// When every attempt failed, or there was none.
pub(super) async fn dial<F, T>(
    candidates: Vec<SocketAddr>,
    attempt: impl Fn(SocketAddr) -> F,
) -> Result<(SocketAddr, T), ConnectError>
where
    F: Future<Output = io::Result<T>>,
{
    if let [only] = *candidates {
        let stream = attempt(only).await.map_err(|error| ConnectError {
            attempts: vec![(only, error)],
        })?;
        return Ok((only, stream));
    }
    let mut waiting = interleave(candidates);
    let mut running = FuturesUnordered::new();
    let mut attempts = Vec::new();
    loop {
        if let Some(address) = waiting.pop_front() {
            let attempt = attempt(address);
            running.push(async move { (address, attempt.await) });
        } else if running.is_empty() {
            return Err(ConnectError { attempts });
        }
        let turn = async {
            match waiting.is_empty() {
                true => pending().await,
                false => sleep(STAGGER).await,
            }
        };
        match select(running.next(), pin!(turn)).await {
            Either::Left((Some((address, Ok(stream))), _)) => return Ok((address, stream)),
            // The next one starts at once.
            Either::Left((Some((address, Err(error))), _)) => attempts.push((address, error)),
            Either::Left((None, _)) | Either::Right(_) => {}
        }
    }
}

/// Families take turns, beginning with the one that the resolver prefers (RFC 8305 section 4).
fn interleave(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let v6_first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (VecDeque<_>, VecDeque<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == v6_first);
    let mut turns = VecDeque::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return turns;
        }
        turns.extend(pair.into_iter().flatten());
    }
}

/// The error of a dial of which no attempt succeeded.
///
/// Its `source` is the attempt that says most about the target: a refusal came from the target
/// itself, an unreachable network says the least.
#[derive(Debug)]
pub struct ConnectError {
    attempts: Vec<(SocketAddr, io::Error)>,
}

impl ConnectError {
    /// Returns every address that was tried, in the order in which they failed.
    pub fn attempts(&self) -> impl Iterator<Item = (SocketAddr, &io::Error)> {
        self.attempts
            .iter()
            .map(|(address, error)| (*address, error))
    }

    fn telling(&self) -> Option<&(SocketAddr, io::Error)> {
        self.attempts
            .iter()
            .max_by_key(|(_, error)| match error.kind() {
                io::ErrorKind::ConnectionRefused => 5,
                io::ErrorKind::TimedOut => 4,
                io::ErrorKind::HostUnreachable => 3,
                // Without descriptors no address is reached, whatever is said of another family.
                _ if is_own(error) => 2,
                io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => 1,
                _ => 0,
            })
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.telling(), self.attempts.len()) {
            (Some((address, _)), 1) => write!(f, "could not connect to {address}"),
            (Some((address, _)), count) => {
                write!(
                    f,
                    "could not connect to any of {count} addresses, as {address}"
                )
            }
            (None, _) => f.write_str("no address to connect to"),
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.telling().map(|(_, error)| error as _)
    }
}
