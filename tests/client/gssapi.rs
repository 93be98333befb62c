//! Authentication by GSS-API (RFC 1961) from the client's side: octet by octet, and through our own server.

use std::{
    net::SocketAddr,
    sync::{Arc, mpsc},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    net::{TcpListener, TcpStream, UdpSocket},
};
use tower::ServiceExt;
use tower_socks::{
    BoxError, Client, ClientError, Connector, UserPass, Users,
    client::{ClientFault, DefaultAuth, Gssapi, ProxySocket},
    connector::{bind::Bind, upstream::Socks5Upstream},
    error::Step,
    gssapi::Initiator,
    layer::auth,
    proto::{Address, Command, Credentials, ProtectionLevel},
};

use crate::support::{
    CONNECT, CONNECTED, Script,
    gssapi::{Half, Mock, Sealed, TICKET, WELCOME, framed},
    proxy, stack, success,
    targets::targets,
    texts, within,
};

const OFFER: &[u8] = b"\x05\x01\x01";
const SELECTED: &[u8] = b"\x05\x01";

fn target() -> Address {
    "192.0.2.1:80".parse().unwrap()
}

fn client() -> Client<Gssapi<Mock>> {
    Client::with(Gssapi::new(Mock::default()))
}

fn server_context() -> Sealed {
    Sealed::new(false, &Mock::default())
}

/// What the proxy says up to its reply, and what it hears, with the contexts behind that.
fn dialogue(level: u8, encrypts: bool) -> (Vec<u8>, Vec<u8>, Sealed, Sealed) {
    let mut client = Sealed::of_client();
    let mut server = server_context();
    let says = [
        SELECTED,
        &framed(1, WELCOME),
        &server.level(level),
        &server.data(encrypts, CONNECTED),
    ]
    .concat();
    let hears = [
        OFFER,
        &framed(1, TICKET),
        &client.level(level),
        &client.data(encrypts, CONNECT),
    ]
    .concat();
    (says, hears, client, server)
}

#[tokio::test]
async fn everything_behind_the_sub_negotiation_is_encapsulated_at_each_level() {
    for (level, encrypts) in [(1, false), (2, true), (3, true)] {
        within(async {
            let (near, mut proxy) = duplex(1024);
            let (says, hears, mut client, mut server) = dialogue(level, encrypts);
            proxy.say(&says).await;
            proxy.say(&server.data(encrypts, b"220 hello")).await;
            let method = Gssapi::new(Mock::default()).levels([ProtectionLevel(level)]);
            let mut stream = Client::with(method).connect(near, target()).await.unwrap();
            proxy.hear(&hears).await;
            stream.hear(b"220 hello").await;
            stream.say(b"quit").await;
            proxy.hear(&client.data(encrypts, b"quit")).await;
        })
        .await;
    }
}

#[tokio::test]
async fn what_the_proxy_says_may_come_in_any_pieces() {
    let (says, hears, ..) = dialogue(2, true);
    for cut in 1..says.len() {
        within(async {
            let (near, mut proxy) = duplex(1024);
            let client = client();
            let connect = client.connect(near, target());
            let script = async {
                proxy.say(&says[..cut]).await;
                tokio::task::yield_now().await;
                proxy.say(&says[cut..]).await;
                proxy.hear(&hears).await;
            };
            let (connected, ()) = tokio::join!(connect, script);
            connected.unwrap();
        })
        .await;
    }
}

#[tokio::test]
async fn a_proxy_with_nothing_left_to_say_sends_a_length_of_0() {
    within(async {
        let (near, mut proxy) = duplex(1024);
        let (says, hears, ..) = dialogue(2, true);
        let behind = says.strip_prefix(&[SELECTED, &framed(1, WELCOME)].concat()[..]);
        proxy
            .say(&[SELECTED, b"\x01\x01\x00\x00", behind.unwrap()].concat())
            .await;
        let silent = Mock {
            silent: true,
            ..Mock::default()
        };
        let client = Client::with(Gssapi::new(silent));
        client.connect(near, target()).await.unwrap();
        proxy.hear(&hears).await;
    })
    .await;
}

/// Fails where the proxy says this, and hears so much behind the greeting.
async fn fails(method: Gssapi<Mock>, says: &[u8], hears: &[u8]) -> ClientError {
    within(async {
        let (near, mut proxy) = duplex(4096);
        proxy.say(&[SELECTED, says].concat()).await;
        let client = Client::with(method);
        let error = client.connect(near, target()).await.unwrap_err();
        let heard = proxy.hear_rest().await;
        assert_eq!(heard, [OFFER, hears].concat());
        error
    })
    .await
}

#[tokio::test]
async fn a_proxy_sends_eight_tokens_and_no_ninth() {
    let (go_on, more) = (framed(1, b"go on"), framed(1, b"more"));
    let patient = |more| {
        let mock = Mock {
            more,
            ..Mock::default()
        };
        Gssapi::new(mock)
    };
    within(async {
        let (near, mut proxy) = duplex(1024);
        let (says, hears, ..) = dialogue(2, true);
        let begins = [SELECTED, &go_on.repeat(7)].concat();
        proxy
            .say(&[&begins, &says[SELECTED.len()..]].concat())
            .await;
        let client = Client::with(patient(7));
        client.connect(near, target()).await.unwrap();
        let behind = &hears[OFFER.len()..];
        proxy.hear(&[OFFER, &more.repeat(7), behind].concat()).await;
    })
    .await;
    let error = fails(patient(100), &go_on.repeat(9), &more.repeat(9)).await;
    assert!(
        texts(&error).contains("no context after 8 tokens"),
        "{error}"
    );
}

#[tokio::test]
async fn a_proxy_that_refuses_us_denies_access() {
    let error = fails(
        Gssapi::new(Mock::default()),
        b"\x01\xff",
        &framed(1, TICKET),
    )
    .await;
    assert!(matches!(error, ClientError::Denied), "{error:?}");
    let said = [&framed(1, WELCOME)[..], b"\x01\xff"].concat();
    let level = Sealed::of_client().level(2);
    let hears = [&framed(1, TICKET)[..], &level].concat();
    let error = fails(Gssapi::new(Mock::default()), &said, &hears).await;
    assert!(matches!(error, ClientError::Denied), "{error:?}");
}

#[tokio::test]
async fn g3_an_answer_that_was_not_accepted_closes_the_connection() {
    use ProtectionLevel as L;
    let accepted: [(&[L], u8); 4] = [
        (&[L::CONFIDENTIALITY, L::INTEGRITY], 2),
        (&[L::INTEGRITY], 1),
        (&[L::SELECTIVE, L::CONFIDENTIALITY], 3),
        (&[L::CLEAR], 0),
    ];
    for (levels, asks) in accepted {
        for answer in 0..=4 {
            let mut server = server_context();
            let says = [&framed(1, WELCOME)[..], &server.level(answer)].concat();
            let asked = Sealed::of_client().level(asks);
            let hears = [&framed(1, TICKET)[..], &asked].concat();
            let method = Gssapi::new(Mock::default()).levels(levels.iter().copied());
            if levels.contains(&L(answer)) {
                within(async {
                    let (near, mut proxy) = duplex(1024);
                    let reply = match answer {
                        0 => CONNECTED.to_vec(),
                        level => server.data(level != 1, CONNECTED),
                    };
                    proxy.say(&[SELECTED, &says, &reply].concat()).await;
                    let client = Client::with(method);
                    client.connect(near, target()).await.unwrap();
                })
                .await;
            } else {
                let error = fails(method, &says, &hears).await;
                assert!(matches!(error, ClientError::Authentication(_)), "{error:?}");
                let text = format!("level {answer} of protection");
                assert!(texts(&error).contains(&text), "{error:?}");
            }
        }
    }
    // It can encrypt nothing, and everything has to be.
    let plain = Mock {
        plain: true,
        ..Mock::default()
    };
    let method = Gssapi::new(plain).levels([L::CONFIDENTIALITY]);
    let error = fails(method, &framed(1, WELCOME), &framed(1, TICKET)).await;
    assert!(
        texts(&error).contains("no level of protection"),
        "{error:?}"
    );
}

#[tokio::test]
async fn without_a_ticket_nothing_is_said() {
    let penniless = Mock {
        penniless: true,
        ..Mock::default()
    };
    let error = fails(Gssapi::new(penniless), b"", b"").await;
    assert!(matches!(error, ClientError::Authentication(_)));
    assert!(texts(&error).contains("run kinit"), "{error:?}");
}

#[tokio::test]
async fn a_proxy_that_proves_nothing_is_not_used() {
    let ticket = framed(1, TICKET);
    let changed = {
        let mut level = server_context().level(2);
        *level.last_mut().unwrap() ^= 1;
        [&framed(1, WELCOME)[..], &level].concat()
    };
    let level = [&ticket[..], &Sealed::of_client().level(2)].concat();
    for (says, hears) in [
        (framed(1, b"welc0me"), &ticket),
        (framed(3, b"data"), &ticket),
        (framed(2, b"level"), &ticket),
        (changed, &level),
        ([framed(1, WELCOME), framed(3, b"data")].concat(), &level),
        ([framed(1, WELCOME), framed(2, b"\x02")].concat(), &level),
    ] {
        let error = fails(Gssapi::new(Mock::default()), &says, hears).await;
        assert!(matches!(error, ClientError::Authentication(_)), "{error:?}");
    }
    let error = fails(Gssapi::new(Mock::default()), b"\x05\x01", &ticket).await;
    assert!(
        matches!(
            error,
            ClientError::NotSocks {
                step: Step::Authentication,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_proxy_that_closes_is_told_apart() {
    let says = [SELECTED, &framed(1, WELCOME)].concat();
    for cut in SELECTED.len()..says.len() {
        let (near, mut proxy) = duplex(1024);
        proxy.say(&says[..cut]).await;
        proxy.shutdown().await.unwrap();
        let error = client().connect(near, target()).await.unwrap_err();
        let step = Step::Authentication;
        assert!(
            matches!(error, ClientError::Closed { step: at } if at == step),
            "{error:?}"
        );
    }
}

/// Its steps wait until they are let go.
#[derive(Clone)]
struct Slow(Arc<std::sync::Mutex<mpsc::Receiver<()>>>);

impl Initiator for Slow {
    type Establishment = Half;

    fn initiate(&self, command: Command) -> Result<Half, BoxError> {
        self.0.lock().unwrap().recv()?;
        Mock::default().initiate(command)
    }
}

#[tokio::test]
async fn a_step_that_takes_too_long_ends_with_the_limit_of_the_client_and_keeps_its_turn() {
    within(async {
        let (go, wait) = mpsc::channel();
        let method = Gssapi::new(Slow(Arc::new(wait.into()))).turns(1);
        let hasty = Client::with(method.clone()).timeout(Duration::from_millis(50));
        let says = dialogue(2, true).0;
        let fresh = async || {
            let (near, mut proxy) = duplex(1024);
            proxy.say(&says).await;
            (near, proxy)
        };
        for _ in 0..2 {
            // The second one waits for the turn of the first.
            let (near, _proxy) = fresh().await;
            let error = hasty.connect(near, target()).await.unwrap_err();
            assert!(matches!(error, ClientError::TimedOut { .. }), "{error:?}");
        }
        go.send(()).unwrap();
        go.send(()).unwrap();
        let (near, _proxy) = fresh().await;
        Client::with(method).connect(near, target()).await.unwrap();
        // The second had no step: both were used, by the first and the third.
        drop(go);
    })
    .await;
}

fn server() -> auth::Gssapi<Mock> {
    auth::Gssapi::new(Mock::default())
}

#[tokio::test]
async fn c11_a_context_is_asked_for_the_command_of_the_request() {
    within(async {
        let proxy = proxy(stack(server(), Connector::direct())).await;
        let mock = Mock::default();
        let commands = Arc::clone(&mock.commands);
        let client = Client::with(Gssapi::new(mock));
        let dial = async || TcpStream::connect(proxy).await.unwrap();
        let _ = client.connect(dial().await, proxy).await.unwrap();
        let _ = client.bind(dial().await, "127.0.0.1:0").await;
        let _ = client.associate(dial().await).await.unwrap();
        let _ = client.authenticate(dial().await).await.unwrap();
        let expected = [
            Command::CONNECT,
            Command::BIND,
            Command::UDP_ASSOCIATE,
            Command::CONNECT,
        ];
        assert_eq!(*commands.lock().unwrap(), expected);
    })
    .await;
}

#[tokio::test]
async fn g4_both_replies_of_bind_are_encapsulated() {
    within(async {
        // By hand, to see that they are.
        let (near, mut proxy) = duplex(1024);
        let mut server = server_context();
        let first = success("198.51.100.7:4321".parse().unwrap());
        let second = success("192.0.2.1:50000".parse().unwrap());
        let says = [
            SELECTED,
            &framed(1, WELCOME),
            &server.level(2),
            &server.data(true, &first),
            &server.data(true, &second),
            &server.data(true, b"220 hello"),
        ];
        proxy.say(&says.concat()).await;
        let listener = client().bind(near, target()).await.unwrap();
        let (mut stream, peer) = listener.accept().await.unwrap();
        assert_eq!(peer.to_string(), "192.0.2.1:50000");
        stream.hear(b"220 hello").await;
    })
    .await;
    within(async {
        let connector = Connector::direct().with_bind(Bind::new());
        let proxy = proxy(stack(self::server(), connector)).await;
        let stream = TcpStream::connect(proxy).await.unwrap();
        let listener = client().bind(stream, "127.0.0.1:0").await.unwrap();
        let bound = listener.bound().to_string();
        let mut peer = TcpStream::connect(bound).await.unwrap();
        let (mut stream, address) = listener.accept().await.unwrap();
        assert_eq!(address, Address::Ip(peer.local_addr().unwrap()));
        peer.say(b"220 hello").await;
        stream.hear(b"220 hello").await;
        stream.say(b"quit").await;
        peer.hear(b"quit").await;
    })
    .await;
}

/// A target that echoes one connection, and where it is.
async fn echoing() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut io, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut read, mut write) = io.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

/// Megabytes there and back.
async fn carries<Io>(mut stream: Io)
where
    Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let octets: Vec<u8> = (0..2_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let sent = octets.clone();
    let (mut read, mut write) = tokio::io::split(&mut stream);
    let there = async {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let mut back = Vec::new();
    let (_, read) = tokio::join!(there, read.read_to_end(&mut back));
    read.unwrap();
    assert!(back == octets);
}

#[tokio::test]
async fn octets_go_through_our_own_server_at_each_level() {
    for level in 0..=3 {
        within(async {
            let level = ProtectionLevel(level);
            let method = server().levels([level]).allow_clear();
            let proxy = proxy(stack(method, Connector::direct())).await;
            let target = echoing().await;
            let client = Client::with(Gssapi::new(Mock::default()).levels([level]));
            let stream = TcpStream::connect(proxy).await.unwrap();
            carries(client.connect(stream, target).await.unwrap()).await;
        })
        .await;
    }
}

#[tokio::test]
async fn an_upstream_is_used_with_it_for_streams_and_datagrams() {
    within(async {
        let proxy = proxy(stack(server(), Connector::direct())).await;
        let target = echoing().await;
        let upstream = Socks5Upstream::new(proxy).client(client());
        let stream = upstream.clone().oneshot(target).await.unwrap();
        carries(stream).await;

        let connector = Connector::upstream(upstream);
        let own = crate::support::proxy(stack(tower_socks::NoAuth, connector)).await;
        let stream = TcpStream::connect(own).await.unwrap();
        let mut socket = Client::new().associate(stream).await.unwrap();
        echoes(&mut socket, b"ping").await;
    })
    .await;
}

async fn echoes<Io>(socket: &mut ProxySocket<Io>, payload: &[u8])
where
    Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = Address::Ip(target.local_addr().unwrap());
    socket.send_to(payload, &address).await.unwrap();
    let mut room = vec![0; 70_000];
    let (len, source) = target.recv_from(&mut room).await.unwrap();
    assert!(room[..len] == *payload);
    target.send_to(payload, source).await.unwrap();
    let (len, source) = socket.recv_from(&mut room).await.unwrap();
    assert!(room[..len] == *payload);
    assert_eq!(source, address);
}

#[tokio::test]
async fn it_stands_beside_passwords() {
    within(async {
        let users: Users = [("joe", "secret")].into_iter().collect();
        let joe = || Credentials::new("joe", "secret").unwrap();
        let pair = || {
            (
                Gssapi::new(Mock::default()),
                DefaultAuth::new().credentials(joe()),
            )
        };
        let target = echoing().await;
        let tickets = proxy(stack(server(), Connector::direct())).await;
        let passwords = proxy(stack(UserPass::new(users), Connector::direct())).await;
        for proxy in [tickets, passwords] {
            let stream = TcpStream::connect(proxy).await.unwrap();
            let client = Client::with(pair());
            carries(client.connect(stream, target).await.unwrap()).await;
        }
        let (near, mut far) = duplex(64);
        let boxed = tower_socks::io::BoxStream::new(near);
        let client = Client::with(pair());
        let _ = tokio::join!(
            async {
                far.hear(b"\x05\x03\x00\x01\x02").await;
                drop(far);
            },
            client.connect(boxed, target)
        );
    })
    .await;
}

/// An association with a relay of the test's, and the contexts of both.
async fn associated() -> (
    ProxySocket<tower_socks::io::BoxStream>,
    DuplexStream,
    UdpSocket,
    Sealed,
) {
    let relay = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let bound = relay.local_addr().unwrap();
    let (near, mut control) = duplex(1024);
    let mut server = server_context();
    let reply = success(bound);
    let says = [
        SELECTED,
        &framed(1, WELCOME),
        &server.level(2),
        &server.data(true, &reply),
    ];
    control.say(&says.concat()).await;
    let client = client().proxy_address(bound.ip());
    let socket = client.associate(near).await.unwrap();
    // What the client has sent so far.
    server.unwraps_up_to(2);
    (socket, control, relay, server)
}

fn from_target(payload: &[u8]) -> Vec<u8> {
    [b"\0\0\0\x01\xc0\x00\x02\x01\x00\x35", payload].concat()
}

#[tokio::test]
async fn datagrams_are_sealed_and_those_that_are_not_the_proxys_are_dropped() {
    within(async {
        let (mut socket, _control, relay, mut server) = associated().await;
        let to: Address = "192.0.2.1:53".parse().unwrap();
        assert_eq!(socket.max_payload(&to), 65_483);
        socket.send_to(b"question", &to).await.unwrap();
        let mut room = vec![0; 70_000];
        let (len, source) = relay.recv_from(&mut room).await.unwrap();
        assert_eq!(&room[..2], b"\x01\x03");
        assert_eq!(server.opens(&room[..len], true), from_target(b"question"));

        let lost = server.data(true, &from_target(b"lost"));
        let late = server.data(true, &from_target(b"late"));
        let early = server.data(true, &from_target(b"early"));
        let mut changed = server.data(true, &from_target(b"evil"));
        changed[20] ^= 1;
        let plain = server.data(false, &from_target(b"evil"));
        let clear = from_target(b"evil");
        let whole = [&late[..], b"x"].concat();
        for bad in [
            &changed[..],
            &plain,
            &clear,
            &whole,
            b"",
            b"\x01\x03\x00\x00",
        ] {
            relay.send_to(bad, source).await.unwrap();
        }
        // Overtaken by another, and twice.
        for good in [&early, &late, &early, &late] {
            relay.send_to(good, source).await.unwrap();
        }
        drop(lost);
        for expected in [&b"early"[..], b"late"] {
            let (len, from) = socket.recv_from(&mut room).await.unwrap();
            assert_eq!((&room[..len], &from), (expected, &to));
        }
        let last = server.data(true, &from_target(b"last"));
        relay.send_to(&last, source).await.unwrap();
        let (len, _) = socket.recv_from(&mut room).await.unwrap();
        assert_eq!(&room[..len], b"last");

        // The largest, and one more.
        let most = vec![7; 65_483];
        socket.send_to(&most, &to).await.unwrap();
        let (len, _) = relay.recv_from(&mut room).await.unwrap();
        assert_eq!(len, 65_507);
        assert!(server.opens(&room[..len], true) == from_target(&most));
        let error = socket
            .send_to(&[&most[..], b"x"].concat(), &to)
            .await
            .unwrap_err();
        let inner = error.get_ref().and_then(|it| it.downcast_ref());
        assert!(
            matches!(inner, Some(ClientError::TooLarge { most: 65_483, .. })),
            "{error:?}"
        );
        let mut batch = tower_socks::datagram::Datagrams::new();
        batch.push(to.clone(), &[&most[..], b"x"].concat());
        batch.push(to.clone(), b"one");
        batch.push(to.clone(), b"two");
        socket.send_batch(&mut batch).await.unwrap();
        for payload in [&b"one"[..], b"two"] {
            let (len, _) = relay.recv_from(&mut room).await.unwrap();
            assert_eq!(server.opens(&room[..len], true), from_target(payload));
        }
    })
    .await;
}

#[tokio::test]
async fn halves_share_the_context() {
    within(async {
        let proxy = proxy(stack(server(), Connector::direct())).await;
        let stream = TcpStream::connect(proxy).await.unwrap();
        let mut socket = client().associate(stream).await.unwrap();
        echoes(&mut socket, b"ping").await;
        echoes(&mut socket, &vec![1; 65_483]).await;
        let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = Address::Ip(target.local_addr().unwrap());
        let (mut sender, mut receiver) = socket.into_split();
        let sending = tokio::spawn(async move {
            for number in 0..100_u8 {
                sender.send_to(&[number], &address).await.unwrap();
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
            sender
        });
        let echo = tokio::spawn(async move {
            let mut room = [0; 10];
            loop {
                let (len, source) = target.recv_from(&mut room).await.unwrap();
                target.send_to(&room[..len], source).await.unwrap();
            }
        });
        let mut room = [0; 10];
        for number in 0..100_u8 {
            let (len, _) = receiver.recv_from(&mut room).await.unwrap();
            assert_eq!(room[..len], [number]);
        }
        sending.await.unwrap();
        echo.abort();
    })
    .await;
}

#[tokio::test]
async fn a_failure_behind_it_is_the_targets() {
    within(async {
        let (dialer, _dialled) = targets();
        let refusing = dialer.map_result(|_: Result<_, BoxError>| {
            Err::<tower_socks::session::Connected<DuplexStream>, BoxError>(
                std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into(),
            )
        });
        let proxy = proxy(stack(server(), refusing)).await;
        let stream = TcpStream::connect(proxy).await.unwrap();
        let error = client().connect(stream, target()).await.unwrap_err();
        assert!(matches!(error.fault(), ClientFault::Target(_)), "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn an_end_that_is_no_end_resets_the_connection_below() {
    for level in 0..=2 {
        within(async {
            let level = ProtectionLevel(level);
            let method = server().levels([level]).allow_clear();
            let proxy = proxy(stack(method, Connector::direct())).await;
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let client = Client::with(Gssapi::new(Mock::default()).levels([level]));
            let stream = TcpStream::connect(proxy).await.unwrap();
            let mut stream = client.connect(stream, address).await.unwrap();
            let (mut target, _) = listener.accept().await.unwrap();
            target.say(b"half of it").await;
            stream.hear(b"half of it").await;
            let linger = Some(Duration::ZERO);
            socket2::SockRef::from(&target).set_linger(linger).unwrap();
            drop(target);
            let error = stream.read_u8().await.unwrap_err();
            assert_eq!(
                error.kind(),
                std::io::ErrorKind::ConnectionReset,
                "{level:?}"
            );
        })
        .await;
    }
}
