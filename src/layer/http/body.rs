//! The body of a response.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use hyper::body::{Bytes, Frame, Incoming, SizeHint};

use super::{fields::strip_trailers, notes::Notes};

/// The body of a response to a client. Notes that hyper has all of it when it is dropped.
pub(super) struct Body {
    source: Source,
    notes: Option<Notes>,
}

enum Source {
    /// A text of ours, of which nothing was sent yet; empty otherwise.
    Text(Bytes),
    /// What the origin sends.
    Origin(Incoming),
    /// The origin has failed, and what it had sent before goes to the client first.
    Failed,
}

impl Body {
    pub(super) const fn empty() -> Self {
        Self::of(Source::Text(Bytes::new()))
    }

    pub(super) fn text(text: impl Into<Bytes>) -> Self {
        Self::of(Source::Text(text.into()))
    }

    pub(super) const fn origin(incoming: Incoming) -> Self {
        Self::of(Source::Origin(incoming))
    }

    const fn of(source: Source) -> Self {
        Self {
            source,
            notes: None,
        }
    }

    /// Has its end noted there.
    pub(super) fn noted(mut self, notes: Notes) -> Self {
        self.notes = Some(notes);
        self
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        match &mut this.source {
            Source::Text(text) if text.is_empty() => Poll::Ready(None),
            Source::Text(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
            // Another frame would be the end, as if it were whole.
            Source::Failed => Poll::Pending,
            Source::Origin(incoming) => {
                let frame = ready!(Pin::new(incoming).poll_frame(cx));
                let frame = frame.map(|frame| frame.map(strip_trailers));
                match (frame, &this.notes) {
                    (Some(Err(error)), Some(notes)) => {
                        this.source = Source::Failed;
                        notes.origin_failed(error)
                    }
                    (frame, _) => Poll::Ready(frame),
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Text(text) => text.is_empty(),
            Source::Origin(incoming) => incoming.is_end_stream(),
            Source::Failed => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Text(text) => SizeHint::with_exact(text.len() as u64),
            Source::Origin(incoming) => incoming.size_hint(),
            Source::Failed => SizeHint::new(),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(notes) = &self.notes {
            notes.lock().responded = true;
        }
    }
}
