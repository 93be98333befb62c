//! `upstream_udp`, and `udp` of `[upstreams]`: how datagrams go through an upstream, if they do.

use std::fmt;

use serde::Deserialize;
use tower::{Layer, Service, filter::FilterLayer};
use tower_socks::{
    BoxError, Refusal, Request,
    connector::{
        proxy_url::{ProxyConnector, ProxyUrl},
        upstream::Transport,
    },
    datagram::DatagramTransport,
    proto::{ReplyCode, UdpOverTcp},
};

/// `upstream_udp`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UpstreamUdp {
    /// UDP is refused: nothing goes round the upstream.
    #[default]
    Off,
    /// By UDP ASSOCIATE: datagrams go from here to a port of the proxy's.
    Associate,
    /// In the stream to the proxy.
    UdpOverTcp,
    UdpOverTcpV1,
    FwdUdp,
}

impl UpstreamUdp {
    /// Whether there is UDP.
    pub(crate) fn is_on(self) -> bool {
        self != Self::Off
    }

    /// What carries datagrams to the proxy, if it is the stream.
    const fn protocol(self) -> Option<UdpOverTcp> {
        match self {
            Self::Off | Self::Associate => None,
            Self::UdpOverTcp => Some(UdpOverTcp::V2),
            Self::UdpOverTcpV1 => Some(UdpOverTcp::V1),
            Self::FwdUdp => Some(UdpOverTcp::ForwardUdp),
        }
    }

    /// Whether datagrams can go through a chain like this.
    pub(super) fn check(self, before: &[ProxyUrl], last: &ProxyUrl) -> Result<(), String> {
        let is_command = matches!(self, Self::Associate | Self::FwdUdp);
        if is_command && last.client().is_none() {
            return Err(format!(
                "{self} is a command of SOCKS5, which {last} does not speak: \"udp-over-tcp\" goes through \
                 any proxy that can reach a server of it"
            ));
        }
        if self == Self::Associate && !before.is_empty() {
            return Err(format!(
                "datagrams of {self} go from here to the last proxy, and not through the others: \
                 \"udp-over-tcp\" takes the chain"
            ));
        }
        Ok(())
    }
}

/// As the file has it.
impl fmt::Display for UpstreamUdp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "\"off\"",
            Self::Associate => "\"associate\"",
            Self::UdpOverTcp => "\"udp-over-tcp\"",
            Self::UdpOverTcpV1 => "\"udp-over-tcp-v1\"",
            Self::FwdUdp => "\"fwd-udp\"",
        })
    }
}

/// Opens what datagrams go to a proxy by, or refuses it with 07.
pub(super) fn through<C>(
    mut connector: ProxyConnector<C>,
    udp: UpstreamUdp,
) -> impl Service<
    Request,
    Response = impl DatagramTransport + use<C>,
    Error = BoxError,
    Future = impl Future + Send + use<C>,
> + Clone
+ Send
+ Sync
+ use<C>
where
    C: Transport + Sync,
{
    if let Some(protocol) = udp.protocol() {
        connector = connector.udp_over_tcp(protocol);
    }
    let refuse_if_off = move |request: Request| match udp {
        UpstreamUdp::Off => Err(Refusal::new(
            ReplyCode::COMMAND_NOT_SUPPORTED,
            "UDP through the upstream is off (upstream_udp, or udp in [upstreams])",
        )),
        _ => Ok(request),
    };
    FilterLayer::new(refuse_if_off).layer(connector.into_transports())
}
