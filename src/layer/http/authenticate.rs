//! Authentication of a request, and what a client that fails is told.

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout_at},
};

use super::{
    authorization::Authorization,
    page::Page,
    session::{Refused, Session, TunnelOf, failed},
};
use crate::{
    error::{AuthError, BoxError, Refusal, SessionError, Step, find},
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
    /// Finds out who the client is.
    ///
    /// # Errors
    ///
    /// What becomes of the request otherwise.
    pub(super) async fn authenticate(
        &mut self,
        authorization: Authorization,
    ) -> Result<(), Refused<TunnelOf<M>>> {
        if self.client.is_known_by(&authorization) {
            return Ok(());
        }
        let limit = self
            .limit
            .unwrap_or_else(|| Instant::now() + self.config.deadline);
        let question = self.client.ask(&authorization);
        let asking = timeout_at(limit, self.conversation.during(question)).await;
        let error = match asking {
            Ok(Ok(Ok(session))) => {
                self.refused = None;
                self.limit = None;
                self.client
                    .is(authorization, session.identity, session.service);
                return Ok(());
            }
            Ok(Ok(Err(error))) => error,
            Ok(Err(broken)) => return Err(Refused::Ended(failed(Step::Authentication, broken))),
            Err(elapsed) => elapsed.into(),
        };
        let page = page(&error);
        self.refused = Some(SessionError::new(Step::Authentication, error));
        Err(Refused::Told(page))
    }
}

/// Nobody is told more than that it was not right, or that nobody could look.
fn page(error: &BoxError) -> Page {
    match find::<AuthError>(&**error) {
        Some(AuthError::NoAcceptableMethod | AuthError::Denied) => Page::AUTHENTICATE,
        Some(AuthError::Verifier(_)) => Page::NOT_VERIFIED,
        None if find::<Refusal>(&**error).is_some() => Page::TOO_MANY_LOGINS,
        None => Page::NOT_VERIFIED,
    }
}
