//! `resolve`: RESOLVE and RESOLVE_PTR, which Tor's programs ask for.

use std::{
    future::{Ready, ready},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::Either;
use tower::Service;
use tower_socks::{
    BoxError, Refusal, Request,
    connector::{
        name_service::{NameService, NameServiceTunnel},
        resolve::SystemResolver,
    },
    layer::metrics::LookupMetrics,
    proto::ReplyCode,
};

/// Executes both, where the operator has said so.
#[derive(Clone, Debug)]
pub(crate) struct Lookups(Option<NameService<LookupMetrics<SystemResolver>, SystemResolver>>);

impl Lookups {
    /// Refuses both with 07.
    pub(crate) const fn refused() -> Self {
        Self(None)
    }

    /// Looks names up as connectors do, and those of addresses by the same system.
    pub(crate) fn new(
        names: LookupMetrics<SystemResolver>,
        addresses: SystemResolver,
        limit: Duration,
    ) -> Self {
        let service = NameService::new().resolver(names);
        Self(Some(service.reverse_resolver(addresses).timeout(limit)))
    }
}

impl Service<Request> for Lookups {
    type Response = NameServiceTunnel;
    type Error = BoxError;
    type Future = Either<
        Ready<Result<NameServiceTunnel, BoxError>>,
        <NameService<LookupMetrics<SystemResolver>, SystemResolver> as Service<Request>>::Future,
    >;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match &mut self.0 {
            Some(service) => Either::Right(service.call(request)),
            None => {
                let code = ReplyCode::COMMAND_NOT_SUPPORTED;
                let refusal = Refusal::new(
                    code,
                    "names are not looked up for clients: `resolve` is off",
                );
                Either::Left(ready(Err(refusal.into())))
            }
        }
    }
}
