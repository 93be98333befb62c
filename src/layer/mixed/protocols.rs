//! Which protocols are served.

use std::time::Duration;

#[cfg(feature = "http-server")]
use crate::layer::http::HttpLayer;
use crate::{
    layer::{handshake::HandshakeLayer, socks4::Socks4Layer},
    session::Protocol,
};

/// How long a client has where no protocol is served, and it is refused in any case.
const NOTHING_SERVED: Duration = Duration::from_secs(10);

/// The settings of those that are served.
#[derive(Clone, Debug, Default)]
pub(super) struct Protocols {
    pub(super) socks5: Option<HandshakeLayer>,
    pub(super) socks4: Option<Socks4Layer>,
    #[cfg(feature = "http-server")]
    pub(super) http: Option<HttpLayer>,
}

impl Protocols {
    pub(super) const fn none() -> Self {
        Self {
            socks5: None,
            socks4: None,
            #[cfg(feature = "http-server")]
            http: None,
        }
    }

    /// Returns each that is served, with its deadline.
    fn deadlines(&self) -> impl Iterator<Item = (Protocol, Duration)> {
        let socks5 = self.socks5.as_ref().map(|it| it.config().deadline());
        let socks4 = self.socks4.as_ref().map(|it| it.config().deadline());
        #[cfg(feature = "http-server")]
        let http = self.http.as_ref().map(|it| it.config().deadline());
        #[cfg(not(feature = "http-server"))]
        let http: Option<Duration> = None;
        let deadlines = [
            (Protocol::Socks5, socks5),
            (Protocol::Socks4, socks4),
            (Protocol::Http, http),
        ];
        let served = deadlines.into_iter();
        served.filter_map(|(protocol, deadline)| Some((protocol, deadline?)))
    }

    pub(super) fn served(&self) -> impl Iterator<Item = Protocol> {
        self.deadlines().map(|(protocol, _)| protocol)
    }

    /// Returns the longest deadline: which protocol a client speaks is not known before it speaks.
    pub(super) fn longest(&self) -> Duration {
        let longest = self.deadlines().map(|(_, deadline)| deadline).max();
        longest.unwrap_or(NOTHING_SERVED)
    }
}
