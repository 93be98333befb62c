//! The addresses of the machine that this runs on.

use std::{
    net::IpAddr,
    sync::{PoisonError, RwLock},
    time::{Duration, Instant},
};

#[cfg(unix)]
use crate::admission::LogBudget;

/// For how long a list of the addresses is good. They are asked for by who judges an address, and a
/// list costs some system calls.
const FRESH: Duration = Duration::from_secs(5);

/// The addresses of all interfaces, in order, and when they were asked for.
static HOST: RwLock<Option<(Instant, Box<[IpAddr]>)>> = RwLock::new(None);

/// The lines that say that nobody knows: the list is asked for all the time.
#[cfg(unix)]
static LINES: LogBudget = LogBudget::new(1, Duration::from_secs(600));

/// Whether an address is one of this machine's interfaces, as they were at most [`FRESH`] ago.
pub(super) fn has(address: IpAddr) -> bool {
    let now = Instant::now();
    let fresh = |host: &Option<(Instant, Box<[IpAddr]>)>| match host {
        Some((taken, addresses)) if now.saturating_duration_since(*taken) < FRESH => {
            Some(addresses.binary_search(&address).is_ok())
        }
        _ => None,
    };
    if let Some(known) = fresh(&HOST.read().unwrap_or_else(PoisonError::into_inner)) {
        return known;
    }
    let mut host = HOST.write().unwrap_or_else(PoisonError::into_inner);
    // Somebody else may have been quicker.
    if let Some(known) = fresh(&host) {
        return known;
    }
    let mut addresses = interfaces();
    addresses.sort_unstable();
    let known = addresses.binary_search(&address).is_ok();
    *host = Some((now, addresses.into()));
    known
}

#[cfg(unix)]
fn interfaces() -> Vec<IpAddr> {
    let interfaces = match nix::ifaddrs::getifaddrs() {
        Ok(interfaces) => interfaces,
        Err(error) => {
            if let Some(suppressed) = LINES.take() {
                tracing::warn!(
                    suppressed = suppressed.field(),
                    %error,
                    "the addresses of this machine are not known, so that rules do not refuse them: state them as its own"
                );
            }
            return Vec::new();
        }
    };
    let addresses = interfaces.filter_map(|interface| interface.address);
    let ip = |address: nix::sys::socket::SockaddrStorage| match (
        address.as_sockaddr_in(),
        address.as_sockaddr_in6(),
    ) {
        (Some(v4), _) => Some(IpAddr::V4(v4.ip())),
        (_, Some(v6)) => Some(IpAddr::V6(v6.ip()).to_canonical()),
        (None, None) => None,
    };
    addresses.filter_map(ip).collect()
}

/// Nobody is asked elsewhere: what is [stated](super::RulesBuilder::own), and where the proxy listens, is
/// what is known.
#[cfg(not(unix))]
fn interfaces() -> Vec<IpAddr> {
    Vec::new()
}
