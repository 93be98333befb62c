use std::{
    ffi::OsString,
    task::{Context, Poll},
};

use tower_service::Service;

use super::{InvalidProxyUrl, NoProxy, ProxyConnector, ProxyUrl, future::ResponseFuture};
use crate::{
    connector::direct::Direct,
    error::BoxError,
    io::BoxStream,
    session::{Connected, Target},
};

/// Holds `ALL_PROXY` and `NO_PROXY`: which proxy to use, and for which targets. See the
/// [module](super).
///
/// `HTTP_PROXY` and `HTTPS_PROXY` are for requests of one scheme each. A connector knows a host and a
/// port and no scheme, so they are not read.
#[derive(Clone, Debug, Default)]
pub struct ProxyEnv {
    proxy: Option<ProxyUrl>,
    without: NoProxy,
}

impl ProxyEnv {
    /// Uses this proxy but for these hosts, or none at all.
    #[must_use]
    pub const fn new(proxy: Option<ProxyUrl>, without: NoProxy) -> Self {
        Self { proxy, without }
    }

    /// Reads the environment of this process: `all_proxy` or `ALL_PROXY`, and `no_proxy` or `NO_PROXY`;
    /// lower case goes first, as for curl. An empty variable counts as unset.
    ///
    /// # Errors
    ///
    /// When the variable is set and is not the URL of a proxy: to connect without it would be a
    /// surprise. Under `NO_PROXY=*` it does not matter.
    pub fn from_env() -> Result<Self, InvalidProxyUrl> {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// Reads the same variables by a function: from a file of settings, or in a test.
    ///
    /// # Errors
    ///
    /// When a value is not UTF-8, and when that of `ALL_PROXY` is not the URL of a proxy. What
    /// `ALL_PROXY` says does not matter under `NO_PROXY=*`.
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
        let without = first(["no_proxy", "NO_PROXY"])?;
        let without = without.map(|(_, list)| list).unwrap_or_default();
        let Ok(without) = without.parse::<NoProxy>();
        let proxy = first(["all_proxy", "ALL_PROXY"]).and_then(|found| {
            let Some((name, url)) = found else {
                return Ok(None);
            };
            let url = url.parse::<ProxyUrl>();
            url.map(Some).map_err(|error| error.of_variable(name))
        });
        match proxy {
            Ok(proxy) => Ok(Self { proxy, without }),
            // No target would go through it.
            Err(_) if without.is_everything() => Ok(Self::new(None, without)),
            Err(error) => Err(error),
        }
    }

    /// Returns the hosts that are reached without the proxy, for
    /// [what was left out](NoProxy::left_out) of them.
    #[must_use]
    pub const fn no_proxy(&self) -> &NoProxy {
        &self.without
    }

    /// Makes a connector that uses the proxy for all targets but those of `NO_PROXY`, which it dials
    /// from this machine.
    #[must_use]
    pub fn connector(&self) -> EnvConnector {
        EnvConnector {
            proxy: self.proxy.as_ref().map(ProxyUrl::connector),
            without: self.without.clone(),
            direct: Direct::new(),
        }
    }
}

/// Connects through a proxy or straight to the target: the connector of [`ProxyEnv`].
#[derive(Clone, Debug)]
pub struct EnvConnector {
    proxy: Option<ProxyConnector>,
    without: NoProxy,
    direct: Direct,
}

impl<T: Target + Sync> Service<T> for EnvConnector {
    type Response = Connected<BoxStream>;
    type Error = BoxError;
    type Future = ResponseFuture<Connected<BoxStream>>;

    // Both connectors are ready at all times.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: T) -> Self::Future {
        // A target that names nothing is an error with either connector.
        let without = target
            .address()
            .is_ok_and(|address| self.without.includes(&address));
        match &mut self.proxy {
            Some(proxy) if !without => proxy.call(target),
            _ => ResponseFuture::direct(self.direct.call(target)),
        }
    }
}
