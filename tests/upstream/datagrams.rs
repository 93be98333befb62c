//! Datagrams by another proxy, as they look on the wire there.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream, UdpSocket},
};
use tower::ServiceBuilder;
use tower_socks::{
    AclLayer, Client, Connector, NoAuth, Refusal, Request,
    client::ProxySocket,
    connector::upstream::Socks5Upstream,
    layer::search_domain::SearchDomainLayer,
    proto::{Address, Command, DomainName},
    session::Policy,
};

use crate::support::{
    HELLO, HELLO_OK, Script, proxy, stack, success,
    upstream::{Asked, Diary, asks},
    within,
};

/// A proxy by hand, and an association through it.
struct Scene {
    /// Of a client of ours at our server.
    socket: ProxySocket<TcpStream>,
    /// Where the server's datagrams go.
    relay: UdpSocket,
    /// The server's control connection.
    control: TcpStream,
}

async fn scene(policy: impl Policy) -> Scene {
    scene_below(None, policy).await
}

async fn scene_below(search: Option<SearchDomainLayer>, policy: impl Policy) -> Scene {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let relay = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let upstream = Socks5Upstream::new(listener.local_addr().unwrap());
    let connector = ServiceBuilder::new()
        .option_layer(search)
        .layer(AclLayer::new(policy))
        .service(Connector::upstream(upstream));
    let server = proxy(stack(NoAuth, connector)).await;
    let stream = TcpStream::connect(server).await.unwrap();
    let client = Client::new();
    let (socket, control) = tokio::join!(client.associate(stream), async {
        let (mut control, _) = listener.accept().await.unwrap();
        control.hear(HELLO).await;
        control.say(HELLO_OK).await;
        control
            .hear(&asks(Command::UDP_ASSOCIATE, "0.0.0.0:0"))
            .await;
        // A wildcard: where the proxy was reached.
        let port = relay.local_addr().unwrap().port();
        let bound = SocketAddr::from(([0, 0, 0, 0], port));
        control.say(&success(bound)).await;
        control
    });
    Scene {
        socket: socket.unwrap(),
        relay,
        control,
    }
}

impl Scene {
    async fn send(&mut self, target: &Address, payload: &[u8]) {
        self.socket.send_to(payload, target).await.unwrap();
    }

    /// The next datagram at the proxy's relay, header and all.
    async fn relayed(&self) -> (Vec<u8>, SocketAddr) {
        let mut room = [0; 2048];
        let (len, source) = self.relay.recv_from(&mut room).await.unwrap();
        (room[..len].to_vec(), source)
    }
}

fn name(name: &str, port: u16) -> Address {
    Address::new(name, port).unwrap()
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

#[tokio::test]
async fn datagrams_go_and_come_as_they_are() {
    within(async {
        let mut scene = scene(Diary::default()).await;
        scene.send(&address("192.0.2.1:53"), b"one").await;
        let (datagram, server) = scene.relayed().await;
        assert_eq!(datagram, b"\0\0\0\x01\xc0\x00\x02\x01\x00\x35one");
        scene.send(&name("a.example", 53), b"").await;
        assert_eq!(scene.relayed().await.0, b"\0\0\0\x03\x09a.example\x00\x35");

        scene
            .relay
            .send_to(b"\0\0\0\x01\xc0\x00\x02\x01\x00\x35two", server)
            .await
            .unwrap();
        let mut room = [0; 64];
        let (len, source) = scene.socket.recv_from(&mut room).await.unwrap();
        assert_eq!(
            (&room[..len], source),
            (&b"two"[..], address("192.0.2.1:53"))
        );
    })
    .await;
}

/// The upstream would send it back here, as a datagram of its own.
#[tokio::test]
async fn nothing_goes_to_a_relay_of_ours() {
    within(async {
        let mut scene = scene(Diary::default()).await;
        let relay = scene.socket.relay_addr().unwrap();
        let port = relay.port();
        scene.send(&Address::Ip(relay), b"loop").await;
        scene.send(&name("127.1", port), b"loop").await;
        let mapped = SocketAddr::new("::ffff:127.0.0.1".parse().unwrap(), port);
        scene.send(&Address::Ip(mapped), b"loop").await;
        scene.send(&address("192.0.2.1:53"), b"one").await;
        let (datagram, _) = scene.relayed().await;
        assert_eq!(datagram, b"\0\0\0\x01\xc0\x00\x02\x01\x00\x35one");
    })
    .await;
}

/// What was judged is what goes out: the proxy's resolver might make something else of it.
#[tokio::test]
async fn a_non_canonical_literal_goes_as_the_address() {
    within(async {
        let policy = Diary::default();
        let mut scene = scene(policy.clone()).await;
        let mapped = Address::Ip("[::ffff:192.0.2.1]:53".parse().unwrap());
        for target in [name("0xc0000201", 53), name("192.0.513.", 53), mapped] {
            scene.send(&target, b"one").await;
            let (datagram, _) = scene.relayed().await;
            assert_eq!(
                datagram, b"\0\0\0\x01\xc0\x00\x02\x01\x00\x35one",
                "{target}"
            );
        }
        let times = policy.asked();
        let asked = Asked::Address("192.0.2.1:53".parse().unwrap());
        assert_eq!(times.iter().filter(|it| **it == asked).count(), 1);
    })
    .await;
}

/// A name of a single label is judged and handed on as the name that it is completed to.
#[tokio::test]
async fn a_name_in_a_search_domain_is_judged_and_goes_completed() {
    within(async {
        let policy = Diary::default();
        let search = SearchDomainLayer::new(DomainName::new("corp.example").unwrap());
        let mut scene = scene_below(Some(search), policy.clone()).await;
        scene.send(&name("db", 53), b"").await;
        let (datagram, _) = scene.relayed().await;
        assert_eq!(datagram, b"\0\0\0\x03\x0fdb.corp.example\x00\x35");
        let judged = format!("{:?}", policy.asked());
        assert!(judged.contains("db.corp.example"), "{judged}");
        assert!(!judged.contains("db:53"), "{judged}");
    })
    .await;
}

/// No crowds, and nothing that is no destination at all.
#[tokio::test]
async fn what_is_no_single_host_is_not_sent_to() {
    within(async {
        let mut scene = scene(Diary::default()).await;
        for target in [
            "224.0.0.251:5353",
            "[ff02::fb]:5353",
            "255.255.255.255:67",
            "0.0.0.0:53",
            "[::]:53",
            "192.0.2.1:0",
            "a.example:0",
        ] {
            scene.send(&address(target), target.as_bytes()).await;
        }
        scene.send(&address("192.0.2.1:53"), b"last").await;
        let (datagram, _) = scene.relayed().await;
        assert!(datagram.ends_with(b"last"), "{}", datagram.escape_ascii());
    })
    .await;
}

/// What a policy said holds until it changes, in the middle of an association too.
#[tokio::test]
async fn a_policy_that_changes_is_asked_again() {
    /// Lets everything pass in its first version.
    #[derive(Clone, Default)]
    struct First(Arc<AtomicU64>);

    impl First {
        fn judge(&self) -> Result<(), Refusal> {
            match self.0.load(Ordering::SeqCst) {
                0 => Ok(()),
                _ => Err(Refusal::not_allowed("not any more")),
            }
        }
    }

    impl Policy for First {
        fn check(&self, _: &Request) -> Result<(), Refusal> {
            Ok(())
        }

        fn check_address(&self, _: &Request, address: SocketAddr) -> Result<(), Refusal> {
            match address.port() {
                99 => Ok(()),
                _ => self.judge(),
            }
        }

        fn check_name(&self, _: &Request) -> Result<(), Refusal> {
            self.judge()
        }

        fn version(&self) -> u64 {
            self.0.load(Ordering::SeqCst)
        }
    }

    within(async {
        let policy = First::default();
        let mut scene = scene(policy.clone()).await;
        for target in ["192.0.2.1:53", "a.example:53"] {
            scene.send(&address(target), b"yes").await;
            scene.relayed().await;
        }
        policy.0.store(1, Ordering::SeqCst);
        for target in ["192.0.2.1:53", "a.example:53"] {
            scene.send(&address(target), b"no").await;
        }
        scene.send(&address("192.0.2.1:99"), b"last").await;
        let (datagram, _) = scene.relayed().await;
        assert!(datagram.ends_with(b"last"), "{}", datagram.escape_ascii());
    })
    .await;
}

/// A2, passed on: the association ends with the proxy's control connection.
#[tokio::test]
async fn the_end_of_the_proxys_association_is_the_end_of_ours() {
    within(async {
        let Scene {
            mut socket,
            control,
            ..
        } = scene(Diary::default()).await;
        drop(control);
        let ended = socket.recv_from(&mut [0; 64]).await.unwrap_err();
        assert!(
            crate::support::texts(&ended).contains("proxy ended the association"),
            "{ended:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn the_end_of_the_clients_connection_is_the_end_at_the_proxy() {
    within(async {
        let Scene {
            socket,
            mut control,
            ..
        } = scene(Diary::default()).await;
        drop(socket);
        assert_eq!(control.read(&mut [0; 1]).await.unwrap(), 0);
    })
    .await;
}
