//! Upstream proxies from URLs and from the environment.
//!
//! [`ProxyUrl`] reads `socks5://`, `socks5h://`, `socks5s://`, `socks4://`, `socks4a://`, `http://` and `https://` URLs, and
//! [`connector`](ProxyUrl::connector) makes a connector of one:
//!
//! | URL | connector | names are resolved |
//! |---|---|---|
//! | `socks5h://joe:secret@proxy.example:1080` | [`Socks5Upstream`](super::upstream::Socks5Upstream) | by the proxy |
//! | `socks5://proxy.example` | the same | here |
//! | `socks5s://proxy.example` | the same, inside TLS | by the proxy |
//! | `https://proxy.example` | [`HttpUpstream`](super::upstream::HttpUpstream), inside TLS | by the proxy |
//! | `socks4a://joe@proxy.example` | [`Socks4Upstream`](super::upstream::Socks4Upstream), with a USERID | by the proxy |
//! | `socks4://192.0.2.1:1080` | the same | here |
//! | `http://[2001:db8::1]:3128` | [`HttpUpstream`](super::upstream::HttpUpstream) | by the proxy |
//!
//! The port is 1080 for SOCKS, 80 for HTTP and 443 for HTTPS where none is given. Names and passwords are
//! percent-encoded, as everywhere in URLs: `#` is written `%23`, `/` `%2F`, `?` `%3F` and `@` `%40`.
//! `socks://` is taken for `socks5h://`, with a debug line. A URL with a path or a query, or of another scheme, is
//! an error that says what to write instead; errors never quote it.
//!
//! **TLS to the proxy** takes the feature `tls`. The proxy has to have a certificate for the host of the URL, a name or
//! an address, by an authority of the platform, whose roots are read once; `ProxyUrl::with_tls` takes other roots, or
//! a certificate of our own. The datagrams of an association at a SOCKS5 proxy go in the clear all the same, unless
//! they travel in the stream ([UDP over TCP](ProxyConnector::udp_over_tcp)).
//!
//! **Datagrams** go by [`ProxyConnector::into_transports`], through proxies of all schemes.
//!
//! [`ProxyEnv`] honours `ALL_PROXY` and `NO_PROXY`, as curl does. Nothing else in this crate reads the
//! environment. What [`NoProxy`] did not understand is in [`NoProxy::left_out`].
//!
//! ```
//! use tower::ServiceExt;
//! use tower_socks::{connector::proxy_url::{NoProxy, ProxyEnv, ProxyUrl}, proto::Address};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! let url: ProxyUrl = "socks5h://joe:p%40ss@proxy.example".parse()?;
//! assert_eq!(url.to_string(), "socks5h://joe:***@proxy.example:1080");
//!
//! let hosts: NoProxy = "localhost, .corp.example, 10.0.0.0/8".parse()?;
//! assert!(hosts.includes(&"www.corp.example:443".parse()?));
//!
//! let target = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let port = target.local_addr()?.port();
//! let connector = ProxyEnv::new(Some(url), hosts).connector();
//! assert!(connector.oneshot(Address::new("localhost", port)?).await.is_ok());
//! # Ok(())
//! # }
//! ```

mod connector;
mod env;
mod future;
mod invalid;
mod kind;
mod no_proxy;
mod resolver;
#[cfg(feature = "tls")]
mod tls;
mod transport;
mod unreachable;
mod url;

pub use self::{
    connector::ProxyConnector,
    env::ProxyEnv,
    invalid::InvalidProxyUrl,
    no_proxy::NoProxy,
    transport::{ProxyTransport, TransportFuture},
    url::ProxyUrl,
};
