//! What other SOCKS software got wrong, once each.
//!
//! | fault | test |
//! |---|---|
//! | a handshake that dribbling extends | `protocol::deadline::s7_*` |
//! | accept loop ends or spins on EMFILE | `server::accept::exhausted_descriptors_*` |
//! | CONNECT reply says 127.0.0.1:0, 0.0.0.0:0 or the destination | `connect::direct::n1_*` |
//! | every failure is one code; name failure is "refused" | `protocol::requests_errors::r10_*`, here |
//! | only the first address is tried; a time-out on it ends the dial | `connect::direct::n4_*`, here |
//! | unknown CMD or ATYP closes without a reply | `protocol::requests::r3_*`, `protocol::requests::r4_*` |
//! | the second byte of the greeting taken for a method | here |
//! | `05 02` after `05 FF` | `protocol::method_selection::s5_*` |
//! | success before the password is checked | `protocol::userpass::u2_*` |
//! | a name matched by prefix | here |
//! | passwords in logs and errors | `secrecy::passwords::u6_*` |
//! | an empty list of users lets everyone in | here |
//! | name checked, then resolved again to dial | `connect::policy::n2_*`, `policy::rebinding::*`, `udp::rebinding::*` |
//! | an allow range beats any deny range | `policy::rules::the_first_rule_*`, here |
//! | special ranges forgotten | `policy::literals::r13_*`, here |
//! | `concurrent` is only the listen backlog | `server::accept::a_concurrency_limit_on_top_*` |
//! | the permit of a limit is free at the reply | here |
//! | a limit becomes one per connection | here |
//! | sockets in CLOSE_WAIT after half-close | `relay::limits::half_closed_tunnel_*` |
//! | the first UDP sender, any at all, takes the association over | `udp::clients::a4_*` |
//! | one UDP port for all, which asks nobody who they are | `udp::lifetime::a2_*`, `udp::clients::a4_*` |
//! | one bad datagram ends the association | `udp::fragments::a6_*`, `udp::names::a10_*` |
//! | datagrams are cut | `udp::sizes::a9_*` |
//! | an idle limit that is an absolute one, or none | `udp::limits::a13_*` |
//! | the datagram being sent is lost when another arrives | `udp::sizes::a9_neither_direction_*` |
//! | a wildcard address advertised for UDP | `udp::lifetime::a3_*` |
//! | rules asked once, never for the datagrams | `udp::policy::a12_*`, `policy::rules_matrix::udp_associate`, `udp::swap::*` |
//! | BIND listens on DST.ADDR, waits for ever, or never watches the client | `connect::bind::b1_*`, `connect::bind::b5_*` |
//! | listen() after the first reply of BIND | `connect::bind::b1_bnd_can_be_reached_*` |
//! | a configuration error ends in an open proxy | `program::server::*` |
//! | a client panics on REP above 08, or on a short buffer | `client::rogue::c4_*` |
//! | a client loses the bytes behind the reply | `client::rogue::c6_*`, `client::optimistic::c6_*` |
//! | a client's buffer is too small for a long name, password and host | `client::connect::c5_*`, `client::optimistic::the_longest_*` |
//! | a host of more than 255 octets is cut, or overflows | `client::connect::c5_*` |

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    net::TcpListener,
    time::{Instant, sleep},
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_socks::{
    AuthLayer, BoxError, Credentials, HandshakeLayer, NoAuth, Request, Rules, UserPass, Users,
    connector::{direct::Direct, resolve::Lookup},
    error::{AuthError, reply_code},
    proto::{Address, Command, ReplyCode},
    session::{Accepted, Connected, Policy},
};

const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

fn users() -> Users {
    [("joe", "secret")].into_iter().collect()
}

/// Lets a session with `stack` hear `said`, and everything that it answers.
async fn answer<S>(stack: S, said: &[u8]) -> Vec<u8>
where
    S: Service<Accepted<DuplexStream>, Error = BoxError> + Send + 'static,
    S::Future: Send,
    S::Response: Send,
{
    let (mut client, io) = duplex(4096);
    tokio::spawn(stack.oneshot(Accepted::new(io, NOBODY, NOBODY)));
    client.write_all(said).await.unwrap();
    client.shutdown().await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_second_byte_of_the_greeting_is_a_count() {
    // Two methods, neither of them X'02'.
    let stack = HandshakeLayer::new()
        .layer(AuthLayer::new(UserPass::new(users())).layer(tower_socks::Connector::direct()));
    assert_eq!(answer(stack, b"\x05\x02\x80\x81").await, b"\x05\xff");
    // One method, which is not X'01'; zero methods, which is not X'00'.
    let stack =
        HandshakeLayer::new().layer(AuthLayer::new(NoAuth).layer(tower_socks::Connector::direct()));
    assert_eq!(answer(stack.clone(), b"\x05\x01\x02").await, b"\x05\xff");
    assert_eq!(answer(stack, b"\x05\x00").await, b"\x05\xff");
}

#[tokio::test]
async fn names_and_passwords_are_compared_whole() {
    let mut users: Users = [("joe", "secret"), ("joes", "hidden")]
        .into_iter()
        .collect();
    let mut verify = async |name: &str, password: &str| {
        let credentials = Credentials::new(name, password).unwrap();
        users.ready().await.unwrap().call(credentials).await.is_ok()
    };
    assert!(verify("joe", "secret").await);
    assert!(verify("joes", "hidden").await);
    for (name, password) in [
        ("jo", "secret"),
        ("joe\0", "secret"),
        ("joess", "hidden"),
        ("Joe", "secret"),
        ("", "secret"),
        ("", ""),
        ("joe", "secre"),
        ("joe", "secret\0"),
        ("joe", "secrets"),
        ("joe", "hidden"),
        ("joe", ""),
        // What an unknown name is compared with must not be a password.
        ("nobody", ""),
        ("nobody", "\0"),
    ] {
        assert!(!verify(name, password).await, "{name:?} {password:?}");
    }
}

#[tokio::test]
async fn no_users_means_that_nobody_gets_in() {
    let anyone = Credentials::new("", "").unwrap();
    let denied = Users::default().oneshot(anyone).await;
    assert!(matches!(denied, Err(AuthError::Denied)));

    let auth = UserPass::new(Users::default()).allow_empty();
    let stack =
        HandshakeLayer::new().layer(AuthLayer::new(auth).layer(tower_socks::Connector::direct()));
    let said = b"\x05\x02\x00\x02\x01\x00\x00";
    assert_eq!(answer(stack, said).await, b"\x05\x02\x01\x01");
}

#[test]
fn users_from_a_file_are_checked_and_not_shown() {
    let read = |text: &str| serde_json::from_str::<Users>(text);
    assert_eq!(read(r#"{"joe": "secret"}"#).unwrap().len(), 1);
    for wrong in [
        format!(r#"{{"joe": "{}"}}"#, "secret".repeat(50)),
        r#"{"joe": ""}"#.into(),
        r#"{"": "secret"}"#.into(),
    ] {
        let error = read(&wrong).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_not_a_refused_connection() {
    let resolver = service_fn(async |_: Lookup| -> io::Result<Vec<IpAddr>> {
        Err(io::ErrorKind::ConnectionRefused.into()) // of the name server
    });
    let target = Address::new("nowhere.example", 80).unwrap();
    let error = Direct::new().resolver(resolver).oneshot(target).await;
    assert_eq!(
        reply_code(&*error.unwrap_err()),
        ReplyCode::HOST_UNREACHABLE
    );
}

#[tokio::test]
async fn a_name_server_that_is_silent_is_given_up() {
    tokio::time::pause();
    let resolver =
        service_fn(async |_: Lookup| -> io::Result<Vec<IpAddr>> { std::future::pending().await });
    let direct = Direct::new()
        .resolver(resolver)
        .connect_timeout(Duration::from_secs(7));
    let started = Instant::now();
    let error = direct
        .oneshot(Address::new("slow.example", 80).unwrap())
        .await;
    assert_eq!(reply_code(&*error.unwrap_err()), ReplyCode::TTL_EXPIRED);
    assert_eq!(started.elapsed().as_secs(), 7);
}

#[tokio::test]
async fn every_address_is_tried() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // Nobody listens at the others, and the last one is the 32nd.
    let resolver = service_fn(async |_: Lookup| {
        let dead = (2..33).map(|last| Ipv4Addr::new(127, 9, 9, last));
        Ok::<_, BoxError>(dead.chain([Ipv4Addr::LOCALHOST]).map(IpAddr::V4))
    });
    let direct = Direct::new().resolver(resolver);
    let connected = direct
        .oneshot(Address::new("many.example", port).unwrap())
        .await;
    let peer = connected.unwrap().get_ref().peer_addr().unwrap();
    assert_eq!(peer, listener.local_addr().unwrap());
}

/// Whether rules let a connection to an address pass.
fn passes(rules: &Rules, ip: &str) -> bool {
    let address = SocketAddr::new(ip.parse().unwrap(), 80);
    let request = Request::new(Command::CONNECT, address.into());
    let stated = rules.check(&request).is_ok();
    assert_eq!(stated, rules.check_address(&request, address).is_ok());
    stated
}

#[test]
fn neither_an_allow_range_nor_a_deny_range_beats_the_rule_before_it() {
    let (wide, narrow) = ("8.0.0.0/8", "8.8.0.0/16");
    for (first, range, second, other, outcome) in [
        ("allow", wide, "deny", narrow, [true, true]),
        ("deny", wide, "allow", narrow, [false, false]),
        ("allow", narrow, "deny", wide, [true, false]),
        ("deny", narrow, "allow", wide, [false, true]),
    ] {
        for default in ["allow", "deny"] {
            let text = format!(
                r#"
                default = "{default}"
                rules = [
                    {{ action = "{first}", to = "{range}" }},
                    {{ action = "{second}", to = "{other}" }},
                ]
                "#
            );
            let rules = toml::from_str(&text).unwrap();
            let passed = ["8.8.8.8", "8.9.8.8"].map(|ip| passes(&rules, ip));
            assert_eq!(passed, outcome, "{text}");
        }
    }
}

#[test]
fn no_special_range_is_forgotten() {
    let special_ones = "0.1.2.3 10.0.0.1 100.64.0.1 127.255.255.254 169.254.169.254 172.31.255.255 \
        192.0.0.8 192.0.2.1 192.168.0.1 198.19.255.255 198.51.100.1 203.0.113.1 \
        224.0.0.1 240.0.0.1 255.255.255.255 :: ::1 ::ffff:10.0.0.1 ::10.0.0.1 \
        64:ff9b::10.0.0.1 64:ff9b:1::8.8.8.8 100::1 2001::8.8.8.8 2001:db8::1 \
        2002:a00:1::1 fc00::1 fd12:3456::1 fe80::1 fec0::1 ff02::1";
    for special in special_ones.split_whitespace() {
        assert!(!passes(&Rules::default(), special), "{special}");
    }
    let ordinary_ones = "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 172.32.0.0 192.0.1.1 \
        198.17.255.255 198.20.0.0 223.255.255.255 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 \
        2002:808:808::1 2606:4700::1111";
    for ordinary in ordinary_ones.split_whitespace() {
        assert!(passes(&Rules::default(), ordinary), "{ordinary}");
    }
}

/// A client of a stack in memory, with its reply read: the tunnel is open.
async fn open<S>(stack: S) -> DuplexStream
where
    S: Service<Accepted<DuplexStream>, Error = BoxError> + Send + 'static,
    S::Future: Send,
    S::Response: Send,
{
    let (mut client, io) = duplex(64);
    tokio::spawn(stack.oneshot(Accepted::new(io, NOBODY, NOBODY)));
    let said = b"\x05\x01\x00\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50";
    client.write_all(said).await.unwrap();
    client.read_exact(&mut [0; 12]).await.unwrap();
    client
}

/// Answers every request with a stream on which nothing happens.
async fn silence(_: Request) -> Result<Connected<DuplexStream>, BoxError> {
    let (near, far) = duplex(64);
    tokio::spawn(async move {
        let mut far = far;
        while far.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
    });
    Ok(Connected::new(near, Address::UNSPECIFIED))
}

#[tokio::test(start_paused = true)]
async fn a_limit_on_top_is_shared_and_lasts_as_long_as_the_tunnel() {
    let stack = ServiceBuilder::new()
        .concurrency_limit(2)
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .service(service_fn(silence));
    let first = open(stack.clone()).await;
    let _second = open(stack.clone()).await;
    // The tunnels have been open for long, and their permits are still taken.
    sleep(Duration::from_secs(60)).await;
    let served = Arc::new(AtomicUsize::new(0));
    let third = tokio::spawn({
        let (stack, served) = (stack.clone(), served.clone());
        async move {
            let client = open(stack).await;
            served.fetch_add(1, Ordering::SeqCst);
            client
        }
    });
    sleep(Duration::from_secs(60)).await;
    assert_eq!(served.load(Ordering::SeqCst), 0);
    drop(first);
    third.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_limit_below_bounds_dials_and_not_tunnels() {
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .concurrency_limit(1)
        .service(service_fn(silence));
    let _tunnels = [
        open(stack.clone()).await,
        open(stack.clone()).await,
        open(stack).await,
    ];
}
