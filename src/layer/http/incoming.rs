//! The response of an origin, as the client gets it.

use http::{
    HeaderValue, Method, Response, StatusCode, Version,
    header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE},
};
use hyper::body::Incoming;

use super::{
    body::Body,
    fields::{append_via, strip},
};

/// Makes the response for the client.
///
/// # Errors
///
/// What is wrong with it: it could be read in two manners, or changes to a protocol that nobody asked for.
pub(super) fn response(
    response: Response<Incoming>,
    method: &Method,
    upgrade: Option<&HeaderValue>,
    pseudonym: &str,
) -> Result<Response<Body>, &'static str> {
    let (mut head, body) = response.into_parts();
    check(&head)?;
    let length = one_length(&head.headers)?;
    let upgrades = head.status == StatusCode::SWITCHING_PROTOCOLS;
    let protocol = match (upgrades, upgrade) {
        (false, _) => None,
        (true, None) => return Err("it changes to another protocol, and nobody asked for that"),
        (true, Some(asked)) => Some(chosen(&head.headers, asked)?),
    };
    strip(&mut head.headers);
    head.headers.remove(CONTENT_LENGTH);
    // Without a body hyper does not know how long it would be.
    if method == Method::HEAD
        && let Some(length) = length
    {
        head.headers.insert(CONTENT_LENGTH, length);
    }
    append_via(&mut head.headers, head.version, pseudonym);
    if let Some(protocol) = protocol {
        head.headers.insert(UPGRADE, protocol);
        head.headers
            .insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    head.version = Version::HTTP_11;
    head.extensions.clear();
    let body = match upgrades {
        true => Body::empty(),
        false => Body::origin(body),
    };
    Ok(Response::from_parts(head, body))
}

fn check(head: &http::response::Parts) -> Result<(), &'static str> {
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else {
        return Ok(());
    };
    if head.version != Version::HTTP_11 {
        return Err("Transfer-Encoding in HTTP/1.0");
    }
    if head.headers.contains_key(CONTENT_LENGTH) {
        return Err("Content-Length beside Transfer-Encoding");
    }
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err("Transfer-Encoding is not chunked alone");
    }
    Ok(())
}

/// The one value of `Content-Length`, if there is one.
fn one_length(fields: &http::HeaderMap) -> Result<Option<HeaderValue>, &'static str> {
    let mut values = fields.get_all(CONTENT_LENGTH).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let is_number = !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
    match is_number && values.all(|other| other == value) {
        true => Ok(Some(value.clone())),
        false => Err("Content-Length is not one number"),
    }
}

/// The protocol that the origin changes to, which is one of those that were asked for.
fn chosen(fields: &http::HeaderMap, asked: &HeaderValue) -> Result<HeaderValue, &'static str> {
    const OTHER: &str = "it changes to a protocol that nobody asked for";

    let value = fields.get(UPGRADE).ok_or(OTHER)?;
    let (chosen, asked) = (value.to_str().ok(), asked.to_str().ok());
    let (chosen, asked) = chosen.zip(asked).ok_or(OTHER)?;
    let mut protocols = asked.split(',').map(str::trim);
    match protocols.any(|protocol| protocol.eq_ignore_ascii_case(chosen.trim())) {
        true => Ok(value.clone()),
        false => Err(OTHER),
    }
}
