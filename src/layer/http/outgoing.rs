//! The request to the origin.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Context, Poll, ready},
};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version,
    header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, MAX_FORWARDS, TE, UPGRADE},
    uri::PathAndQuery,
};
use hyper::{
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    ext::on_informational,
};

use super::{
    continues::{Continue, Wanted},
    fields::{append_via, has_come_through, has_token, strip, strip_trailers},
    notes::Notes,
    problem::Problem,
};
use crate::proto::Address;

/// Interim responses to one request, and their octets, that are passed on. More than a hundred are no response.
const MOST_INTERIM: u32 = 100;
const LONGEST_INTERIM: usize = 16 * 1024;

/// A request as the origin gets it.
pub(super) struct Outgoing {
    pub(super) request: Request<Upload>,
    /// The protocols that the client would change to.
    pub(super) upgrade: Option<HeaderValue>,
    pub(super) watch: Watch,
}

/// What is noticed while the origin is asked.
#[derive(Clone, Default)]
pub(super) struct Watch {
    /// What the client sends as a body is none.
    pub(super) malformed: Arc<AtomicBool>,
    /// hyper has all of the request.
    pub(super) uploaded: Arc<AtomicBool>,
    interim: Arc<AtomicU32>,
}

impl Watch {
    /// Whether the origin sends interim responses without end.
    pub(super) fn is_flooded(&self) -> bool {
        self.interim.load(Ordering::Relaxed) > MOST_INTERIM
    }
}

impl Outgoing {
    /// Makes the request out of that of a client: in origin-form, with the host of the URL, without what ends here.
    ///
    /// # Errors
    ///
    /// If it is not to be forwarded.
    pub(super) fn new(
        request: Request<Incoming>,
        address: &Address,
        path: String,
        pseudonym: &str,
        notes: &Notes,
    ) -> Result<Self, Problem> {
        let (mut head, body) = request.into_parts();
        if head.method == Method::TRACE {
            return Err(Problem::Trace);
        }
        if has_come_through(&head.headers, pseudonym) {
            return Err(Problem::Loop);
        }
        let path = PathAndQuery::try_from(path)
            .map_err(|_| Problem::Malformed("the path of the URL is none"))?;
        let is_1_1 = head.version == Version::HTTP_11;
        let has_body = !body.is_end_stream();
        let upgrade = upgrade(&head.headers).filter(|_| is_1_1 && !has_body);
        let takes_trailers = has_token(&head.headers, &TE, "trailers");
        let expects = is_1_1 && has_body && head.headers.contains_key(EXPECT);
        strip(&mut head.headers);
        head.headers.remove(EXPECT);
        forwards(&head.method, &mut head.headers)?;
        head.headers.remove(HOST);
        let host = HeaderValue::try_from(host(address))
            .map_err(|_| Problem::Malformed("the host is no value of a field"))?;
        // First, as RFC 9110 section 7.2 wants it.
        let mut fields = HeaderMap::with_capacity(head.headers.capacity() + 4);
        fields.insert(HOST, host);
        fields.extend(head.headers);
        append_via(&mut fields, head.version, pseudonym);
        // Each request is one to the policies and limits, and has a connection of its own.
        fields.insert(
            CONNECTION,
            HeaderValue::from_static(match (&upgrade, takes_trailers) {
                (Some(_), _) => "upgrade",
                (None, true) => "close, te",
                (None, false) => "close",
            }),
        );
        if let Some(upgrade) = &upgrade {
            fields.insert(UPGRADE, upgrade.clone());
        } else if takes_trailers {
            fields.insert(TE, HeaderValue::from_static("trailers"));
        }
        let held = Continue::default();
        let watch = Watch::default();
        let mut outgoing = Request::new(Upload {
            body,
            waits: expects.then(|| held.wanted()),
            malformed: Arc::clone(&watch.malformed),
            uploaded: Arc::clone(&watch.uploaded),
        });
        if expects {
            fields.insert(EXPECT, HeaderValue::from_static("100-continue"));
        }
        *outgoing.method_mut() = head.method;
        *outgoing.uri_mut() = Uri::from(path);
        *outgoing.headers_mut() = fields;
        let (notes, interim) = (notes.clone(), Arc::clone(&watch.interim));
        on_informational(&mut outgoing, move |response| {
            let count = interim.fetch_add(1, Ordering::Relaxed);
            if response.status() == StatusCode::CONTINUE {
                held.let_go();
            } else if is_1_1 && count < MOST_INTERIM {
                pass_on(&notes, response.status(), response.headers().clone());
            }
        });
        Ok(Self {
            request: outgoing,
            upgrade,
            watch,
        })
    }
}

/// The protocols of `Upgrade`, if that is asked for. HTTP/2 is none: behind it other requests would come.
fn upgrade(fields: &HeaderMap) -> Option<HeaderValue> {
    let mut values = fields.get_all(UPGRADE).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    let asked = has_token(fields, &CONNECTION, "upgrade");
    (asked && !value.is_empty() && !has_token(fields, &UPGRADE, "h2c")).then(|| value.clone())
}

/// Counts `Max-Forwards` down, which only OPTIONS obeys here (RFC 9110 section 7.6.2).
fn forwards(method: &Method, fields: &mut HeaderMap) -> Result<(), Problem> {
    if method != Method::OPTIONS {
        return Ok(());
    }
    let Some(value) = fields.get(MAX_FORWARDS) else {
        return Ok(());
    };
    let left = value
        .to_str()
        .ok()
        .and_then(|text| text.parse::<u32>().ok());
    match left {
        None => Err(Problem::Malformed("Max-Forwards is no number")),
        Some(0) => Err(Problem::Page),
        Some(left) => {
            fields.insert(MAX_FORWARDS, (left - 1).into());
            Ok(())
        }
    }
}

/// `Host` of an address, which has its port unless that is the usual one.
fn host(address: &Address) -> String {
    let text = address.to_string();
    match text.strip_suffix(":80") {
        Some(host) if address.port() == 80 => host.to_owned(),
        _ => text,
    }
}

/// Passes an interim response on to the client, in front of the final one.
fn pass_on(notes: &Notes, status: StatusCode, mut fields: HeaderMap) {
    strip(&mut fields);
    // It has no body, and a client that looked for one would take the final response for it.
    fields.remove(CONTENT_LENGTH);
    let mut text = format!(
        "HTTP/1.1 {} {}\r\n",
        status.as_str(),
        status.canonical_reason().unwrap_or_default()
    )
    .into_bytes();
    let mut line = |name: &HeaderName, value: &HeaderValue| {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    };
    for (name, value) in &fields {
        line(name, value);
    }
    text.extend_from_slice(b"\r\n");
    let mut notes = notes.lock();
    if notes.interim.len() + text.len() <= LONGEST_INTERIM {
        notes.interim.extend(text);
    }
}

/// The body of a request.
pub(super) struct Upload {
    body: Incoming,
    waits: Option<Wanted>,
    malformed: Arc<AtomicBool>,
    uploaded: Arc<AtomicBool>,
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.uploaded.store(true, Ordering::Relaxed);
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        if let Some(wanted) = &mut this.waits {
            ready!(wanted.poll(cx));
            this.waits = None;
        }
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        if matches!(frame, Some(Err(_))) {
            this.malformed.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame.map(|frame| frame.map(strip_trailers)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
