//! Sessions of our client and our server, by tickets.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    runtime,
};
use tower::Layer;
use tower_socks::{
    AclLayer, BoxError, Client, Connector, Rules, UserPass, Users,
    client::{DefaultAuth, Gssapi},
    connector::{associate::Associate, bind::Bind},
    gssapi::{
        Context, Establishment, Initiator, Step,
        kerberos::{KerberosInitiator, KerberosMechanism},
    },
    layer::auth,
    proto::{Address, Command, Credentials, ProtectionLevel},
};
use tracing::Level;

use crate::{
    realm::in_realm,
    support::{Script, log::Log, proxy, stack},
};

const LEVELS: [ProtectionLevel; 3] = [
    ProtectionLevel::INTEGRITY,
    ProtectionLevel::CONFIDENTIALITY,
    ProtectionLevel::SELECTIVE,
];

/// Runs a test of this thread alone, so that its log is there.
fn run(test: impl Future<Output = ()>) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let bounded = async { tokio::time::timeout(Duration::from_secs(60), test).await };
    runtime
        .unwrap()
        .block_on(bounded)
        .expect("it came to a halt");
}

fn server(levels: impl IntoIterator<Item = ProtectionLevel>) -> auth::Gssapi<KerberosMechanism> {
    auth::Gssapi::new(KerberosMechanism::service("socks")).levels(levels)
}

fn tickets() -> KerberosInitiator {
    KerberosInitiator::service_on("socks", "localhost")
}

fn client(level: ProtectionLevel) -> Client<Gssapi<KerberosInitiator>> {
    Client::with(Gssapi::new(tickets()).levels([level]))
}

async fn dial(proxy: SocketAddr) -> TcpStream {
    TcpStream::connect(proxy).await.unwrap()
}

/// A target that echoes one connection.
async fn echoing() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut io, _) = listener.accept().await.unwrap();
        let (mut read, mut write) = io.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
        write.shutdown().await.unwrap();
    });
    address
}

#[test]
fn octets_of_connect_at_each_level() {
    in_realm!(octets_of_connect_at_each_level, || run(async {
        for level in LEVELS {
            let proxy = proxy(stack(server([level]), Connector::direct())).await;
            let target = echoing().await;
            let stream = client(level).connect(dial(proxy).await, target).await;
            let (mut read, mut write) = tokio::io::split(stream.unwrap());
            let octets: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
            let there = async {
                write.write_all(&octets).await.unwrap();
                write.shutdown().await.unwrap();
            };
            let mut back = Vec::new();
            let ((), got) = tokio::join!(there, read.read_to_end(&mut back));
            got.unwrap();
            assert!(back == octets);
        }
    }));
}

#[test]
fn both_replies_of_bind_at_each_level() {
    in_realm!(both_replies_of_bind_at_each_level, || run(async {
        for level in LEVELS {
            let connector = Connector::direct().with_bind(Bind::new());
            let proxy = proxy(stack(server([level]), connector)).await;
            let listener = client(level).bind(dial(proxy).await, "127.0.0.1:0").await;
            let listener = listener.unwrap();
            let bound = listener.bound().to_string();
            let mut peer = TcpStream::connect(bound).await.unwrap();
            let (mut stream, address) = listener.accept().await.unwrap();
            assert_eq!(address, Address::Ip(peer.local_addr().unwrap()));
            peer.say(b"220 hello").await;
            stream.hear(b"220 hello").await;
            stream.say(b"quit").await;
            peer.hear(b"quit").await;
        }
    }));
}

/// The network between client and relay: its address is the one that the client is told.
struct Network {
    to_client: UdpSocket,
    to_relay: UdpSocket,
    relay: SocketAddr,
}

impl Network {
    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 9, 9, 9));

    async fn before(relay: SocketAddr) -> Self {
        Self {
            to_client: UdpSocket::bind((Self::ADDRESS, relay.port()))
                .await
                .unwrap(),
            to_relay: UdpSocket::bind("127.0.0.1:0").await.unwrap(),
            relay: SocketAddr::from(([127, 0, 0, 1], relay.port())),
        }
    }

    /// Takes datagrams of the client, and where they are from.
    async fn up(&self, count: usize) -> (Vec<Vec<u8>>, SocketAddr) {
        taken(&self.to_client, count).await
    }

    async fn down(&self, count: usize) -> Vec<Vec<u8>> {
        taken(&self.to_relay, count).await.0
    }
}

async fn taken(socket: &UdpSocket, count: usize) -> (Vec<Vec<u8>>, SocketAddr) {
    let (mut all, mut from) = (Vec::new(), None);
    for _ in 0..count {
        let mut room = vec![0; 65_535];
        let (len, source) = socket.recv_from(&mut room).await.unwrap();
        room.truncate(len);
        all.push(room);
        from = Some(source);
    }
    (all, from.unwrap())
}

/// Long enough that nothing which is encrypted looks like it by chance.
const NUMBERED: &[u8] = b"datagram number ";

fn numbered(number: u8) -> Vec<u8> {
    [NUMBERED, &[number]].concat()
}

/// The order in which ten datagrams arrive: one is lost, some overtake each other, some come twice.
const ORDER: [usize; 12] = [0, 2, 2, 4, 3, 5, 0, 8, 7, 6, 9, 8];
const ONCE: [u8; 9] = [0, 2, 4, 3, 5, 8, 7, 6, 9];

#[test]
fn datagrams_that_are_lost_late_doubled_or_changed_cost_themselves_only() {
    in_realm!(
        datagrams_that_are_lost_late_doubled_or_changed_cost_themselves_only,
        || run(async {
            for level in LEVELS {
                let associate = Associate::new().public_address(Network::ADDRESS);
                let connector = Connector::direct().with_associate(associate);
                let proxy = proxy(stack(server([level]), connector)).await;
                let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                let address = Address::Ip(target.local_addr().unwrap());
                let client = client(level).any_relay();
                let mut socket = client.associate(dial(proxy).await).await.unwrap();
                let network = Network::before(socket.relay_addr().unwrap()).await;

                for number in 0..10 {
                    socket.send_to(&numbered(number), &address).await.unwrap();
                }
                let (sent, from) = network.up(10).await;
                let is_seen =
                    |one: &Vec<u8>, what: &[u8]| one.windows(what.len()).any(|at| at == what);
                let in_clear = level == ProtectionLevel::INTEGRITY;
                assert!(
                    sent.iter()
                        .zip(0..)
                        .all(|(one, n)| is_seen(one, &numbered(n)) == in_clear)
                );
                let changed = |one: &Vec<u8>| {
                    let mut one = one.clone();
                    *one.last_mut().unwrap() ^= 1;
                    one
                };
                for at in ORDER {
                    for datagram in [
                        changed(&sent[at]),
                        b"\0\0\0\x01in clear".to_vec(),
                        sent[at].clone(),
                    ] {
                        network
                            .to_relay
                            .send_to(&datagram, network.relay)
                            .await
                            .unwrap();
                    }
                }
                let (got, relay) = taken(&target, ONCE.len()).await;
                let numbers: Vec<u8> = got.iter().map(|one| one[NUMBERED.len()]).collect();
                assert_eq!(numbers, ONCE);

                // And in the other direction.
                for number in 0..10 {
                    target.send_to(&numbered(number), relay).await.unwrap();
                }
                let sent = network.down(10).await;
                for at in ORDER {
                    for datagram in [
                        changed(&sent[at]),
                        b"\0\0\0\x01in clear".to_vec(),
                        sent[at].clone(),
                    ] {
                        network.to_client.send_to(&datagram, from).await.unwrap();
                    }
                }
                for number in ONCE {
                    let mut room = [0; 100];
                    let (len, source) = socket.recv_from(&mut room).await.unwrap();
                    assert_eq!((&room[..len], &source), (&numbered(number)[..], &address));
                }
                // Nothing else has arrived at the target.
                let mut room = [0; 100];
                target.try_recv_from(&mut room).unwrap_err();
            }
        })
    );
}

/// By the frames: CONNECT, and then what `change` makes of the message "changed".
async fn after_a_change(level: ProtectionLevel, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    let proxy = proxy(stack(server([level]), Connector::direct())).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_be_bytes();
    let confidential = level == ProtectionLevel::CONFIDENTIALITY;
    let mut io = dial(proxy).await;
    io.say(b"\x05\x01\x01").await;
    io.hear(b"\x05\x01").await;
    let begun = tickets().initiate(Command::CONNECT).unwrap().step(b"");
    let Step::Continue { token, next } = begun.unwrap() else {
        panic!("one token of two");
    };
    io.say(&framed(1, &token)).await;
    let Step::Done { mut context, .. } = next.step(&heard(&mut io, 1).await).unwrap() else {
        panic!("two tokens");
    };
    let asked = context.wrap(false, &[level.0]).unwrap();
    io.say(&framed(2, &asked)).await;
    let answer = context.unwrap(&heard(&mut io, 2).await).unwrap();
    assert_eq!(answer.message, [level.0]);
    let request = [&b"\x05\x01\0\x01\x7f\0\0\x01"[..], &port].concat();
    let request = context.wrap(confidential, &request).unwrap();
    io.say(&framed(3, &request)).await;
    let reply = context.unwrap(&heard(&mut io, 3).await).unwrap();
    assert_eq!(reply.message[..2], [5, 0]);
    let (mut target, _) = listener.accept().await.unwrap();
    let whole = context.wrap(confidential, b"whole").unwrap();
    io.say(&framed(3, &whole)).await;
    target.hear(b"whole").await;

    let message = context.wrap(confidential, b"changed").unwrap();
    io.say(&change(message)).await;
    let mut room = [0; 100];
    // The end, or a reset.
    assert_eq!(target.read(&mut room).await.unwrap_or(0), 0);
    assert_eq!(io.read(&mut room).await.unwrap_or(0), 0);
}

fn framed(kind: u8, token: &[u8]) -> Vec<u8> {
    let len = u16::try_from(token.len()).unwrap().to_be_bytes();
    [&[1, kind][..], &len, token].concat()
}

async fn heard(io: &mut TcpStream, kind: u8) -> Vec<u8> {
    let mut head = [0; 4];
    io.read_exact(&mut head).await.unwrap();
    assert_eq!(head[..2], [1, kind]);
    let mut token = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
    io.read_exact(&mut token).await.unwrap();
    token
}

#[test]
fn a_message_that_was_changed_ends_the_session_and_reaches_nobody() {
    in_realm!(
        a_message_that_was_changed_ends_the_session_and_reaches_nobody,
        || run(async {
            for level in [ProtectionLevel::INTEGRITY, ProtectionLevel::CONFIDENTIALITY] {
                after_a_change(level, |mut token| {
                    *token.last_mut().unwrap() ^= 1;
                    framed(3, &token)
                })
                .await;
                after_a_change(level, |token| framed(3, &token[..token.len() - 1])).await;
            }
        })
    );
}

#[test]
fn a_message_that_was_cut_out_ends_the_session() {
    in_realm!(a_message_that_was_cut_out_ends_the_session, || run(async {
        let proxy = proxy(stack(server(LEVELS), Connector::direct())).await;
        let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // Somebody on the path, who knows where messages begin.
        let path = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = path.local_addr().unwrap();
        let between = tokio::spawn(async move {
            let (mut near, _) = path.accept().await.unwrap();
            let mut far = dial(proxy).await;
            let mut greeting = [0; 3];
            near.read_exact(&mut greeting).await.unwrap();
            far.say(&greeting).await;
            let (mut back, mut there) = far.into_split();
            let (mut reads, mut writes) = near.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut back, &mut writes).await });
            // Token, level, request; the fourth does not arrive.
            for number in 0..5 {
                let mut head = [0; 4];
                reads.read_exact(&mut head).await.unwrap();
                let mut token = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
                reads.read_exact(&mut token).await.unwrap();
                if number != 3 {
                    there
                        .write_all(&[&head[..], &token].concat())
                        .await
                        .unwrap();
                }
            }
            there
        });
        let client = client(ProtectionLevel::CONFIDENTIALITY);
        let stream = client.connect(dial(address).await, target.local_addr().unwrap());
        let mut stream = stream.await.unwrap();
        let (mut target, _) = target.accept().await.unwrap();
        stream.say(b"do not ").await;
        stream.say(b"send it").await;
        let _path = between.await.unwrap();
        let mut room = [0; 100];
        assert_eq!(target.read(&mut room).await.unwrap_or(0), 0);
        assert_eq!(stream.read(&mut room).await.unwrap_or(0), 0);
    }));
}

#[test]
fn who_a_client_is_counts_in_rules_and_is_in_the_log() {
    in_realm!(who_a_client_is_counts_in_rules_and_is_in_the_log, || run(
        async {
            let (log, _guard) = Log::start(Level::INFO);
            for (user, gets_in) in [("joe@EXAMPLE.TEST", true), ("joe", false)] {
                let rules: Rules = toml::from_str(&format!(
                    "default = \"deny\"\nallow_private = true\nrules = [{{ action = \"allow\", user = \"{user}\" }}]"
                ))
                .unwrap();
                let inner = AclLayer::new(rules).layer(Connector::direct());
                let proxy = proxy(stack(server(LEVELS), inner)).await;
                let target = echoing().await;
                let client = client(ProtectionLevel::INTEGRITY);
                let connected = client.connect(dial(proxy).await, target).await;
                assert_eq!(connected.is_ok(), gets_in, "{user}");
                drop(connected);
            }
            while log.lines().len() < 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let lines = log.text();
            assert!(lines.contains("user=joe@EXAMPLE.TEST"), "{lines}");
        }
    ));
}

#[test]
fn a_realm_can_be_left_out_of_the_name() {
    in_realm!(a_realm_can_be_left_out_of_the_name, || run(async {
        for (realm, gets_in) in [("@EXAMPLE.TEST", true), ("@ELSEWHERE.TEST", false)] {
            let method = server(LEVELS).identity(move |principal| {
                let user = principal.strip_suffix(realm);
                let user = user.ok_or_else(|| BoxError::from("of another realm"))?;
                Ok(tower_socks::Identity::named(user))
            });
            let proxy = proxy(stack(method, Connector::direct())).await;
            let target = echoing().await;
            let client = client(ProtectionLevel::INTEGRITY);
            let connected = client.connect(dial(proxy).await, target).await;
            assert_eq!(connected.is_ok(), gets_in);
        }
    }));
}

#[test]
fn beside_passwords_each_client_comes_in_by_what_it_has() {
    in_realm!(
        beside_passwords_each_client_comes_in_by_what_it_has,
        || run(async {
            let users = Users::from_iter([("jane", "hidden")]);
            let both = (server(LEVELS), UserPass::new(users));
            let proxy = proxy(stack(both, Connector::direct())).await;
            let jane = Credentials::new("jane", "hidden").unwrap();
            let password = DefaultAuth::new().credentials(jane);
            let target = echoing().await;
            let by_password = Client::with(password.clone());
            by_password
                .connect(dial(proxy).await, target)
                .await
                .unwrap();
            let target = echoing().await;
            let by_either = Client::with((Gssapi::new(tickets()), password));
            by_either.connect(dial(proxy).await, target).await.unwrap();
        })
    );
}

/// The server says what is missing in one line, and the client hears `01 FF`, both at once.
#[test]
fn a_keytab_that_is_missing_is_said_in_the_log() {
    in_realm!(
        a_keytab_that_is_missing_is_said_in_the_log,
        &[("KRB5_KTNAME", "nothing")],
        || run(async {
            let (log, _guard) = Log::start(Level::WARN);
            refused(&log, "keytab: Key table file '").await;
            assert!(log.text().contains("' not found"), "{}", log.text());
        })
    );
}

#[test]
fn a_keytab_that_is_out_of_date_is_said_in_the_log() {
    in_realm!(
        a_keytab_that_is_out_of_date_is_said_in_the_log,
        &[("KRB5_KTNAME", "old.keytab")],
        || run(async {
            let (log, _guard) = Log::start(Level::INFO);
            refused(&log, "keytab is likely out of date").await;
        })
    );
}

async fn refused(log: &Log, line: &str) {
    let proxy = proxy(stack(server(LEVELS), Connector::direct())).await;
    let begun = Instant::now();
    let client = client(ProtectionLevel::INTEGRITY);
    let refused = client.connect(dial(proxy).await, "127.0.0.1:9").await;
    refused.unwrap_err();
    while !log.text().contains(line) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(log.text().matches(line).count(), 1, "{}", log.text());
}
