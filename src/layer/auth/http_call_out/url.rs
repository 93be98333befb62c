//! Where a service is.

use std::{fmt, net::IpAddr};

use http::{Uri, uri::PathAndQuery};
use tokio_rustls::rustls::pki_types::ServerName;

use super::error::InvalidHttpCallOut;

pub(super) struct Url {
    /// As it is in `Host`.
    pub(super) authority: String,
    pub(super) host: String,
    pub(super) port: u16,
    /// What its certificate has to be for; `None` without TLS.
    pub(super) name: Option<ServerName<'static>>,
    pub(super) path: PathAndQuery,
}

impl Url {
    pub(super) fn new(stated: &str) -> Result<Self, InvalidHttpCallOut> {
        let fail = |problem: &str| InvalidHttpCallOut(problem.to_owned());
        let malformed = || fail("the URL is none, such as https://auth.example/login");
        // It may have a password, and is not said.
        let url: Uri = stated.parse().map_err(|_| malformed())?;
        let has_tls = match url.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(malformed()),
        };
        let authority = url.authority().ok_or_else(malformed)?;
        if authority.as_str().contains('@') {
            return Err(fail(
                "the URL has a name or a password, which nobody gets: state a field `authorization`",
            ));
        }
        let host = authority.host();
        let host = host.strip_prefix('[').unwrap_or(host);
        let host = host.strip_suffix(']').unwrap_or(host).to_owned();
        let name = ServerName::try_from(host.clone())
            .map_err(|_| fail("the URL has a host that no certificate can have"))?;
        let path = url.path_and_query().cloned();
        Ok(Self {
            authority: authority.as_str().to_owned(),
            port: authority
                .port_u16()
                .unwrap_or(if has_tls { 443 } else { 80 }),
            name: has_tls.then_some(name),
            host,
            path: path.unwrap_or(PathAndQuery::from_static("/")),
        })
    }

    /// Whether anybody on the path reads what is asked.
    pub(super) fn is_exposed(&self) -> bool {
        let is_here = self.host.eq_ignore_ascii_case("localhost")
            || self
                .host
                .parse()
                .is_ok_and(|address: IpAddr| address.to_canonical().is_loopback());
        self.name.is_none() && !is_here
    }
}

/// Without what is behind the host, which may be a secret.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.name.is_some() { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}
