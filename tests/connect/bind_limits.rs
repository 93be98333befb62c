//! BINDs of a user or client are bounded, and so is the search for their ports.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tower::{Service, ServiceExt, service_fn};
use tower_socks::{
    BoxError, Connector, Identity, Refusal, Request, Tunnel,
    connector::{bind::Bind, upstream::Socks5Upstream},
    proto::{Address, Command, ReplyCode},
};

use crate::support::{
    Script, failure,
    udp::{
        BIND, Client, ClientScript,
        binding::{connect_at_once, connects, dst},
        quiet_port, stack, within,
    },
};

/// A client right behind its request for a peer at 127.0.0.1.
async fn asked<S>(from: &str, service: S) -> Client
where
    S: Service<Request, Response: Tunnel, Error = BoxError, Future: Send> + Clone + Send + 'static,
{
    let mut client = Client::on("127.0.0.1:0", "127.0.0.1", from, stack(service)).await;
    client.io.request(BIND, &dst("127.0.0.1")).await;
    client
}

#[tokio::test]
async fn binds_of_a_client_are_bounded() {
    within(async {
        let connector = Connector::direct().with_bind(Bind::new().per_client(2));
        let mut first = asked("127.0.0.1", connector.clone()).await;
        let mut second = asked("127.0.0.1", connector.clone()).await;
        let bound = first.io.bound().await;
        second.io.bound().await;
        let refused = |connector| async {
            let mut third = asked("127.0.0.1", connector).await;
            third.io.hear(&failure(2)).await;
            third.io.hear_end().await;
        };
        refused(connector.clone()).await;
        // Another client has places of its own.
        let mut other = asked("127.0.0.2", connector.clone()).await;
        other.io.bound().await;
        // A peer that is there takes no place from anybody, nor gives one back before its end.
        connects(&mut first, connect_at_once(bound)).await;
        refused(connector.clone()).await;
        first.lingering_close().await.unwrap();
        let mut third = asked("127.0.0.1", connector.clone()).await;
        third.io.bound().await;
        refused(connector.clone()).await;
        // And a client that is gone before the peer came.
        _ = second.lingering_close().await;
        let mut fourth = asked("127.0.0.1", connector).await;
        fourth.io.bound().await;
    })
    .await;
}

/// A request of a user at this address.
fn request(command: Command, user: Option<&str>, from: &str) -> Request {
    let mut request = Request::new(command, "127.0.0.1:20".parse().unwrap());
    if let Some(user) = user {
        request.identity = Identity::named(user);
    }
    request.peer = SocketAddr::new(from.parse().unwrap(), 4000);
    request.local = ([127, 0, 0, 1], 1080).into();
    request
}

async fn code<S, T>(service: &S, request: Request) -> Result<T, ReplyCode>
where
    S: Service<Request, Response = T, Error = BoxError> + Clone,
{
    let outcome = service.clone().oneshot(request).await;
    outcome.map_err(|error| {
        let refusal: &Refusal = error.downcast_ref().unwrap();
        refusal.code()
    })
}

#[tokio::test]
async fn binds_are_counted_by_user_or_else_by_the_network_of_the_client() {
    within(async {
        let bind = Bind::new().per_client(1);
        let ask = |user, from: &'static str| code(&bind, request(Command::BIND, user, from));
        let _joes = ask(Some("joe"), "192.0.2.1").await.unwrap();
        // From wherever he comes, and jane is not joe.
        assert!(ask(Some("joe"), "198.51.100.1").await.is_err());
        let _janes = ask(Some("jane"), "192.0.2.1").await.unwrap();
        let _nobodys = ask(None, "192.0.2.1").await.unwrap();
        assert!(ask(None, "192.0.2.1").await.is_err());
        // A /64 is one client.
        let _v6 = ask(None, "2001:db8::1").await.unwrap();
        let error = ask(None, "2001:db8::2:3").await.unwrap_err();
        assert_eq!(error, ReplyCode::NOT_ALLOWED);
        let _other = ask(None, "2001:db8:0:1::1").await.unwrap();
        // A client on a Unix socket.
        let _here = ask(None, "0.0.0.0").await.unwrap();
        assert!(ask(None, "0.0.0.0").await.is_err());
    })
    .await;
}

#[tokio::test]
async fn binds_by_an_upstream_are_bounded_likewise() {
    within(async {
        let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = proxy.local_addr().unwrap();
        tokio::spawn(async move {
            let mut open = Vec::new();
            loop {
                let (mut io, _) = proxy.accept().await.unwrap();
                io.hear(b"\x05\x01\x00").await;
                io.say(b"\x05\x00").await;
                io.hear(b"\x05\x02\x00\x01\x7f\0\0\x01\0\x14").await;
                io.say(b"\x05\x00\x00\x01\x7f\0\0\x01\x04\xd2").await;
                open.push(io);
            }
        });
        let bind = Socks5Upstream::new(address).into_bind().per_client(1);
        let ask = |user| code(&bind, request(Command::BIND, user, "192.0.2.1"));
        let joes = ask(Some("joe")).await.unwrap();
        assert_eq!(ask(Some("joe")).await.err(), Some(ReplyCode::NOT_ALLOWED));
        let _janes = ask(Some("jane")).await.unwrap();
        drop(joes);
        ask(Some("joe")).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_bind_that_fails_takes_no_place() {
    within(async {
        let never = service_fn(|_| async { Err::<Vec<std::net::IpAddr>, BoxError>("no".into()) });
        let bind = Bind::new().resolver(never).per_client(1);
        for _ in 0..2 {
            let mut request = request(Command::BIND, None, "192.0.2.1");
            request.target = Address::new("nowhere.example", 20).unwrap();
            assert!(bind.clone().oneshot(request).await.is_err());
        }
        let right = request(Command::BIND, None, "192.0.2.1");
        bind.clone().oneshot(right).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn each_port_of_a_range_is_used_and_none_is_used_twice() {
    within(async {
        // Around the limits of what is looked at in one step.
        for count in [1_u16, 3, 64, 65, 130] {
            let first = quiet_ports(count);
            let bind = Bind::new()
                .ports(first..=first + (count - 1))
                .per_client(1000);
            let ask = || code(&bind, request(Command::BIND, None, "192.0.2.1"));
            for _ in 0..3 {
                let mut open = Vec::new();
                let mut ports = Vec::new();
                for _ in 0..count {
                    let tunnel = ask().await.unwrap();
                    ports.push(tunnel.bound().port());
                    open.push(tunnel);
                }
                ports.sort_unstable();
                assert_eq!(ports, (first..first + count).collect::<Vec<_>>());
                assert_eq!(ask().await.err(), Some(ReplyCode::GENERAL_FAILURE));
                // The one that is free again is the next.
                let freed = open.remove(open.len() / 2).bound();
                assert_eq!(ask().await.unwrap().bound(), freed);
            }
        }
    })
    .await;
}

/// The first of so many ports in a row that nobody has.
fn quiet_ports(count: u16) -> u16 {
    for _ in 0..1000 {
        let first = quiet_port();
        let range = first..first + count;
        if range
            .map(|port| std::net::TcpListener::bind(("127.0.0.1", port)))
            .all(|listener| listener.is_ok())
        {
            return first;
        }
    }
    panic!("no free ports");
}

#[tokio::test]
async fn ports_that_others_have_are_passed_over() {
    within(async {
        let first = quiet_ports(4);
        let others: Vec<_> = (first..first + 3)
            .map(|port| std::net::TcpListener::bind(("127.0.0.1", port)).unwrap())
            .collect();
        let bind = Bind::new().ports(first..=first + 3);
        let ask = || code(&bind, request(Command::BIND, None, "192.0.2.1"));
        let tunnel = ask().await.unwrap();
        assert_eq!(tunnel.bound().port(), first + 3);
        assert_eq!(ask().await.err(), Some(ReplyCode::GENERAL_FAILURE));
        drop(others);
        ask().await.unwrap();
        let address = tunnel.bound().ip().unwrap();
        TcpStream::connect(address).await.unwrap();
    })
    .await;
}
