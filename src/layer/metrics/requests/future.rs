use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::MetricsTunnel;
use crate::{
    error::{BoxError, ReplyCodes},
    layer::metrics::{
        keys::{OfCommand, counter, histogram},
        names::REQUESTS,
        refusals::count_refusal,
    },
    proto::ReplyCode,
};

pin_project! {
    /// Measures a dial: the future of [`RequestMetrics`](super::RequestMetrics).
    pub struct ResponseFuture<F> {
        command: &'static OfCommand,
        reply_codes: ReplyCodes,
        started: Instant,
        #[pin]
        future: F,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) const fn new(
        command: &'static OfCommand,
        reply_codes: ReplyCodes,
        started: Instant,
        future: F,
    ) -> Self {
        Self {
            command,
            reply_codes,
            started,
            future,
        }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<MetricsTunnel<T>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = ready!(this.future.poll(cx)).map_err(Into::into);
        let code = match &outcome {
            Ok(_) => ReplyCode::SUCCEEDED,
            Err(error) => this.reply_codes.of(&**error),
        };
        let command = *this.command;
        if let Err(error) = &outcome {
            count_refusal(&**error);
        }
        match command.requests.get(usize::from(code.0)) {
            Some(key) => counter(key).increment(1),
            // One of a connector's own.
            None => {
                let code = code.0.to_string();
                metrics::counter!(REQUESTS, "command" => command.name, "reply_code" => code)
                    .increment(1);
            }
        }
        histogram(&command.dial_seconds).record(this.started.elapsed());
        Poll::Ready(outcome.map(|tunnel| MetricsTunnel::new(tunnel, command)))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
