//! By which name the address was asked, and from which page.

use std::net::IpAddr;

use hyper::{HeaderMap, header::HOST};

/// Pages of others must not read who is connected by having a name of theirs lead here.
pub(crate) fn is_asked_by_address(headers: &HeaderMap) -> bool {
    let Some(host) = stated(headers) else {
        return false;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    name == "localhost" || address.parse::<IpAddr>().is_ok()
}

fn stated(headers: &HeaderMap) -> Option<&str> {
    // Two of them are nobody's.
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    }
}
