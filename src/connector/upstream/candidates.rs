//! What a proxy may be asked for.

use std::{net::SocketAddr, time::Duration};

use tokio::time::timeout;

use super::DnsMode;
use crate::{
    error::{BoxError, Refusal},
    proto::{Address, canonical},
    session::Target,
};

/// Addresses of one name that are tried: each attempt is a connection to the proxy.
const CANDIDATES: usize = 8;

/// Where to go, best first, as far as every policy approves: the name itself where the proxy
/// resolves it, and otherwise addresses.
///
/// # Errors
///
/// The refusal, where nothing is left; [`lookup`](crate::connector::resolve)'s, and an `Elapsed` once
/// that takes longer than the limit.
pub(super) async fn judged<T: Target, N: DnsMode>(
    target: &T,
    naming: N,
    limit: Duration,
) -> Result<Vec<Address>, BoxError> {
    let (name, port) = match target.address()?.canonical()? {
        Address::Ip(address) => {
            target.approve(address)?;
            return Ok(vec![Address::Ip(address)]);
        }
        Address::Name(name, port) => (name, port),
    };
    if N::BY_PROXY {
        target.approve_name()?;
        return Ok(vec![Address::Name(name, port)]);
    }
    let mut approved = Vec::new();
    let mut refusal: Option<Refusal> = None;
    for ip in timeout(limit, naming.addresses(name)).await?? {
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
