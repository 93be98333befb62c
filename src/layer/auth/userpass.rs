use std::fmt;

use futures_util::future::BoxFuture;
use tokio::io::AsyncWriteExt;

use super::{Authenticate, AuthenticateStated};
use crate::{
    error::{AuthError, BoxError, FailedAttempt, Refusal, find},
    io::{ClientStream, ReadError, lingering_close, read_message},
    proto::{self, Decode, Encoded, Method, UserPassStatus},
    session::{Credentials, Identity, LoginAttempts, Negotiation, Stated, Verify},
};

/// Authenticates by username/password, X'02' (RFC 1929), verified by any tower service.
///
/// `V` is a `Service<Credentials, Response = Identity>`: a built-in map (`Users`), a
/// [`service_fn`](tower::service_fn) over a database, or either of them under middleware. It is cloned and
/// asked for readiness for each client.
///
/// Where it hashes passwords, use a [`BlockingVerifier`](super::BlockingVerifier). A `concurrency_limit` over
/// a function that calls `spawn_blocking` is a trap: its permit is the future's, and a future that is dropped at
/// the deadline of the handshake gives the permit back while its thread goes on hashing. Under a flood of
/// logins the threads add up to hundreds, with the memory of a hash each.
///
/// The answer is `01 00` once the verifier has said yes, and `01 01` and close for anything else:
/// a no, a failure of the verifier, an empty name or password, a version other than 01. A verifier that does not
/// look at a password, because of a limit, fails with a [`Refusal`](crate::error::Refusal), which is neither a
/// wrong password nor a failure of the verifier.
#[derive(Clone)]
pub struct UserPass<V> {
    verifier: V,
    // What `new` asks of a verifier is not asked a second time: where it does not have it, the stack
    // is no second error.
    ask: fn(&V, Credentials) -> BoxFuture<'static, Result<Identity, BoxError>>,
    empty: Empty,
}

#[derive(Clone, Copy)]
enum Empty {
    Denied,
    Verified,
}

impl<V> UserPass<V> {
    /// Creates the method over a `verifier`.
    ///
    /// The verifier fails with [`AuthError::Denied`] for a wrong name or password.
    pub const fn new(verifier: V) -> Self
    where
        V: Verify<Future: Send + 'static>,
    {
        Self {
            verifier,
            ask: |verifier, credentials| Box::pin(verifier.verify(credentials)),
            empty: Empty::Denied,
        }
    }

    /// Puts empty names and passwords to the verifier too. RFC 1929 has both at 1 octet or more,
    /// and by default they fail without a question.
    #[must_use]
    pub fn allow_empty(mut self) -> Self {
        self.empty = Empty::Verified;
        self
    }
}

impl<V> UserPass<V> {
    async fn verify(&self, credentials: Credentials) -> Result<Identity, FailedAttempt> {
        // None without a limit on failed logins.
        let attempts = credentials.extensions().get::<LoginAttempts>();
        let attempt = match attempts {
            Some(attempts) => {
                let entering = attempts.enter(credentials.peer(), credentials.name());
                let entered = entering.await;
                Some(entered.map_err(|error| FailedAttempt::new(credentials.name(), error))?)
            }
            None => None,
        };
        // Kept for the log, since the verifier gets the credentials; not on the heap, since most
        // attempts succeed.
        let name = Encoded::<255>::new().push(credentials.name());
        let verified = self.ask(credentials).await;
        if let Some(attempt) = attempt {
            match &verified {
                Ok(_) => attempt.succeeded(),
                Err(error) if find(&**error).is_some_and(AuthError::is_denial) => attempt.failed(),
                // Nobody knows whether it was right.
                Err(_) => drop(attempt),
            }
        }
        verified.map_err(|error| FailedAttempt::new(name, error))
    }

    async fn ask(&self, credentials: Credentials) -> Result<Identity, BoxError> {
        let empty = credentials.name().is_empty() || credentials.password().as_bytes().is_empty();
        if empty && matches!(self.empty, Empty::Denied) {
            return Err(AuthError::Denied.into());
        }
        let verified = (self.ask)(&self.verifier, credentials).await;
        verified.map_err(|error| match find::<AuthError>(&*error) {
            Some(AuthError::Denied) => AuthError::Denied.into(),
            Some(AuthError::Unproven(_)) => error,
            // Not looked at.
            None if find::<Refusal>(&*error).is_some() => error,
            Some(AuthError::Verifier(_)) if error.is::<AuthError>() => error,
            _ => AuthError::Verifier(error).into(),
        })
    }
}

impl<V, Io> Authenticate<Io> for UserPass<V>
where
    V: Send + Sync,
    Io: ClientStream,
{
    type Stream = Io;

    fn select(&self, negotiation: &Negotiation<Io>) -> Option<Method> {
        Some(Method::USERNAME_PASSWORD).filter(|method| negotiation.offered.contains(*method))
    }

    async fn authenticate(
        &self,
        _: Method,
        mut negotiation: Negotiation<Io>,
    ) -> Result<(Io, Identity), BoxError> {
        let sent = read_message(&mut negotiation.io, &mut [0; proto::Credentials::MAX_LEN]).await;
        let verified: Result<Identity, BoxError> = match sent {
            Ok(sent) => self
                .verify(Credentials::received(sent, &negotiation))
                .await
                .map_err(Into::into),
            Err(error @ ReadError::Malformed(_)) => Err(error.into()),
            Err(error) => return Err(error.into()),
        };
        let status = match &verified {
            Ok(_) => UserPassStatus::SUCCESS,
            Err(_) => UserPassStatus::FAILURE,
        };
        let mut io = negotiation.io;
        io.write_all(&status.encode()).await?;
        io.flush().await?;
        match verified {
            Ok(identity) => Ok((io, identity)),
            Err(error) => {
                lingering_close(io).await;
                Err(error)
            }
        }
    }
}

impl<V: Send + Sync> AuthenticateStated for UserPass<V> {
    async fn authenticate_stated(
        &self,
        negotiation: &Negotiation<Stated>,
    ) -> Result<Identity, BoxError> {
        let Stated::Password(sent) = &negotiation.io else {
            return Err(AuthError::NoAcceptableMethod.into());
        };
        let credentials = Credentials::received(sent.clone(), negotiation);
        self.verify(credentials).await.map_err(Into::into)
    }
}

impl<V> fmt::Debug for UserPass<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A verifier may hold secrets.
        f.debug_struct("UserPass").finish_non_exhaustive()
    }
}
