//! Candidates for the target of one request to a proxy: approved by the policies, and tried in turn.

use std::{future::Future, net::SocketAddr, time::Duration};

use tokio::time::{Instant, timeout};

use super::{DnsMode, outage::UpstreamError, proxy::Proxy};
use crate::{
    client::ClientFault,
    connector::{resolve::Lookup, unsupported::connect_only},
    error::{BoxError, Chain, Refusal},
    proto::{Address, Command, canonical},
    session::Target,
};

/// Addresses of one name that are tried: each attempt is a connection to the proxy.
const CANDIDATES: usize = 8;

/// Connects to the first candidate for `target` that works. The next one is tried only where the
/// proxy could not reach the one before, and no further one once the limit has passed.
///
/// # Errors
///
/// The refusal of a request that is no CONNECT, those of [`approved`], and otherwise the last error of `connect`.
pub(super) async fn first_that_works<T, N, F, Fut, S, E>(
    target: &T,
    dns: N,
    limit: Duration,
    connect: F,
) -> Result<S, BoxError>
where
    T: Target,
    N: DnsMode,
    F: Fn(Address) -> Fut,
    Fut: Future<Output = Result<S, E>>,
    E: UpstreamError,
{
    connect_only(target)?;
    let candidates = approved(target, dns, limit).await?;
    let started = Instant::now();
    let mut last = None;
    for candidate in candidates {
        match connect(candidate.clone()).await {
            Ok(stream) => {
                match candidate {
                    Address::Ip(address) => target.reached(address),
                    Address::Name(..) => target.handed_on(),
                }
                return Ok(stream);
            }
            Err(error) => {
                let another_may_work = matches!(error.fault(), ClientFault::Target(_));
                last = Some(error.into());
                if !another_may_work || started.elapsed() >= limit {
                    break;
                }
            }
        }
    }
    Err(last.unwrap_or_else(|| "the target has no address".into()))
}

/// Logs what became of a request to a proxy.
pub(super) fn logged<S, E: UpstreamError>(
    proxy: &Proxy,
    command: Command,
    target: &Address,
    outcome: Result<S, E>,
) -> Result<S, E> {
    proxy.note(&outcome);
    match &outcome {
        Ok(_) => tracing::debug!(%proxy, %command, %target, "through proxy"),
        Err(error) => {
            let error = Chain(error);
            tracing::debug!(%proxy, %command, %target, %error, "upstream proxy failed");
        }
    }
    outcome
}

/// Returns the candidates that every policy approves, best first: the name itself where the proxy
/// resolves it, and otherwise addresses.
///
/// # Errors
///
/// The refusal, where no candidate is left; that of the [lookup](crate::connector::resolve), and an
/// `Elapsed` once it takes longer than the limit.
pub(super) async fn approved<T: Target, N: DnsMode>(
    target: &T,
    dns: N,
    limit: Duration,
) -> Result<Vec<Address>, BoxError> {
    let (name, port) = match target.address()?.canonical()? {
        Address::Ip(address) => {
            target.approve(address)?;
            return Ok(vec![Address::Ip(address)]);
        }
        Address::Name(name, port) => (name, port),
    };
    if N::REMOTE {
        target.approve_name()?;
        return Ok(vec![Address::Name(name, port)]);
    }
    let mut approved = Vec::new();
    let mut refusal: Option<Refusal> = None;
    for ip in timeout(limit, dns.addresses(Lookup::of(name, target.request()))).await?? {
        if approved.len() == CANDIDATES {
            break;
        }
        let address = canonical(SocketAddr::new(ip, port));
        match target.approve(address) {
            Ok(()) => approved.push(Address::Ip(address)),
            Err(forbidden) => refusal = Some(forbidden),
        }
    }
    match refusal {
        Some(refusal) if approved.is_empty() => Err(refusal.into()),
        _ => Ok(approved),
    }
}
