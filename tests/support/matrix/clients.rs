//! Clients of a whole proxy, under the rules of a cell.

use std::net::{IpAddr, SocketAddr};

use tokio::io::AsyncReadExt;
use tower::{Layer, service_fn, util::Either};
use tower_socks::{
    AclLayer, AuthLayer, BoxError, Connector, Credentials, HandshakeLayer, Identity, NoAuth,
    UserPass,
    connector::{
        associate::{Associate, MakeDirect},
        bind::Bind,
        direct::Direct,
        resolve::Resolve,
    },
    proto::Command,
    session::Policy,
};

use super::cells::{Auth, Cell, Stated};
use crate::support::{
    Script,
    udp::{
        Client, address, name,
        policies::{Lookups, hosts},
    },
};

/// The name of every destination, and of the witness.
const TARGET: &str = "target.example";
const WITNESS: &str = "witness.example";

/// A client that is authenticated, and has sent the request of a cell.
pub struct Asking {
    pub client: Client,
    pub lookups: Lookups,
}

/// DST from ATYP on.
pub fn dst(stated: Stated, port: u16) -> Vec<u8> {
    if stated.is_name() {
        name(TARGET, port)
    } else {
        address(SocketAddr::new(stated.ip(), port))
    }
}

/// The same of the witness.
pub fn witness(stated: Stated, at: SocketAddr) -> Vec<u8> {
    if stated.is_name() {
        name(WITNESS, at.port())
    } else {
        address(at)
    }
}

/// A connector with one resolver for everything.
pub fn connector<R: Resolve + Sync>(
    resolver: R,
) -> Connector<Direct<R>, Bind<R>, Associate<MakeDirect<R>>> {
    let paths = MakeDirect::new().resolver(resolver.clone());
    Connector::direct()
        .with_connect(Direct::new().resolver(resolver.clone()))
        .with_bind(Bind::new().resolver(resolver))
        .with_associate(Associate::with_transports(paths))
}

impl Asking {
    pub async fn new(cell: &Cell, policy: impl Policy, dst: &[u8]) -> Self {
        let ip = cell.stated.ip().to_string();
        let (resolver, lookups) = hosts(&[(TARGET, &[&ip]), (WITNESS, &["127.0.0.9"])]);
        let verifier = service_fn(async |credentials: Credentials| {
            Ok::<_, BoxError>(Identity::named(credentials.name()).with_groups(["cellar"]))
        });
        let method = match cell.auth {
            Auth::Nobody => Either::Left(NoAuth),
            Auth::Joe => Either::Right(UserPass::new(verifier)),
        };
        let service = AclLayer::new(policy).layer(connector(resolver));
        let stack = HandshakeLayer::new().layer(AuthLayer::new(method).layer(service));
        let mut client = Client::new(stack).await;
        match cell.auth {
            Auth::Nobody => {
                client.io.say(b"\x05\x01\x00").await;
                client.io.hear(b"\x05\x00").await;
            }
            Auth::Joe => {
                client.io.say(b"\x05\x02\x00\x02").await;
                client.io.hear(b"\x05\x02").await;
                client.io.say(b"\x01\x03joe\x06secret").await;
                client.io.hear(b"\x01\x00").await;
            }
        }
        let request = [&[5, code(cell.command), 0], dst].concat();
        client.io.say(&request).await;
        Self { client, lookups }
    }

    /// REP and BND of the next reply.
    pub async fn reply(&mut self) -> (u8, SocketAddr) {
        let io = &mut self.client.io;
        assert_eq!(io.read_u8().await.unwrap(), 5);
        let reply = io.read_u8().await.unwrap();
        assert_eq!(io.read_u8().await.unwrap(), 0);
        let ip: IpAddr = match io.read_u8().await.unwrap() {
            1 => IpAddr::from(io.read_u32().await.unwrap().to_be_bytes()),
            4 => IpAddr::from(io.read_u128().await.unwrap().to_be_bytes()),
            other => panic!("ATYP {other} in a reply"),
        };
        (reply, SocketAddr::new(ip, io.read_u16().await.unwrap()))
    }

    /// 02, and nothing after it.
    pub async fn refused(&mut self) {
        assert_eq!(self.reply().await.0, 2);
        self.client.io.hear_end().await;
    }
}

fn code(command: Command) -> u8 {
    match command {
        Command::CONNECT => 1,
        Command::BIND => 2,
        _ => 3,
    }
}
