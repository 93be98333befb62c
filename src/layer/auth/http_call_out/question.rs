//! What a service is asked.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use serde::Serialize;

use crate::session::{Credentials, record::Recording};

#[derive(Serialize)]
struct Question<'a> {
    user: &'a str,
    password: &'a str,
    client: String,
    local: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listener: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
}

/// Writes the question about a login; `None` for what is no text.
pub(super) fn question(credentials: &Credentials) -> Option<Bytes> {
    let recording = Recording::of(credentials.extensions());
    let question = Question {
        user: str::from_utf8(credentials.name()).ok()?,
        password: str::from_utf8(credentials.password().as_bytes()).ok()?,
        client: credentials.peer().to_string(),
        local: credentials.local().to_string(),
        protocol: recording
            .and_then(Recording::protocol)
            .map(|protocol| protocol.to_string()),
        listener: recording.and_then(Recording::listener),
        session: recording.map(|recording| recording.id().to_string()),
    };
    serde_json::to_vec(&question).ok().map(Bytes::from)
}

/// A body that is sent at once.
pub(super) struct Once(Option<Bytes>);

impl Once {
    pub(super) const fn new(octets: Bytes) -> Self {
        Self(Some(octets))
    }
}

impl Body for Once {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|octets| Ok(Frame::data(octets))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let len = self.0.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(len.try_into().unwrap_or(u64::MAX))
    }
}
