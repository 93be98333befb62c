//! Pages as responses, and what becomes of the connection behind them.

use http::Response;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    body::Body,
    conversation::{Broken, Reply, Then},
    page::Page,
    session::{Ended, Session, failed},
};
use crate::{
    error::{SessionError, Step},
    session::{CloneService, Dial, Identify},
};

impl<M, Io> Session<M, Io>
where
    M: Identify<Service: Dial<Future: Send> + CloneService + Send, Future: Send>
        + CloneService
        + Send
        + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    /// Answers with a page, and goes on unless the connection has to end behind it.
    pub(super) async fn tell<T>(
        &mut self,
        reply: Reply,
        page: Page,
        closes: bool,
    ) -> Option<Ended<T>> {
        match self.respond(reply, page.response(closes)).await {
            Ok(Then::Next) if !closes => None,
            Ok(_) => Some(match self.refused.take() {
                Some((error, _)) => Ended::Told(error),
                None => Ended::Over,
            }),
            Err(broken) => Some(failed(Step::Reply, broken)),
        }
    }

    /// Answers with a page, behind which the connection ends.
    pub(super) async fn tell_last<T>(
        &mut self,
        reply: Reply,
        page: Page,
        error: SessionError,
    ) -> Ended<T> {
        // What was wrong says more than that the client did not wait to hear it.
        match self.respond(reply, page.response(true)).await {
            Ok(_) => Ended::Told(error),
            Err(_) => Ended::Failed(error),
        }
    }

    pub(super) async fn respond(
        &mut self,
        reply: Reply,
        response: Response<Body>,
    ) -> Result<Then, Broken> {
        let patience = self.config.deadline;
        self.conversation
            .respond(reply, response, patience, |_| {})
            .await
    }
}
