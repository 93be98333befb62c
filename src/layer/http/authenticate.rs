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
    layer::connection::{Party, login_failed},
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
        let began = Instant::now();
        let question = self.client.ask(&authorization);
        let asking = timeout_at(limit, self.conversation.during(question)).await;
        let error = match asking {
            Ok(Ok(Ok(session))) => {
                self.log_refused();
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
        // Who has guessed once and then states nothing has guessed.
        if self.refused.is_none() || !states_nothing(&*error) {
            self.log_refused();
            self.refused = Some((SessionError::new(Step::Authentication, error), began));
        }
        Err(Refused::Told(page))
    }

    /// Logs the attempt to log in that something else follows: the end of the connection says nothing of it.
    pub(super) fn log_refused(&mut self) {
        let guessed = self.guessed();
        if let Some((error, began)) = self.refused.take().filter(|_| guessed) {
            let stranger = Party::stranger(self.client.peer());
            let recording = self.client.recording();
            login_failed(&self.lines, &error, began, stranger, recording.as_ref());
        }
    }

    /// Whether the last attempt to log in has failed. Most clients state nothing at first, which is none.
    pub(super) fn guessed(&self) -> bool {
        self.refused
            .as_ref()
            .is_some_and(|(error, _)| !states_nothing(error))
    }
}

fn states_nothing(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(find(error), Some(AuthError::NoAcceptableMethod))
}

/// Nobody is told more than that it was not right, or that nobody could look.
fn page(error: &BoxError) -> Page {
    match find::<AuthError>(&**error) {
        Some(AuthError::NoAcceptableMethod | AuthError::Denied | AuthError::Unproven(_)) => {
            Page::AUTHENTICATE
        }
        Some(AuthError::Verifier(_)) => Page::NOT_VERIFIED,
        None if find::<Refusal>(&**error).is_some() => Page::TOO_MANY_LOGINS,
        None => Page::NOT_VERIFIED,
    }
}
