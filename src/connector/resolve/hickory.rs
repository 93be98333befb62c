use std::{
    fmt,
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use hickory_resolver::{TokioResolver, config::LookupIpStrategy, proto::rr::Name};
use tower_service::Service;

use super::special;
use crate::{error::BoxError, proto::DomainName};

/// A resolver that asks name servers itself and keeps their answers for as long as they are valid.
///
/// Names are absolute, as with [`SystemResolver`](super::SystemResolver): no search domain applies, the hosts
/// file does, and names below `onion` are refused.
///
/// Unlike the system's, a lookup occupies no thread and ends with the future that waits for it.
/// Clones share the cache.
#[derive(Clone)]
pub struct HickoryResolver {
    resolver: Arc<TokioResolver>,
}

impl HickoryResolver {
    /// Creates a resolver from the name servers and options of the system, with both families
    /// looked up.
    ///
    /// # Errors
    ///
    /// When the configuration of the system cannot be read.
    pub fn from_system() -> Result<Self, BoxError> {
        let mut builder = TokioResolver::builder_tokio()?;
        builder.options_mut().ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
        Ok(builder.build()?.into())
    }
}

impl From<TokioResolver> for HickoryResolver {
    fn from(resolver: TokioResolver) -> Self {
        Self {
            resolver: Arc::new(resolver),
        }
    }
}

impl Service<DomainName> for HickoryResolver {
    type Response = Vec<IpAddr>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: DomainName) -> Self::Future {
        let resolver = Arc::clone(&self.resolver);
        Box::pin(async move {
            special::refuse(&name)?;
            // With its dot the name is absolute: no search domain applies.
            let name = Name::from_ascii(format!("{name}."))?;
            Ok(resolver.lookup_ip(name).await?.iter().collect())
        })
    }
}

impl fmt::Debug for HickoryResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HickoryResolver").finish_non_exhaustive()
    }
}
