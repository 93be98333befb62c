//! `resolve`: RESOLVE and RESOLVE_PTR, which Tor's programs ask for.

use std::{
    fmt,
    future::ready,
    task::{Context, Poll},
    time::Duration,
};

use tower::{Service, util::BoxCloneSyncService};
use tower_socks::{
    BoxError, Refusal, Request,
    connector::{
        name_service::{NameService, NameServiceTunnel},
        resolve::{Resolve, ReverseResolve},
    },
    proto::ReplyCode,
};

/// Executes both, where the operator has said so.
#[derive(Clone)]
pub(crate) struct Lookups(BoxCloneSyncService<Request, NameServiceTunnel, BoxError>);

impl Lookups {
    /// Refuses both with 07, for want of `resolve`.
    pub(crate) fn off() -> Self {
        Self::refused("names are not looked up for clients: `resolve` is off")
    }

    /// Refuses both with 07.
    pub(crate) fn refused(reason: &'static str) -> Self {
        Self(BoxCloneSyncService::new(tower::service_fn(move |_| {
            let refusal = Refusal::new(ReplyCode::COMMAND_NOT_SUPPORTED, reason);
            ready(Err(refusal.into()))
        })))
    }

    /// Asks the system, as connectors do.
    pub(crate) fn here(
        names: impl Resolve + Sync,
        addresses: impl ReverseResolve + Sync,
        limit: Duration,
    ) -> Self {
        Self::by(NameService::new().timeout(limit), names, addresses)
    }

    /// Asks an upstream: policies are asked about each name before it is sent there.
    pub(crate) fn upstream(
        names: impl Resolve + Sync,
        addresses: impl ReverseResolve + Sync,
        limit: Duration,
    ) -> Self {
        let service = NameService::new().timeout(limit).hands_names_on(true);
        Self::by(service, names, addresses)
    }

    fn by(
        service: NameService,
        names: impl Resolve + Sync,
        addresses: impl ReverseResolve + Sync,
    ) -> Self {
        let service = service.resolver(names).reverse_resolver(addresses);
        Self(BoxCloneSyncService::new(service))
    }
}

impl Service<Request> for Lookups {
    type Response = NameServiceTunnel;
    type Error = BoxError;
    type Future =
        <BoxCloneSyncService<Request, NameServiceTunnel, BoxError> as Service<Request>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.0.call(request)
    }
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups").finish_non_exhaustive()
    }
}
