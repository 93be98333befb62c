//! Authentication and policy by the users in force, which a reload changes.

use std::{
    net::SocketAddr,
    task::{Context, Poll},
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::watch;
use tower::Service;
use tower_socks::{
    BoxError, Credentials, Identity, NoAuth, Refusal, Request, Rules, UserPass,
    io::ClientStream,
    layer::auth::Authenticate,
    proto::Method,
    session::{Negotiation, Policy},
};

use crate::accounts::Accounts;

/// Authenticates by username and password where there are users, and admits everyone where there
/// are none.
#[derive(Debug)]
pub(crate) struct ReloadableAuth {
    accounts: watch::Receiver<Accounts>,
    with_password: UserPass<Verifier>,
}

impl ReloadableAuth {
    pub(crate) fn new(accounts: watch::Receiver<Accounts>) -> Self {
        Self {
            with_password: UserPass::new(Verifier(accounts.clone())),
            accounts,
        }
    }
}

impl<Io: ClientStream> Authenticate<Io> for ReloadableAuth {
    type Stream = Io;

    fn select(&self, negotiation: &Negotiation<Io>) -> Option<Method> {
        if self.accounts.borrow().is_empty() {
            NoAuth.select(negotiation)
        } else {
            self.with_password.select(negotiation)
        }
    }

    async fn authenticate(
        &self,
        method: Method,
        negotiation: Negotiation<Io>,
    ) -> Result<(Io, Identity), BoxError> {
        if method == Method::NO_AUTHENTICATION {
            NoAuth.authenticate(method, negotiation).await
        } else {
            self.with_password.authenticate(method, negotiation).await
        }
    }
}

/// Verifies credentials against the users in force.
#[derive(Clone, Debug)]
struct Verifier(watch::Receiver<Accounts>);

impl Service<Credentials> for Verifier {
    type Response = Identity;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Identity, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, credentials: Credentials) -> Self::Future {
        // The last user may be gone since the method was selected: then nobody is admitted.
        let accounts = self.0.borrow().clone();
        accounts.verify(credentials).boxed()
    }
}

/// Policy: the rules, for clients that are still users. A reload that removes a user refuses new
/// requests of its sessions and closes its tunnels.
#[derive(Debug)]
pub(crate) struct UsersPolicy {
    pub(crate) accounts: Accounts,
    pub(crate) rules: Rules,
}

impl UsersPolicy {
    fn admit(&self, request: &Request) -> Result<(), Refusal> {
        let known = match request.identity.name() {
            Some(name) => self.accounts.contains(name),
            None => self.accounts.is_empty(),
        };
        if known {
            Ok(())
        } else {
            Err(Refusal::not_allowed("the client is not a user any more"))
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
}
