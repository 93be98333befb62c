//! Authentication and policy by the users in force, which a reload changes.

use std::{
    fmt,
    net::SocketAddr,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use futures_util::future::{Either, Ready, ready};
use tokio::sync::watch;
use tower::{Layer, Service};
use tower_socks::{
    BoxError, Credentials, Identity, NoAuth, Refusal, Request, Rules, UserPass,
    error::AuthError,
    io::ClientStream,
    layer::auth::{
        Authenticate, AuthenticateStated, BlockingVerifier, Verification,
        remember::{Remember, RememberLayer, ResponseFuture},
    },
    proto::Method,
    session::{Negotiation, Policy, Stated},
};

#[cfg(any(feature = "postgres", feature = "redis"))]
use crate::directories::stored;
use crate::{
    accounts::Accounts,
    certified::{ByCertificate, Certified},
    logins::Logins,
    tickets,
};

/// Authenticates by ticket, or by username and password, where there are users, and admits everyone where there
/// are none.
#[derive(Debug)]
pub(crate) struct ReloadableAuth {
    accounts: watch::Receiver<Accounts>,
    with_password: UserPass<Verifier>,
}

impl ReloadableAuth {
    pub(crate) fn new(
        accounts: watch::Receiver<Accounts>,
        logins: &Logins,
        remembered: &RememberLayer,
    ) -> Self {
        Self {
            with_password: UserPass::new(Verifier::new(accounts.clone(), logins, remembered)),
            accounts,
        }
    }
}

impl ReloadableAuth {
    /// Who the client is, if it has shown a certificate to a listener that looks for names in them.
    fn by_certificate<Io>(
        &self,
        negotiation: &Negotiation<Io>,
    ) -> Option<Result<Identity, AuthError>> {
        let certified = negotiation.extensions.get::<Certified>()?;
        Some(certified.identity().ok_or(AuthError::Denied))
    }
}

impl AuthenticateStated for ReloadableAuth {
    async fn authenticate_stated(
        &self,
        negotiation: &Negotiation<Stated>,
    ) -> Result<Identity, BoxError> {
        match self.by_certificate(negotiation) {
            Some(Ok(identity)) => return Ok(identity),
            Some(Err(denied)) if self.accounts.borrow().is_empty() => return Err(denied.into()),
            Some(Err(_)) | None => {}
        }
        if self.accounts.borrow().is_empty() {
            NoAuth.authenticate_stated(negotiation).await
        } else {
            self.with_password.authenticate_stated(negotiation).await
        }
    }
}

impl<Io: ClientStream> Authenticate<Io> for ReloadableAuth {
    type Stream = tickets::Stream<Io>;

    fn select(&self, negotiation: &Negotiation<Io>) -> Option<Method> {
        let by_certificate = self.by_certificate(negotiation);
        if let Some(Ok(_)) = by_certificate
            && let Some(method) = NoAuth.select(negotiation)
        {
            return Some(method);
        }
        let accounts = self.accounts.borrow();
        if accounts.is_empty() {
            return NoAuth
                .select(negotiation)
                .filter(|_| by_certificate.is_none());
        }
        let by_password = || {
            let method = self.with_password.select(negotiation);
            method.filter(|_| accounts.has_passwords())
        };
        match accounts.tickets() {
            Some(tickets) if tickets.prefers_passwords() => {
                by_password().or_else(|| tickets.select(negotiation))
            }
            Some(tickets) => tickets.select(negotiation).or_else(by_password),
            None => by_password(),
        }
    }

    async fn authenticate(
        &self,
        method: Method,
        negotiation: Negotiation<Io>,
    ) -> Result<(Self::Stream, Identity), BoxError> {
        let (stream, identity) = match method {
            Method::GSSAPI => {
                // They may be gone since the method was selected.
                let tickets = self.accounts.borrow().tickets().cloned();
                let tickets = tickets.ok_or(AuthError::NoAcceptableMethod)?;
                return tickets.authenticate(negotiation).await;
            }
            Method::NO_AUTHENTICATION => match self.by_certificate(&negotiation) {
                Some(identity) => (negotiation.io, identity?),
                None => NoAuth.authenticate(method, negotiation).await?,
            },
            _ => self.with_password.authenticate(method, negotiation).await?,
        };
        Ok((tickets::in_clear(stream), identity))
    }
}

/// Verifies credentials against the users in force.
#[derive(Clone)]
struct Verifier {
    accounts: watch::Receiver<Accounts>,
    /// What takes its time.
    slow: Remember<Slow>,
}

impl Verifier {
    fn new(
        accounts: watch::Receiver<Accounts>,
        logins: &Logins,
        remembered: &RememberLayer,
    ) -> Self {
        let in_force = accounts.clone();
        let hashing = logins.verifier(move |memory, credentials| {
            #[cfg(any(feature = "postgres", feature = "redis"))]
            if let Some(verified) = stored::verify_stored(memory, credentials) {
                return verified;
            }
            let accounts = in_force.borrow().clone();
            accounts.verify(memory, credentials)
        });
        let slow = Slow {
            accounts: accounts.clone(),
            hashing,
        };
        Self {
            accounts,
            slow: remembered.layer(slow),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Service<Credentials> for Verifier {
    type Response = Identity;
    type Error = BoxError;
    type Future = Either<Ready<Result<Identity, BoxError>>, ResponseFuture>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, credentials: Credentials) -> Self::Future {
        // The last user may be gone since the method was selected: then nobody is admitted.
        let accounts = self.accounts.borrow().clone();
        match accounts.has_hashes() || accounts.asks_directories(credentials.name()) {
            true => Either::Right(self.slow.call(credentials)),
            false => Either::Left(ready(
                accounts.verify_plain(credentials).map_err(Into::into),
            )),
        }
    }
}

/// Verifies by hashes, or by directories whom the file does not know.
#[derive(Clone)]
struct Slow {
    accounts: watch::Receiver<Accounts>,
    hashing: BlockingVerifier,
}

impl Service<Credentials> for Slow {
    type Response = Identity;
    type Error = BoxError;
    type Future = Either<Verification, BoxFuture<'static, Result<Identity, BoxError>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.hashing.poll_ready(cx)
    }

    fn call(&mut self, credentials: Credentials) -> Self::Future {
        let accounts = self.accounts.borrow();
        if accounts.asks_directories(credentials.name()) {
            let directories = accounts.directories().clone();
            let hashing = self.hashing.clone();
            let verify = async move { directories.verify(credentials, hashing).await };
            Either::Right(Box::pin(verify))
        } else {
            Either::Left(self.hashing.call(credentials))
        }
    }
}

/// Policy: the rules, for clients that are still users. A reload that removes a user refuses new
/// requests of its sessions and closes its tunnels, and so does one that changes its password.
#[derive(Debug)]
pub(crate) struct UsersPolicy {
    pub(crate) accounts: Accounts,
    pub(crate) rules: Rules,
}

impl UsersPolicy {
    fn admit(&self, request: &Request) -> Result<(), Refusal> {
        let vouched_for = request
            .identity
            .extensions()
            .get::<ByCertificate>()
            .is_some();
        if vouched_for || self.accounts.is_still(&request.identity) {
            Ok(())
        } else {
            Err(Refusal::not_allowed(
                "the client is not a user any more, or has another password now",
            ))
        }
    }
}

impl Policy for UsersPolicy {
    fn check(&self, request: &Request) -> Result<(), Refusal> {
        self.admit(request)?;
        self.rules.check(request)
    }

    fn check_address(&self, request: &Request, address: SocketAddr) -> Result<(), Refusal> {
        self.rules.check_address(request, address)
    }

    fn check_name(&self, request: &Request) -> Result<(), Refusal> {
        self.rules.check_name(request)
    }

    fn version(&self) -> u64 {
        self.rules.version()
    }

    fn next_change(&self) -> Option<std::time::SystemTime> {
        self.rules.next_change()
    }
}
