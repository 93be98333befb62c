//! `udp_over_tcp`: whether clients may have their datagrams carried in their streams.

use tower::{filter::FilterLayer, util::Either};
use tower_socks::{
    Refusal, Request,
    layer::{track::OpenTunnel, udp_over_tcp::UdpOverTcpLayer},
    proto::{Address, Command, ReplyCode, UdpOverTcp},
};

/// Takes requests for UDP over TCP for associations, or refuses them.
pub(crate) type Choice = Either<UdpOverTcpLayer, FilterLayer<Refuses>>;

type Refuses = fn(Request) -> Result<Request, Refusal>;

/// What stands right behind authentication at a listener.
pub(crate) fn layer(is_on: bool) -> Choice {
    match is_on {
        true => Either::Left(UdpOverTcpLayer::new()),
        false => Either::Right(FilterLayer::new(refuse)),
    }
}

/// Says that it is off here, whatever the rules have to say about its names.
fn refuse(request: Request) -> Result<Request, Refusal> {
    match UdpOverTcp::of(request.command, &request.target) {
        None => Ok(request),
        Some(_) => Err(off()),
    }
}

/// What the layer makes of a request that `--explain` asks about.
pub(crate) fn association(mut request: Request, protocol: UdpOverTcp) -> Request {
    request.command = Command::UDP_ASSOCIATE;
    request.target = Address::UNSPECIFIED;
    request.extensions.insert(protocol);
    request
}

/// What a list of open tunnels says that one does.
pub(crate) fn command(tunnel: &OpenTunnel) -> String {
    let command = tunnel.command;
    match tunnel.udp_over_tcp {
        Some(_) => format!("{command} over TCP"),
        None => command.to_string(),
    }
}

fn off() -> Refusal {
    let code = ReplyCode::COMMAND_NOT_SUPPORTED;
    Refusal::new(code, "UDP over TCP is off at this listener (udp_over_tcp)")
}
