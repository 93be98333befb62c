use std::{
    ffi::OsString,
    task::{Context, Poll},
};

use tokio::net::TcpStream;
use tower_service::Service;

use super::{InvalidProxyUrl, NoProxy, ProxyConnector, ProxyUrl, ResponseFuture};
use crate::{
    connector::direct::Direct,
    error::BoxError,
    session::{Connected, Target},
};

/// Which proxy to use, and for what: `ALL_PROXY` and `NO_PROXY`. See the [module](super).
///
/// `HTTP_PROXY` and `HTTPS_PROXY` are for requests of one scheme each. What a connector is told is a
/// host and a port, so they are not looked at.
#[derive(Clone, Debug, Default)]
pub struct ProxyEnv {
    proxy: Option<ProxyUrl>,
    without: NoProxy,
}

impl ProxyEnv {
    /// This proxy, but for these hosts. No proxy at all without one.
    #[must_use]
    pub const fn new(proxy: Option<ProxyUrl>, without: NoProxy) -> Self {
        Self { proxy, without }
    }

    /// What the environment of this process says: `all_proxy` or `ALL_PROXY`, and `no_proxy` or
    /// `NO_PROXY`; the small ones go first, as for curl. An empty variable is none.
    ///
    /// # Errors
    ///
    /// When the variable is there and is not the URL of a proxy: to go without it would be a
    /// surprise.
    pub fn from_env() -> Result<Self, InvalidProxyUrl> {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// The same with another place to look names up: a file of settings, or a test.
    ///
    /// # Errors
    ///
    /// When a value is not UTF-8, and when that of `ALL_PROXY` is not the URL of a proxy.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, InvalidProxyUrl> {
        let first = |names: [&'static str; 2]| {
            for name in names {
                let Some(value) = lookup(name) else {
                    continue;
                };
                let text = value.into_string().map_err(|_| {
                    let error = InvalidProxyUrl::new("it is not UTF-8");
                    error.of_variable(name)
                })?;
                if !text.trim().is_empty() {
                    return Ok(Some((name, text)));
                }
            }
            Ok(None)
        };
        let proxy = match first(["all_proxy", "ALL_PROXY"])? {
            Some((name, url)) => {
                let url = url.parse::<ProxyUrl>();
                Some(url.map_err(|error| error.of_variable(name))?)
            }
            None => None,
        };
        let without = first(["no_proxy", "NO_PROXY"])?;
        let without = without.map(|(_, list)| list).unwrap_or_default();
        let Ok(without) = without.parse();
        Ok(Self { proxy, without })
    }

    /// Goes by the proxy, or without it where that is what it says.
    #[must_use]
    pub fn connector(&self) -> EnvConnector {
        EnvConnector {
            proxy: self.proxy.as_ref().map(ProxyUrl::connector),
            without: self.without.clone(),
            direct: Direct::new(),
        }
    }
}

/// Goes by a proxy, or without: the connector of [`ProxyEnv`].
#[derive(Clone, Debug)]
pub struct EnvConnector {
    proxy: Option<ProxyConnector>,
    without: NoProxy,
    direct: Direct,
}

impl<T: Target + Sync> Service<T> for EnvConnector {
    type Response = Connected<TcpStream>;
    type Error = BoxError;
    type Future = ResponseFuture<Connected<TcpStream>>;

    // Both ways are ready at all times.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: T) -> Self::Future {
        // A target that names nothing is an error by either way.
        let without = target
            .address()
            .is_ok_and(|address| self.without.includes(&address));
        match &mut self.proxy {
            Some(proxy) if !without => proxy.call(target),
            _ => ResponseFuture::direct(self.direct.call(target)),
        }
    }
}
