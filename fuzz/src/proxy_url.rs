//! Proxies as people write them, in URLs and in the environment: a URL, a NUL, and a list of hosts.

use std::ffi::OsString;

use tower_socks::{
    connector::proxy_url::{NoProxy, ProxyEnv, ProxyUrl},
    proto::Address,
};

/// A URL, and a list for `NO_PROXY`.
pub fn proxy_url(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (url, list) = text.split_once('\0').unwrap_or((&text, "localhost"));
    let parsed = url.parse::<ProxyUrl>();
    match &parsed {
        Ok(parsed) => shown(url, parsed),
        Err(error) => {
            let texts = format!("{error} {error:?}");
            assert!(
                secret(url).is_none_or(|secret| !texts.contains(secret)),
                "{texts}"
            );
        }
    }
    hosts(list);

    let lookup = |name: &str| match name {
        "ALL_PROXY" => Some(OsString::from(url)),
        "NO_PROXY" => Some(OsString::from(list)),
        _ => None,
    };
    let env = ProxyEnv::from_lookup(lookup);
    // Under a star nobody is asked for the proxy.
    let is_star = list.trim_matches(|c: char| c == ',' || c.is_whitespace()) == "*";
    assert_eq!(
        env.is_ok(),
        parsed.is_ok() || url.trim().is_empty() || is_star
    );
}

/// The password of a URL, where it is long enough not to stand in a text by chance.
fn secret(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let (login, host) = rest.rsplit_once('@')?;
    let (name, secret) = login.split_once(':')?;
    // What the parser takes for the end of the login is none of it.
    let is_plain = secret.bytes().all(|octet| octet.is_ascii_alphanumeric());
    let elsewhere = name.contains(secret) || host.contains(secret);
    (secret.len() >= 8 && is_plain && !elsewhere).then_some(secret)
}

fn shown(text: &str, url: &ProxyUrl) {
    let shown = url.to_string();
    assert_eq!(format!("{url:?}"), format!("ProxyUrl({shown})"));
    assert!(!shown.contains(char::is_control), "{shown:?}");
    let is_in_tls = shown.starts_with("https://") || shown.starts_with("socks5s://");
    assert_eq!(url.is_in_tls(), is_in_tls);
    if let Some(secret) = secret(text) {
        let texts = format!("{shown} {:?} {:?}", url.client(), url.connector());
        assert!(!texts.contains(secret), "{texts}");
    }
    assert_eq!(url.client().is_some(), shown.starts_with("socks5"));
    assert_eq!(url.socks4_client().is_some(), shown.starts_with("socks4"));
    assert_ne!(url.address().port(), 0);
    assert_eq!(
        url.address().clone().canonical().as_ref(),
        Ok(url.address())
    );
    if !shown.contains('@') {
        let again: ProxyUrl = shown.parse().expect("a URL of ours");
        assert_eq!(again.address(), url.address());
        assert_eq!(again.to_string(), shown);
    }
}

fn hosts(list: &str) {
    let parse = |list: &str| -> NoProxy {
        let Ok(hosts) = list.parse();
        hosts
    };
    let hosts = parse(list);
    let more = parse(&format!("{list},another.example"));
    for [target, same] in [
        ["www.example.com:443", "WWW.example.COM.:443"],
        ["localhost:80", "LocalHost.:80"],
        ["10.1.2.3:443", "[::ffff:10.1.2.3]:443"],
        ["127.0.0.1:80", "0x7f.1:80"],
        ["[2001:db8::1]:443", "[2001:db8:0::1]:443"],
        ["xn--bcher-kva.example:80", "XN--bcher-kva.example:80"],
    ] {
        let [target, same]: [Address; 2] = [target, same].map(|it| it.parse().expect("a target"));
        assert_eq!(
            hosts.includes(&target),
            hosts.includes(&same),
            "{target} {same}"
        );
        // A star is all of a list, or nothing.
        if list.trim_matches(|c: char| c == ',' || c.is_whitespace()) != "*" {
            assert!(
                !hosts.includes(&target) || more.includes(&target),
                "{target}"
            );
        }
    }
    if let Ok(target) = Address::new(list, 443) {
        let _ = hosts.includes(&target);
    }
}
