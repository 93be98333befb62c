//! Name servers that are asked in place of those of the system.

#[cfg(feature = "tls")]
use std::sync::Arc;
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    config::{NameServerConfig, ResolverConfig, ResolverOpts},
};

use super::resolv_conf::builder;
use crate::error::BoxError;
#[cfg(feature = "tls")]
use crate::tls::{
    ClientSettings,
    rustls::{ClientConfig, pki_types::ServerName},
};

/// Name servers, and how they are asked: what
/// [`HickoryResolver::with_servers`](super::HickoryResolver::with_servers) takes.
///
/// ```
/// use std::time::Duration;
/// use tower_socks::connector::resolve::{HickoryResolver, NameServers};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_socks::BoxError> {
/// let servers = NameServers::new(["192.0.2.53:53".parse()?, "[2001:db8::53]:53".parse()?])
///     .timeout(Duration::from_secs(2))
///     .attempts(3);
/// let resolver = HickoryResolver::with_servers(&servers)?;
/// # let _ = resolver;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct NameServers {
    servers: Vec<Server>,
    timeout: Duration,
    attempts: usize,
    cache: u32,
    local: Vec<IpAddr>,
    #[cfg(feature = "tls")]
    tls: Option<Arc<ClientConfig>>,
}

impl PartialEq for NameServers {
    fn eq(&self, other: &Self) -> bool {
        let fields = |it: &Self| (it.timeout, it.attempts, it.cache);
        #[cfg(feature = "tls")]
        if self.tls.as_ref().map(Arc::as_ptr) != other.tls.as_ref().map(Arc::as_ptr) {
            return false;
        }
        fields(self) == fields(other) && self.servers == other.servers && self.local == other.local
    }
}

impl Eq for NameServers {}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Server {
    Clear(SocketAddr),
    /// By this name, or its address.
    #[cfg(feature = "tls")]
    Tls(SocketAddr, Option<Arc<str>>),
}

impl NameServers {
    /// Asks these in clear, by UDP, and by TCP where an answer is too large: with 5 s for an answer, 2 attempts, and 8,192
    /// answers in the cache.
    pub fn new(servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self {
            servers: servers.into_iter().map(Server::Clear).collect(),
            timeout: Duration::from_secs(5),
            attempts: 2,
            cache: 8_192,
            local: Vec::new(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Asks another server, and that one inside TLS alone (RFC 7858): most have port 853. Its certificate has to be for
    /// `name`, or for its address where there is none.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn and_by_tls(mut self, server: SocketAddr, name: Option<&str>) -> Self {
        self.servers.push(Server::Tls(server, name.map(Arc::from)));
        self
    }

    /// Sets whom to believe that servers [inside TLS](Self::and_by_tls) are who they are, in place of the platform's
    /// authorities: a configuration of [`ClientSettings`], or any other one of rustls.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, config: impl Into<Arc<ClientConfig>>) -> Self {
        self.tls = Some(config.into());
        self
    }

    /// Waits for an answer of one server for so long.
    #[must_use]
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Asks so many times, at least once, before a name has no answer. Whatever this and the
    /// [timeout](Self::timeout) are, a lookup has [15 s](super#shares).
    #[must_use]
    pub const fn attempts(mut self, attempts: usize) -> Self {
        self.attempts = attempts;
        self
    }

    /// Keeps so many answers for as long as they are valid, one day at most; 0 for none.
    #[must_use]
    pub const fn cache(mut self, answers: u32) -> Self {
        self.cache = answers;
        self
    }

    /// Asks from this address of the machine. Call it once for each family; servers of a family without one are
    /// asked from any.
    #[must_use]
    pub fn local_address(mut self, address: IpAddr) -> Self {
        self.local
            .retain(|other| other.is_ipv4() != address.is_ipv4());
        self.local.push(address);
        self
    }

    pub(super) fn resolver(&self) -> Result<TokioResolver, BoxError> {
        if self.servers.is_empty() {
            return Err("there is no name server to ask".into());
        }
        let servers = self.servers.iter().map(|server| {
            let (address, mut config) = server.config()?;
            let mut local = self.local.iter();
            let local = local.find(|local| local.is_ipv4() == address.is_ipv4());
            for connection in &mut config.connections {
                connection.port = address.port();
                connection.bind_addr = local.map(|local| SocketAddr::new(*local, 0));
            }
            Ok(config)
        });
        let servers = servers.collect::<Result<_, BoxError>>()?;
        let mut options = ResolverOpts::default();
        options.timeout = self.timeout;
        options.attempts = self.attempts.max(1);
        options.cache_size = self.cache.into();
        let builder = builder(
            ResolverConfig::from_parts(None, Vec::new(), servers),
            options,
        );
        #[cfg(feature = "tls")]
        let builder = match self.tls_config()? {
            Some(tls) => builder.with_tls_config(tls),
            None => builder,
        };
        Ok(builder.build()?)
    }

    /// What TLS takes, where it is spoken.
    #[cfg(feature = "tls")]
    fn tls_config(&self) -> Result<Option<ClientConfig>, BoxError> {
        let mut servers = self.servers.iter();
        if !servers.any(|server| matches!(server, Server::Tls(..))) {
            return Ok(None);
        }
        let tls = match &self.tls {
            Some(tls) => Arc::clone(tls),
            None => ClientSettings::of_platform()?.build()?,
        };
        Ok(Some(ClientConfig::clone(&tls)))
    }
}

impl Server {
    fn config(&self) -> Result<(SocketAddr, NameServerConfig), BoxError> {
        match self {
            Self::Clear(address) => Ok((*address, NameServerConfig::udp_and_tcp(address.ip()))),
            #[cfg(feature = "tls")]
            Self::Tls(address, name) => {
                let name = name.clone();
                let name = name.unwrap_or_else(|| address.ip().to_string().into());
                // Otherwise each lookup would fail by it.
                if ServerName::try_from(&*name).is_err() {
                    return Err(format!("no certificate of a name server is for {name:?}").into());
                }
                Ok((*address, NameServerConfig::tls(address.ip(), name)))
            }
        }
    }
}
