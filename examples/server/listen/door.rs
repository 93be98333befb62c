//! A listener with all of its settings: what the file says of it, and for the rest what the top level says.

use std::{
    error::Error,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tower_socks::{
    BoxError, layer::proxy_protocol::ProxyProtocolLayer, session::Protocol,
    tls::rustls::ServerConfig,
};

use super::{Listener, Place, Protocols, ProxyProtocol, Tls, own::Own, stated::Mode};
use crate::{certificates::Certificates, network::Network};

/// What listeners have that do not say otherwise.
#[derive(Clone, Debug, Default)]
pub(crate) struct TopLevel {
    pub(crate) protocols: Protocols,
    pub(crate) tls: Option<Tls>,
    pub(crate) proxy_protocol: Option<ProxyProtocol>,
    pub(crate) udp_over_tcp: bool,
    pub(crate) network: Network,
}

/// A listener, as it serves.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) place: Place,
    pub(super) mode: Mode,
    pub(crate) protocols: Protocols,
    pub(crate) tls: Option<Tls>,
    pub(crate) headers: Option<Headers>,
    /// Whether clients may have datagrams carried in their streams.
    pub(crate) udp_over_tcp: bool,
    pub(crate) network: Network,
}

/// From whom headers of the PROXY protocol are read.
#[derive(Clone, Debug)]
pub(crate) enum Headers {
    /// Those of some networks.
    From(ProxyProtocol),
    /// Everybody who may connect to a Unix socket.
    All,
}

impl Headers {
    pub(crate) fn layer(&self, deadline: Duration) -> ProxyProtocolLayer {
        let layer = match self {
            Self::From(stated) => {
                let networks = stated.from.0.iter().copied();
                ProxyProtocolLayer::trusting(networks).untrusted(stated.untrusted())
            }
            Self::All => ProxyProtocolLayer::trusting([]).trusting_unix_sockets(true),
        };
        layer.deadline(deadline)
    }
}

impl fmt::Display for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From(stated) => stated.from.fmt(f),
            Self::All => f.write_str("everybody who connects"),
        }
    }
}

impl Door {
    pub(super) fn new(listener: &Listener, place: Place, top: &TopLevel) -> Result<Self, String> {
        let within = |field: &'static str| {
            let place = place.to_string();
            move |problem: String| format!("listener at {place}, {field}: {problem}")
        };
        let is_unix = place.path().is_some();
        // A Unix socket is behind something that has unwrapped what came: it has what it states, and no more.
        let inherited = (!is_unix).then_some(top);
        let top_tls = match &listener.tls {
            None => inherited.and_then(|top| top.tls.as_ref()),
            Some(_) => top.tls.as_ref(),
        };
        let tls = Own::resolve(listener.tls.as_ref(), top_tls, "tls").map_err(within("tls"))?;
        if let Some(tls) = &tls {
            tls.check().map_err(within("tls"))?;
        }
        let headers = match (&listener.proxy_protocol, is_unix) {
            (Some(Own::Switched(true)), true) => Some(Headers::All),
            (Some(Own::Stated(_)), true) => {
                let problem = "nobody comes to a Unix socket from a network: write `true`, and everybody who may \
                               connect has to send a header";
                return Err(within("proxy_protocol")(problem.into()));
            }
            (None | Some(Own::Switched(false)), true) => None,
            (own, false) => {
                let top = top.proxy_protocol.as_ref();
                let own = Own::resolve(own.as_ref(), top, "proxy_protocol");
                own.map_err(within("proxy_protocol"))?.map(Headers::From)
            }
        };
        Ok(Self {
            place,
            mode: listener.mode,
            protocols: listener.protocols.unwrap_or(top.protocols),
            tls,
            headers,
            udp_over_tcp: listener.udp_over_tcp.unwrap_or(top.udp_over_tcp),
            network: listener.network.over(&top.network),
        })
    }

    /// Reads its certificates. Blocks.
    pub(crate) fn load_tls(&self) -> Result<Option<(Arc<ServerConfig>, Certificates)>, BoxError> {
        let loaded = self.tls.as_ref().map(Tls::load).transpose();
        loaded.map_err(|problem| format!("listener at {self}, tls: {}", Chain(&*problem)).into())
    }

    /// Whether no client can say who it is: neither by a password nor by a certificate.
    pub(crate) fn has_no_passwords(&self) -> bool {
        let has_passwords =
            [Protocol::Socks5, Protocol::Http].map(|it| self.protocols.contains(it));
        let is_named = self.tls.as_ref().is_some_and(Tls::identifies);
        !has_passwords.contains(&true) && !is_named
    }

    /// Whether others than the users of this machine can get here without a certificate. Behind a load balancer they
    /// are clients of anywhere.
    pub(crate) fn is_exposed(&self) -> bool {
        let address = self.place.address();
        let is_far = address.is_some_and(|address| !address.ip().to_canonical().is_loopback());
        let is_closed = self.tls.as_ref().is_some_and(Tls::requires_certificates);
        (is_far || self.headers.is_some()) && !is_closed
    }

    /// Whether every program of this machine, at the least, can get here without a certificate. Who may connect to a Unix
    /// socket is a matter of its permissions.
    pub(crate) fn takes_anybody(&self) -> bool {
        let is_closed = self.tls.as_ref().is_some_and(Tls::requires_certificates);
        self.place.path().is_none() && !is_closed
    }

    /// Where this server, if it connects to itself, is one that may send headers.
    pub(crate) fn trusts_itself_at(&self) -> Option<SocketAddr> {
        let Some(Headers::From(stated)) = &self.headers else {
            return None;
        };
        let address = reachable(self.place.address()?);
        stated.trusts(address.ip()).then_some(address)
    }
}

impl Door {
    /// What it takes, for people.
    pub(crate) fn describe(&self) -> String {
        let tls = match &self.tls {
            Some(tls) => format!(", over TLS{}", tls.clients()),
            None => ", in clear".to_owned(),
        };
        let headers = match &self.headers {
            Some(headers) => format!(", behind PROXY headers from {headers}"),
            None => String::new(),
        };
        let carried = match self.udp_over_tcp {
            true => ", with UDP over TCP",
            false => "",
        };
        format!("{self}: {}{carried}{tls}{headers}", self.protocols)
    }

    /// A command that reaches it, if there is one that needs nothing but a password, where clients have one.
    pub(crate) fn curl(&self, has_users: bool) -> Option<String> {
        let has_certificates = self.tls.as_ref().is_some_and(Tls::requires_certificates);
        if self.headers.is_some() || has_certificates {
            return None;
        }
        let takes = |protocol| self.protocols.contains(protocol);
        let (scheme, more) = match &self.tls {
            Some(tls) => {
                let more = format!(" --proxy-cacert {}", tls.certificate.display());
                takes(Protocol::Http).then_some(("https", more))?
            }
            None if takes(Protocol::Socks5) => ("socks5h", String::new()),
            None if takes(Protocol::Http) => ("http", String::new()),
            None => ("socks4a", String::new()),
        };
        // curl asks for the password.
        let user = if has_users { " --proxy-user NAME" } else { "" };
        let place = match &self.place {
            Place::Tcp(address) => {
                let address = reachable(*address);
                match &self.tls {
                    // The address is hardly ever in the certificate.
                    Some(tls) => format!("{}:{}", tls.name()?, address.port()),
                    None => address.to_string(),
                }
            }
            Place::Unix(path) if path.is_absolute() && scheme.starts_with("socks") => {
                format!("localhost{}", path.display())
            }
            Place::Unix(_) => return None,
        };
        Some(format!(
            "curl --proxy {scheme}://{place}{more}{user} http://example.com/"
        ))
    }
}

/// An address of this machine, where all of them are listened on.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}

/// The place alone.
impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

/// An error with what is behind it.
struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
