//! Tunnels that a swapped policy closes, and those that it does not.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};
use tower::ServiceBuilder;
use tower_socks::{
    AclLayer, Connector, Rules,
    connector::{
        associate::{Associate, MakeDirect},
        bind::Bind,
        direct::Direct,
    },
    error::{Fault, Step},
    layer::acl::{SwapPolicy, recheck::RecheckLayer},
    session::Policy,
};

use crate::support::{
    Script,
    udp::{
        BIND, Client, ClientScript, address,
        association::{Association, assert_silent, socket},
        binding::{assert_refused, connects, dst},
        connect_from, name,
        policies::hosts,
        stack, within,
    },
};

const CONNECT: u8 = 1;

fn rules(text: &str) -> Rules {
    toml::from_str(text).unwrap()
}

/// Everything is allowed but what a rule says.
fn denying(condition: &str) -> Rules {
    rules(&format!(
        "default = \"allow\"\nallow_private = true\n\
         rules = [{{ action = \"deny\", name = \"closed\", {condition} }}]"
    ))
}

/// Everything is allowed.
fn anything() -> Rules {
    rules("default = \"allow\"\nallow_private = true")
}

/// A client whose tunnel will be watched, for which `one.example` is 127.0.0.1 and `two.example`
/// 127.0.0.2.
async fn watched(policy: &SwapPolicy<impl Policy>) -> Client {
    let one: &[&str] = &["127.0.0.1"];
    let (resolver, _) = hosts(&[("one.example", one), ("two.example", &["127.0.0.2"])]);
    let paths = MakeDirect::new().resolver(resolver.clone());
    let connector = Connector::direct()
        .with_connect(Direct::new().resolver(resolver.clone()))
        .with_bind(Bind::new().resolver(resolver))
        .with_associate(Associate::with_transports(paths));
    let service = ServiceBuilder::new()
        .timeout(Duration::from_secs(20))
        .layer(RecheckLayer::new(policy.clone()))
        .layer(AclLayer::new(policy.clone()))
        .service(connector);
    Client::new(stack(service)).await
}

/// The same right behind its request.
async fn asks(policy: &SwapPolicy<impl Policy>, command: u8, dst: &[u8]) -> Client {
    let mut client = watched(policy).await;
    client.io.request(command, dst).await;
    client
}

/// A client with its tunnel, and the target's end of it.
async fn connected(policy: &SwapPolicy<impl Policy>, target: &TcpListener, dst: &[u8]) -> Tunnel {
    let mut client = asks(policy, CONNECT, dst).await;
    let (far, peer) = target.accept().await.unwrap();
    assert_eq!(client.io.bound().await, peer);
    Tunnel { client, far }
}

/// Both ends of a tunnel.
struct Tunnel {
    client: Client,
    far: TcpStream,
}

impl Tunnel {
    async fn lives(&mut self) {
        self.client.io.say(b"up").await;
        self.far.hear(b"up").await;
        self.far.say(b"down").await;
        self.client.io.hear(b"down").await;
    }

    async fn ends(mut self) {
        assert_gone(&mut self.client.io).await;
        assert_gone(&mut self.far).await;
        assert_refusal(self.client, "closed").await;
    }
}

/// The other end is closed.
async fn assert_gone(stream: &mut TcpStream) {
    match stream.read(&mut [0; 1]).await {
        Ok(read) => assert_eq!(read, 0),
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
    }
}

/// The session says that it is closed, and by which rule.
async fn assert_refusal(mut client: Client, rule: &str) {
    let error = client.outcome().await.unwrap_err();
    assert_eq!((error.step(), error.fault()), (Step::Relay, Fault::Refused));
    let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
    let source: Vec<_> = causes.map(ToString::to_string).collect();
    let source = source.join(": ");
    assert!(source.contains(rule), "{source}");
}

/// A client of BIND, and where its peer has to go.
async fn waiting(policy: &SwapPolicy<Rules>, dst: &[u8]) -> (Client, SocketAddr) {
    let mut client = asks(policy, BIND, dst).await;
    let bound = client.io.bound().await;
    (client, bound)
}

async fn associated(policy: &SwapPolicy<Rules>) -> Association {
    Association::of(watched(policy).await).await
}

async fn listener(ip: &str) -> (TcpListener, u16) {
    let listener = TcpListener::bind((ip, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn literal(ip: &str, port: u16) -> Vec<u8> {
    address(SocketAddr::new(ip.parse().unwrap(), port))
}

fn change(policy: &SwapPolicy<Rules>, rules: Rules) {
    policy.swap(rules);
    policy.recheck();
}

#[tokio::test]
async fn connections_are_closed_by_request_or_by_the_address_that_they_reached() {
    within(async {
        let policy = SwapPolicy::new(anything());
        let ((one, port_one), (two, port_two)) =
            (listener("127.0.0.1").await, listener("127.0.0.2").await);
        // A rule, and which of the tunnels it closes.
        for (rule, closed) in [
            ("to = '127.0.0.1'".to_owned(), [true, true, false, false]),
            (
                "to = ['127.0.0.2', '127.0.0.3']".into(),
                [false, false, true, true],
            ),
            ("to = 'one.example'".into(), [false, true, false, false]),
            ("to = '*.example'".into(), [false, true, false, true]),
            (format!("port = {port_two}"), [false, false, true, true]),
            ("command = 'connect'".into(), [true; 4]),
            ("client = '127.0.0.0/8'".into(), [true; 4]),
            ("command = ['bind', 'udp']".into(), [false; 4]),
            ("client = '127.0.0.9'".into(), [false; 4]),
        ] {
            let tunnels = [
                connected(&policy, &one, &literal("127.0.0.1", port_one)).await,
                connected(&policy, &one, &name("one.example", port_one)).await,
                connected(&policy, &two, &literal("127.0.0.2", port_two)).await,
                connected(&policy, &two, &name("two.example", port_two)).await,
            ];
            change(&policy, denying(&rule));
            for (mut tunnel, closed) in tunnels.into_iter().zip(closed) {
                if closed {
                    tunnel.ends().await;
                } else {
                    tunnel.lives().await;
                    // In the end it is a tunnel like any other.
                    drop(tunnel.far);
                    tunnel.client.lingering_close().await.unwrap();
                }
            }
            policy.swap(anything());
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_is_closed_by_a_swap_or_a_recheck_alone() {
    within(async {
        let policy = SwapPolicy::new(anything());
        let (target, port) = listener("127.0.0.1").await;
        let mut tunnel = connected(&policy, &target, &literal("127.0.0.1", port)).await;
        policy.recheck();
        tunnel.lives().await;
        policy.swap(denying("command = 'connect'"));
        tunnel.lives().await;
        // What is asked is the policy at the time of the call.
        change(&policy, anything());
        tunnel.lives().await;
        policy.recheck();
        policy.recheck();
        tunnel.lives().await;
        change(&policy, denying("command = 'connect'"));
        tunnel.ends().await;
    })
    .await;
}

#[tokio::test]
async fn a_bind_that_waits_is_closed() {
    within(async {
        let policy = SwapPolicy::new(anything());
        let (one, at_one) = waiting(&policy, &dst("127.0.0.1")).await;
        let (mut two, at_two) = waiting(&policy, &dst("127.0.0.2")).await;
        let (mut anyone, at_anyone) = waiting(&policy, &dst("0.0.0.0")).await;
        change(&policy, denying("to = '127.0.0.1'"));
        assert_refusal(one, "closed").await;
        assert_refused(at_one).await;
        let peer = connect_from("127.0.0.2", at_two).await.unwrap();
        connects(&mut two, peer).await;
        let peer = connect_from("127.0.0.3", at_anyone).await.unwrap();
        connects(&mut anyone, peer).await;
    })
    .await;
}

#[tokio::test]
async fn a_bind_is_closed_by_the_address_of_its_peer() {
    within(async {
        let policy = SwapPolicy::new(anything());
        let mut binds = Vec::new();
        for (dst, peer) in [
            (dst("0.0.0.0"), "127.0.0.2"),
            (name("two.example", 20), "127.0.0.2"),
            (dst("127.0.0.2"), "127.0.0.2"),
            (dst("0.0.0.0"), "127.0.0.3"),
            (name("one.example", 20), "127.0.0.1"),
        ] {
            let (mut client, bound) = waiting(&policy, &dst).await;
            let far = connect_from(peer, bound).await.unwrap();
            let address = far.local_addr().unwrap();
            assert_eq!(client.io.bound().await, address);
            binds.push((peer, Tunnel { client, far }));
        }
        change(&policy, denying("to = '127.0.0.2'"));
        for (peer, mut tunnel) in binds {
            match peer {
                "127.0.0.2" => tunnel.ends().await,
                _ => tunnel.lives().await,
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_association_is_closed_as_a_whole_or_not_at_all() {
    within(async {
        let policy = SwapPolicy::new(anything());
        let (one, two) = (socket("127.0.0.1").await, socket("127.0.0.2").await);
        let association = associated(&policy).await;
        association.echo(&one, b"one").await;
        // A destination that is forbidden costs its datagrams.
        change(&policy, denying("to = '127.0.0.1'"));
        association.say(&one, b"lost").await;
        association.echo(&two, b"two").await;
        assert_silent(&one);
        assert!(!association.control.is_over());
        for rule in ["command = 'udp'", "client = '127.0.0.1'"] {
            policy.swap(anything());
            let mut association = associated(&policy).await;
            association.echo(&one, b"one").await;
            change(&policy, denying(rule));
            assert_gone(&mut association.control.io).await;
            assert_refusal(association.control, "closed").await;
            association.udp.connect(association.relay).await.unwrap();
            // The relay's socket is gone, so that the system says so.
            association.udp.send(b"anybody there?").await.unwrap();
            let error = association.udp.recv(&mut [0; 1]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        }
    })
    .await;
}
