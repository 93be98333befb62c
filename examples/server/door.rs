//! Who gets in: the users of the moment, which a reload changes.

use std::{
    future::{Ready, ready},
    net::SocketAddr,
    task::{Context, Poll},
};

use tokio::sync::watch;
use tower::Service;
use tower_socks::{
    Authenticate, BoxError, Identity, NoAuth, Policy, Refusal, Request, Rules, UserPass, Users,
    Wire,
    error::AuthError,
    proto::{Credentials, Method, MethodSet},
};

/// With users, those who can name one and its password; without any, everyone.
#[derive(Debug)]
pub(crate) struct Door {
    users: watch::Receiver<Users>,
    with_password: UserPass<Current>,
}

impl Door {
    pub(crate) fn new(users: watch::Receiver<Users>) -> Self {
        Self {
            with_password: UserPass::new(Current(users.clone())),
            users,
        }
    }
}

impl<Io: Wire> Authenticate<Io> for Door {
    type Stream = Io;

    fn select(&self, offered: &MethodSet) -> Option<Method> {
        if self.users.borrow().is_empty() {
            Authenticate::<Io>::select(&NoAuth, offered)
        } else {
            Authenticate::<Io>::select(&self.with_password, offered)
        }
    }

    async fn authenticate(&self, method: Method, io: Io) -> Result<(Io, Identity), BoxError> {
        if method == Method::NO_AUTHENTICATION {
            NoAuth.authenticate(method, io).await
        } else {
            self.with_password.authenticate(method, io).await
        }
    }
}

/// Verifies against the users of the moment.
#[derive(Clone, Debug)]
struct Current(watch::Receiver<Users>);

impl Service<Credentials> for Current {
    type Response = Identity;
    type Error = AuthError;
    type Future = Ready<Result<Identity, AuthError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), AuthError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, credentials: Credentials) -> Self::Future {
        let mut users = self.0.borrow().clone();
        if users.is_empty() {
            // The last user is gone since the method was selected.
            return ready(Err(AuthError::Denied));
        }
        users.call(credentials)
    }
}

/// The rules, for those who are users: a session of somebody who is none any more asks for nothing
/// new, and its tunnels are closed.
#[derive(Debug)]
pub(crate) struct Members {
    pub(crate) users: Users,
    pub(crate) rules: Rules,
}

impl Members {
    fn admit(&self, request: &Request) -> Result<(), Refusal> {
        let known = match request.identity.name() {
            Some(name) => self.users.contains(name),
            None => self.users.is_empty(),
        };
        if known {
            Ok(())
        } else {
            Err(Refusal::not_allowed("the client is not a user any more"))
        }
    }
}

impl Policy for Members {
    fn check(&self, request: &Request) -> Result<(), Refusal> {
        self.admit(request)?;
        self.rules.check(request)
    }

    fn check_address(&self, request: &Request, address: SocketAddr) -> Result<(), Refusal> {
        self.rules.check_address(request, address)
    }

    fn version(&self) -> u64 {
        self.rules.version()
    }
}
