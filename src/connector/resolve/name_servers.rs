//! Name servers that are asked in place of those of the system.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    config::{NameServerConfig, ResolverConfig, ResolverOpts},
};

use super::resolv_conf::built;
use crate::error::BoxError;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameServers {
    servers: Vec<SocketAddr>,
    timeout: Duration,
    attempts: usize,
    cache: u32,
    local: Vec<IpAddr>,
}

impl NameServers {
    /// Asks these by UDP, and by TCP where an answer is too large: with 5 s for an answer, 2 attempts, and 8,192
    /// answers in the cache.
    pub fn new(servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self {
            servers: servers.into_iter().collect(),
            timeout: Duration::from_secs(5),
            attempts: 2,
            cache: 8_192,
            local: Vec::new(),
        }
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
            let mut config = NameServerConfig::udp_and_tcp(server.ip());
            let mut local = self.local.iter();
            let local = local.find(|local| local.is_ipv4() == server.is_ipv4());
            for connection in &mut config.connections {
                connection.port = server.port();
                connection.bind_addr = local.map(|local| SocketAddr::new(*local, 0));
            }
            config
        });
        let mut options = ResolverOpts::default();
        options.timeout = self.timeout;
        options.attempts = self.attempts.max(1);
        options.cache_size = self.cache.into();
        built(
            ResolverConfig::from_name_servers(servers.collect()),
            options,
        )
    }
}
