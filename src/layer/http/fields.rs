//! Fields that end at a proxy, and `Via` (RFC 9110 section 7.6).

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONNECTION, TE, TRANSFER_ENCODING, UPGRADE, VIA},
};
use hyper::body::{Bytes, Frame};

/// Removes what concerns one connection only: `Connection` and the fields that it lists, `TE`, `Upgrade` and the like,
/// and everything that is between a client and a proxy.
pub(super) fn strip(fields: &mut HeaderMap) {
    let listed: Vec<HeaderName> = tokens(fields, &CONNECTION)
        .filter_map(|name| name.parse().ok())
        .collect();
    let of_proxies: Vec<HeaderName> = fields
        .keys()
        .filter(|name| name.as_str().starts_with("proxy-"))
        .cloned()
        .collect();
    for name in listed.into_iter().chain(of_proxies) {
        fields.remove(name);
    }
    for name in [CONNECTION, TE, TRANSFER_ENCODING, UPGRADE] {
        fields.remove(name);
    }
    fields.remove("keep-alive");
    fields.remove("http2-settings");
}

/// Removes from trailers what is removed from a head: the next server may merge the two.
pub(super) fn strip_trailers(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            strip(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(data) => data,
    }
}

/// Whether one of the values of a field, a list of tokens, has this one.
pub(super) fn has_token(fields: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(fields, name).any(|other| other.eq_ignore_ascii_case(token))
}

/// The tokens in the values of a field. What is no text has none.
fn tokens<'a>(fields: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = fields.get_all(name).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts
        .flat_map(|text| text.split(','))
        .map(|token| token.trim_matches([' ', '\t']))
}

/// Says that a message has come through here.
pub(super) fn append_via(fields: &mut HeaderMap, version: http::Version, pseudonym: &str) {
    let version = match version {
        http::Version::HTTP_10 => "1.0",
        _ => "1.1",
    };
    if let Ok(value) = HeaderValue::try_from(format!("{version} {pseudonym}")) {
        fields.append(VIA, value);
    }
}

/// Whether a request has come through here before.
pub(super) fn has_come_through(fields: &HeaderMap, pseudonym: &str) -> bool {
    tokens(fields, &VIA).any(|hop| hop.split([' ', '\t']).any(|word| word == pseudonym))
}
