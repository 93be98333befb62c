//! By which name the address was asked, and from which page.

use std::net::IpAddr;

use hyper::{
    HeaderMap,
    header::{HOST, ORIGIN},
};

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

/// Whether it is the page itself that asks, and no other page in the same browser. Browsers say it with each request
/// that may change something; who does not say it is no browser that shows the page.
pub(crate) fn is_asked_by_own_page(headers: &HeaderMap) -> bool {
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    let host = origin.and_then(|origin| origin.strip_prefix("http://"));
    let site = headers.get("sec-fetch-site");
    host.is_some() && host == stated(headers) && site.is_none_or(|site| site == "same-origin")
}

/// Returns the port that was asked, as the browser sees it: cookies are shared between ports.
pub(crate) fn port(headers: &HeaderMap) -> u16 {
    let port = stated(headers).and_then(|host| host.rsplit_once(':'));
    port.and_then(|(_, port)| port.parse().ok()).unwrap_or(80)
}

fn stated(headers: &HeaderMap) -> Option<&str> {
    // Two of them are nobody's.
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    }
}
