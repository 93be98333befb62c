use std::{borrow::Cow, fmt, str::FromStr};

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::{InvalidProxyUrl, ProxyConnector, kind::Kind, transport::ProxyTransport};
use crate::{
    client::{Client, Socks4Client},
    connector::{
        direct::Direct,
        resolve::SystemResolver,
        upstream::{BasicAuth, HttpUpstream, Socks4Upstream, Socks5Upstream, Transport},
    },
    proto::{Address, Credentials},
};

/// Holds the URL of a proxy. See the [module](super).
///
/// `Display` and `Debug` leave out the password.
#[derive(Clone)]
pub struct ProxyUrl {
    kind: Kind,
    proxy: Address,
    login: Option<Login>,
    #[cfg(feature = "tls")]
    tls: super::tls::Tls,
}

#[derive(Clone)]
struct Login {
    /// For display.
    name: String,
    secret: Secret,
}

/// Name and password, in the form in which the proxy gets them.
#[derive(Clone)]
enum Secret {
    Socks(Client),
    Socks4(Socks4Client),
    Http(BasicAuth),
}

impl ProxyUrl {
    /// Returns the proxy's address.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.proxy
    }

    /// Returns whether the proxy gets names as names, and resolves them: all but `socks5` and `socks4`.
    #[must_use]
    pub const fn has_remote_dns(&self) -> bool {
        !matches!(self.kind, Kind::Socks5 | Kind::Socks4)
    }

    /// Makes a client with the URL's credentials; `None` for a proxy of another protocol than SOCKS5. For BIND and
    /// UDP ASSOCIATE, and for settings of your own; it speaks over a stream of [`transport`](Self::transport), and over
    /// any other its password would go without TLS.
    #[must_use]
    pub fn client(&self) -> Option<Client> {
        match (self.kind, &self.login) {
            (Kind::Http | Kind::Https | Kind::Socks4 | Kind::Socks4a, _) => None,
            (
                _,
                Some(Login {
                    secret: Secret::Socks(client),
                    ..
                }),
            ) => Some(client.clone()),
            _ => Some(Client::new()),
        }
    }

    /// Makes a client with the URL's USERID; `None` for a proxy of another protocol than SOCKS4 and SOCKS4a.
    #[must_use]
    pub fn socks4_client(&self) -> Option<Socks4Client> {
        match (self.kind, &self.login) {
            (
                Kind::Socks4 | Kind::Socks4a,
                Some(Login {
                    secret: Secret::Socks4(client),
                    ..
                }),
            ) => Some(client.clone()),
            (Kind::Socks4 | Kind::Socks4a, _) => Some(Socks4Client::new()),
            _ => None,
        }
    }

    /// Returns whether TLS is spoken to the proxy: `https` and `socks5s`.
    #[must_use]
    pub const fn is_in_tls(&self) -> bool {
        self.kind.is_in_tls()
    }

    /// Sets whom to believe that the proxy is who it is, in place of the platform's authorities: a configuration of
    /// [`ClientSettings`](crate::tls::ClientSettings), or any other one of rustls. Of no effect for schemes without TLS.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(
        mut self,
        config: impl Into<std::sync::Arc<crate::tls::rustls::ClientConfig>>,
    ) -> Self {
        self.tls = super::tls::Tls(Some(config.into()));
        self
    }

    /// Makes the transport to the proxy, which is dialled from this machine: inside TLS where the URL says so. For
    /// requests of a [`client`](Self::client), whose stream has to be there first.
    #[must_use]
    pub fn transport(&self) -> ProxyTransport {
        self.transport_via(Direct::new())
    }

    /// Makes the transport to the proxy, which is reached by `transport`.
    #[must_use]
    pub fn transport_via<C: Transport>(&self, transport: C) -> ProxyTransport<C> {
        #[cfg(feature = "tls")]
        if self.is_in_tls() {
            return ProxyTransport::inside(self.tls.clone(), transport);
        }
        ProxyTransport::plain(transport)
    }

    /// Makes a connector through the proxy, which is dialled from this machine.
    #[must_use]
    pub fn connector(&self) -> ProxyConnector {
        self.connector_via(Direct::new())
    }

    /// Makes a connector through the proxy, which is reached by `transport`.
    #[must_use]
    pub fn connector_via<C: Transport>(&self, transport: C) -> ProxyConnector<C> {
        let proxy = self.proxy.clone();
        let transport = self.transport_via(transport);
        let client = || self.client().unwrap_or_default();
        match self.kind {
            Kind::Socks5h | Kind::Socks5s => {
                let upstream = Socks5Upstream::new(proxy).client(client());
                ProxyConnector::socks5h(upstream.via(transport))
            }
            Kind::Socks5 => ProxyConnector::socks5(
                Socks5Upstream::new(proxy)
                    .client(client())
                    .via(transport)
                    .local_dns(SystemResolver::new()),
            ),
            Kind::Socks4 | Kind::Socks4a => {
                let client = self.socks4_client().unwrap_or_default();
                let upstream = Socks4Upstream::new(proxy).client(client).via(transport);
                match self.kind {
                    Kind::Socks4a => ProxyConnector::socks4a(upstream),
                    _ => ProxyConnector::socks4(upstream.local_dns(SystemResolver::new())),
                }
            }
            Kind::Http | Kind::Https => {
                let mut upstream = HttpUpstream::new(proxy).via(transport);
                if let Some(Login {
                    secret: Secret::Http(basic),
                    ..
                }) = &self.login
                {
                    upstream = upstream.credentials(basic.clone());
                }
                ProxyConnector::http(upstream)
            }
        }
    }
}

impl FromStr for ProxyUrl {
    type Err = InvalidProxyUrl;

    fn from_str(text: &str) -> Result<Self, InvalidProxyUrl> {
        let text = text.trim();
        if !text.contains("://") {
            return Err(InvalidProxyUrl::new(
                "there is no scheme in front: write it like socks5h://proxy.example:1080",
            ));
        }
        if text.contains(char::is_control) {
            // The parser drops tabs and line breaks, in passwords too.
            return Err(InvalidProxyUrl::new(
                "there is a control character in it: percent-encode it",
            ));
        }
        if text.contains(":///") {
            // The parser takes what is behind the slashes for the host of some schemes.
            return Err(InvalidProxyUrl::new("there is no host"));
        }
        let url = Url::parse(text).map_err(|error| {
            InvalidProxyUrl::new(match error {
                // The parser takes what is before a `/` in a password for the port.
                url::ParseError::InvalidPort if text.contains('@') => {
                    "the port is no number from 0 to 65535; in a name or a password write # as %23, \
                     / as %2F and ? as %3F"
                }
                url::ParseError::InvalidPort => "the port is no number from 0 to 65535",
                url::ParseError::InvalidIpv6Address if has_zone(text) => {
                    "a link-local address with a zone (%25eth0) cannot be in the URL: give \
                     another address of the proxy, or a name"
                }
                url::ParseError::EmptyHost => "there is no host",
                _ => "it is malformed: write it like socks5h://joe:secret@proxy.example:1080",
            })
        })?;
        let kind = Kind::of(url.scheme())?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidProxyUrl::new(
                "there is something behind the port, which means nothing to a proxy; in a name or a \
                 password write # as %23, / as %2F and ? as %3F",
            ));
        }
        // The parser leaves out a port that is the scheme's own.
        let port = url.port().unwrap_or(kind.port());
        if port == 0 {
            return Err(InvalidProxyUrl::new("nothing can be reached at port 0"));
        }
        let proxy = match url.host() {
            Some(Host::Ipv4(ip)) => Address::Ip((ip, port).into()),
            Some(Host::Ipv6(ip)) => Address::Ip((ip.to_canonical(), port).into()),
            Some(Host::Domain(name)) if !name.is_empty() => {
                let name = decoded(name)?;
                let name = str::from_utf8(&name)
                    .map_err(|_| InvalidProxyUrl::new("the host is not UTF-8"))?;
                // Credentials whose `@` is encoded too are no host, and must not be shown as one.
                let address = Address::new(name, port).ok();
                let address = address.filter(|_| !name.contains(NO_HOST));
                address.ok_or(InvalidProxyUrl::new(
                    "the host is neither a name nor an address",
                ))?
            }
            _ => return Err(InvalidProxyUrl::new("there is no host")),
        };
        let login = match (url.username(), url.password()) {
            ("", None) => None,
            (name, password) => {
                let (name, password) = (decoded(name)?, decoded(password.unwrap_or_default())?);
                Some(Login {
                    secret: secret(kind, &name, &password)?,
                    name: String::from_utf8_lossy(&name).into_owned(),
                })
            }
        };
        Ok(Self {
            kind,
            proxy,
            login,
            #[cfg(feature = "tls")]
            tls: super::tls::Tls::default(),
        })
    }
}

/// Whether the host in brackets has a zone: `[fe80::1%25eth0]`.
fn has_zone(text: &str) -> bool {
    let host = text.rsplit_once('[').map(|(_, host)| host);
    host.and_then(|host| host.split_once(']'))
        .is_some_and(|(host, _)| host.contains('%'))
}

/// Characters that the URL standard forbids in a host, encoded or not.
const NO_HOST: &[char] = &[
    '#', '%', '/', ':', '<', '>', '?', '@', '[', '\\', ']', '^', '|',
];

fn decoded(text: &str) -> Result<Cow<'_, [u8]>, InvalidProxyUrl> {
    let mut escapes = text.split('%').skip(1);
    let is_escape =
        |it: &str| it.len() >= 2 && it.bytes().take(2).all(|octet| octet.is_ascii_hexdigit());
    if !escapes.all(is_escape) {
        return Err(InvalidProxyUrl::new(
            "a percent sign is no escape: write it as %25",
        ));
    }
    Ok(percent_decode_str(text).into())
}

fn secret(kind: Kind, name: &[u8], password: &[u8]) -> Result<Secret, InvalidProxyUrl> {
    match kind {
        // Any octets will do (RFC 1929 section 2).
        Kind::Socks5 | Kind::Socks5h | Kind::Socks5s => Credentials::new(name, password)
            .map(|credentials| Secret::Socks(Client::new().credentials(credentials)))
            .ok_or(InvalidProxyUrl::new(
                "the name or the password is longer than the 255 octets that SOCKS5 has room for",
            )),
        // Nothing proves it.
        Kind::Socks4 | Kind::Socks4a if !password.is_empty() => Err(InvalidProxyUrl::new(
            "SOCKS4 has a USERID and no password: leave the password out",
        )),
        Kind::Socks4 | Kind::Socks4a if name.len() > 255 || name.contains(&0) => {
            Err(InvalidProxyUrl::new(
                "the USERID has a NUL in it, or more than the 255 octets of SOCKS4",
            ))
        }
        Kind::Socks4 | Kind::Socks4a => Ok(Secret::Socks4(Socks4Client::new().user_id(name))),
        Kind::Http | Kind::Https => {
            let (Ok(name), Ok(password)) = (str::from_utf8(name), str::from_utf8(password)) else {
                return Err(InvalidProxyUrl::new(
                    "the name or the password is not UTF-8: HTTP cannot carry that",
                ));
            };
            BasicAuth::new(name, password)
                .map(Secret::Http)
                .ok_or(InvalidProxyUrl::new(
                    "the name has a colon, or there is a control character: HTTP cannot carry that",
                ))
        }
    }
}

/// The password is left out.
impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.kind.scheme())?;
        if let Some(Login { name, .. }) = &self.login {
            // Control sequences must not reach a terminal.
            write!(f, "{}:***@", name.escape_debug())?;
        }
        self.proxy.fmt(f)
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyUrl({self})")
    }
}
