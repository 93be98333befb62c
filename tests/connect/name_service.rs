//! RESOLVE and RESOLVE_PTR: what is told, and to whom.

use std::{
    future::pending,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    sync::mpsc,
    time::{Instant, timeout},
};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_socks::{
    AclLayer, AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth, Request, Rules, Traffic,
    Tunnel,
    connector::{
        associate::Associate,
        bind::Bind,
        direct::Direct,
        name_service::NameService,
        resolve::{Lookup, Resolve, ReverseLookup, ReverseResolve, SystemResolver},
    },
    error::{Fault, reply_code},
    proto::{Address, Command, DomainName, ReplyCode},
    session::{Accepted, Protocol},
};

use crate::support::{
    Client, HELLO, HELLO_OK, Script, exchange, failure, resolvers::answering, stack, within,
};

const RESOLVE: u8 = 0xf0;
const RESOLVE_PTR: u8 = 0xf1;

/// A request for a name, with a port that means nothing.
fn of_name(command: u8, name: &str) -> Vec<u8> {
    let len = u8::try_from(name.len()).unwrap();
    [&[5, command, 0, 3, len], name.as_bytes(), b"\x01\xbb"].concat()
}

/// A request for an address.
fn of_address(command: u8, ip: &str) -> Vec<u8> {
    [&[5, command, 0], &*octets(ip), b"\x01\xbb"].concat()
}

/// ATYP and an address.
fn octets(ip: &str) -> Vec<u8> {
    match ip.parse().unwrap() {
        IpAddr::V4(ip) => [&[1], &ip.octets()[..]].concat(),
        IpAddr::V6(ip) => [&[4], &ip.octets()[..]].concat(),
    }
}

/// The reply that tells an address.
fn told(ip: &str) -> Vec<u8> {
    [b"\x05\x00\x00", &*octets(ip), b"\0\0"].concat()
}

/// The reply that tells a name.
fn told_name(name: &str) -> Vec<u8> {
    let len = u8::try_from(name.len()).unwrap();
    [&[5, 0, 0, 3, len], name.as_bytes(), b"\0\0"].concat()
}

/// A reverse resolver with this answer, and how often it was asked.
fn named(names: &'static [&'static str]) -> (impl ReverseResolve + Sync, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let resolver = service_fn(move |_: ReverseLookup| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            let names = names.iter().map(|name| DomainName::new(name).unwrap());
            Ok::<_, BoxError>(names.collect::<Vec<_>>())
        }
    });
    (resolver, asked)
}

type Names<R, P> = Connector<Direct, Bind, Associate, NameService<R, P>>;

fn service<R: Resolve, P: ReverseResolve>(resolver: R, reverse: P) -> Names<R, P> {
    let names = NameService::new().resolver(resolver);
    Connector::direct().with_resolve(names.reverse_resolver(reverse))
}

/// What a server says to this request: all of its octets, until it closes.
async fn hears<S>(server: S, request: &[u8]) -> Vec<u8>
where
    S: Service<Accepted<tokio::io::DuplexStream>, Response = Traffic, Error = BoxError>
        + Send
        + 'static,
    S::Future: Send,
{
    let heard = exchange(server, &[HELLO, request].concat()).await;
    heard.strip_prefix(HELLO_OK).unwrap().to_vec()
}

#[tokio::test]
async fn off_unless_switched_on() {
    for command in [RESOLVE, RESOLVE_PTR] {
        for request in [
            of_name(command, "localhost"),
            of_address(command, "192.0.2.1"),
        ] {
            let heard = hears(stack(NoAuth, Connector::direct()), &request).await;
            assert_eq!(heard, failure(7));
        }
    }
    // Names of addresses take a resolver of their own.
    let connector = Connector::direct().with_resolve(NameService::new());
    let heard = hears(
        stack(NoAuth, connector),
        &of_address(RESOLVE_PTR, "192.0.2.1"),
    )
    .await;
    assert_eq!(heard, failure(7));
}

#[tokio::test]
async fn resolve_tells_one_address_and_ends() {
    for (answer, expected) in [
        (&["192.0.2.7"][..], "192.0.2.7"),
        (&["2001:db8::7"], "2001:db8::7"),
        (&["2001:db8::7", "192.0.2.7", "192.0.2.8"], "192.0.2.7"),
        (&["::ffff:192.0.2.9"], "192.0.2.9"),
    ] {
        let (resolver, asked) = answering(&[answer]);
        let server = stack(NoAuth, service(resolver, named(&[]).0));
        let heard = hears(server, &of_name(RESOLVE, "Target.Example.")).await;
        assert_eq!(heard, told(expected));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn resolve_of_an_address_tells_it_again() {
    for (stated, expected) in [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
    ] {
        let (resolver, asked) = answering(&[&["203.0.113.1"]]);
        let server = stack(NoAuth, service(resolver, named(&[]).0));
        let heard = hears(server, &of_address(RESOLVE, stated)).await;
        assert_eq!(heard, told(expected));
        assert_eq!(asked.load(Ordering::SeqCst), 0);
    }
    let (resolver, asked) = answering(&[&["203.0.113.1"]]);
    let server = stack(NoAuth, service(resolver, named(&[]).0));
    assert_eq!(
        hears(server, &of_name(RESOLVE, "0xc0.0.2.7")).await,
        told("192.0.2.7")
    );
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn resolve_ptr_tells_a_name_and_ends() {
    let longest = "x".repeat(255);
    let longest: &'static str = longest.leak();
    let names: [&'static [&'static str]; 2] =
        [&["host.example", "other.example"], vec![longest].leak()];
    for names in names {
        for ip in ["192.0.2.7", "2001:db8::7"] {
            let (reverse, asked) = named(names);
            let server = stack(NoAuth, service(answering(&[&[]]).0, reverse));
            let heard = hears(server, &of_address(RESOLVE_PTR, ip)).await;
            assert_eq!(heard, told_name(names[0]));
            assert_eq!(asked.load(Ordering::SeqCst), 1);
        }
    }
    // A name has no name.
    let (reverse, asked) = named(&["host.example"]);
    let server = stack(NoAuth, service(answering(&[&[]]).0, reverse));
    assert_eq!(
        hears(server, &of_name(RESOLVE_PTR, "a.example")).await,
        failure(8)
    );
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn nothing_found_is_04() {
    let server = || stack(NoAuth, service(answering(&[&[]]).0, named(&[]).0));
    assert_eq!(
        hears(server(), &of_name(RESOLVE, "a.example")).await,
        failure(4)
    );
    assert_eq!(
        hears(server(), &of_address(RESOLVE_PTR, "192.0.2.7")).await,
        failure(4)
    );

    let fails = service_fn(async |_: Lookup| Err::<Vec<IpAddr>, _>(BoxError::from("no")));
    let fails_too =
        service_fn(async |_: ReverseLookup| Err::<Vec<DomainName>, _>(BoxError::from("no")));
    let server = || stack(NoAuth, service(fails, fails_too));
    assert_eq!(
        hears(server(), &of_name(RESOLVE, "a.example")).await,
        failure(4)
    );
    assert_eq!(
        hears(server(), &of_address(RESOLVE_PTR, "192.0.2.7")).await,
        failure(4)
    );

    let onion = of_name(RESOLVE, "expyuzz4wqqyqhjn.onion");
    let connector = Connector::direct().with_resolve(NameService::new());
    assert_eq!(hears(stack(NoAuth, connector), &onion).await, failure(4));
}

fn rules(rules: &str) -> Rules {
    toml::from_str(rules).unwrap()
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_never_told() {
    let allowing = || AclLayer::new(rules("default = \"allow\""));
    for (answer, expected) in [
        (&["10.0.0.7"][..], failure(2).to_vec()),
        (
            &["127.0.0.1", "169.254.169.254", "::1", "fd00::1"],
            failure(2).to_vec(),
        ),
        (
            &["::ffff:10.0.0.7", "64:ff9b::10.0.0.7"],
            failure(2).to_vec(),
        ),
        (&["10.0.0.7", "8.8.8.8"], told("8.8.8.8")),
        (&["10.0.0.7", "2600::7"], told("2600::7")),
        (&["0.0.0.0"], failure(2).to_vec()),
    ] {
        let server = allowing().layer(service(answering(&[answer]).0, named(&[]).0));
        let heard = hears(stack(NoAuth, server), &of_name(RESOLVE, "a.example")).await;
        assert_eq!(heard, expected, "{answer:?}");
    }
    // As an address in place of a name, and whose name is asked for.
    for command in [RESOLVE, RESOLVE_PTR] {
        let (reverse, asked) = named(&["intern.example"]);
        let server = allowing().layer(service(answering(&[&[]]).0, reverse));
        let heard = hears(stack(NoAuth, server), &of_address(command, "10.0.0.7")).await;
        assert_eq!(heard, failure(2));
        assert_eq!(asked.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn a_name_that_is_refused_is_not_looked_up() {
    for text in [
        "default = \"allow\"\nrules = [{ action = \"deny\", to = \"*.example\" }]",
        "default = \"allow\"\nrules = [{ action = \"deny\", command = \"resolve\" }]",
        "default = \"deny\"\nrules = [{ action = \"allow\", command = \"resolve_ptr\" }]",
        // The port is nobody's choice.
        "default = \"deny\"\nrules = [{ action = \"allow\", port = 443 }]",
    ] {
        let (resolver, asked) = answering(&[&["8.8.8.8"]]);
        let server = AclLayer::new(rules(text)).layer(service(resolver, named(&[]).0));
        let heard = hears(stack(NoAuth, server), &of_name(RESOLVE, "a.example")).await;
        assert_eq!(heard, failure(2), "{text}");
        assert_eq!(asked.load(Ordering::SeqCst), 0, "{text}");
    }
    let text = "default = \"deny\"\nrules = [{ action = \"allow\", command = \"resolve\" }]";
    let server =
        AclLayer::new(rules(text)).layer(service(answering(&[&["8.8.8.8"]]).0, named(&[]).0));
    let heard = hears(stack(NoAuth, server), &of_name(RESOLVE, "a.example")).await;
    assert_eq!(heard, told("8.8.8.8"));
}

#[tokio::test]
async fn a_name_that_is_not_allowed_is_never_told() {
    let text = "default = \"allow\"\nrules = [{ action = \"deny\", to = \"*.corp.example\" }]";
    for (names, expected) in [
        (&["db.corp.example"][..], failure(2).to_vec()),
        (
            &["db.corp.example", "www.example"],
            told_name("www.example"),
        ),
    ] {
        let reverse = named(names).0;
        let server = AclLayer::new(rules(text)).layer(service(answering(&[&[]]).0, reverse));
        let heard = hears(stack(NoAuth, server), &of_address(RESOLVE_PTR, "8.8.8.8")).await;
        assert_eq!(heard, expected);
    }
}

#[tokio::test]
async fn what_was_asked_for_is_told_where_bnd_of_connect_is_not() {
    let server = || {
        let connector = service(answering(&[&["192.0.2.7"]]).0, named(&["host.example"]).0);
        let handshake = HandshakeLayer::new().reply_bound(false);
        handshake.layer(AuthLayer::new(NoAuth).layer(connector))
    };
    assert_eq!(
        hears(server(), &of_name(RESOLVE, "a.example")).await,
        told("192.0.2.7")
    );
    assert_eq!(
        hears(server(), &of_address(RESOLVE_PTR, "192.0.2.7")).await,
        told_name("host.example")
    );
}

#[tokio::test(start_paused = true)]
async fn requests_octet_by_octet() {
    within(async {
        for (request, expected) in [
            (of_name(RESOLVE, "a.example"), told("192.0.2.7")),
            (
                of_address(RESOLVE_PTR, "192.0.2.7"),
                told_name("host.example"),
            ),
        ] {
            let connector = service(answering(&[&["192.0.2.7"]]).0, named(&["host.example"]).0);
            let mut client = Client::new(stack(NoAuth, connector));
            client.io.say_bytewise(HELLO).await;
            client.io.hear(HELLO_OK).await;
            client.io.say_bytewise(&request).await;
            client.io.hear(&expected).await;
            client.io.hear_end().await;
            drop(client.io);
            assert_eq!(client.session.await.unwrap().unwrap(), Traffic::default());
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_on_is_left_soon() {
    let connector = service(answering(&[&["192.0.2.7"]]).0, named(&[]).0);
    let mut client = Client::new(stack(NoAuth, connector));
    client
        .io
        .say(&[HELLO, &of_name(RESOLVE, "a.example"), b"GET / HTTP/1.0\r\n"].concat())
        .await;
    client.io.hear(HELLO_OK).await;
    client.io.hear(&told("192.0.2.7")).await;
    client.io.hear_end().await;
    let started = Instant::now();
    let talks = async {
        while client.io.write_all(b"more").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(60), talks).await.unwrap();
    assert!(
        started.elapsed() <= Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(client.session.await.unwrap().unwrap(), Traffic::default());
}

/// A resolver without an answer, which tells when its lookup begins and ends.
fn silent() -> (impl Resolve + Sync, mpsc::UnboundedReceiver<&'static str>) {
    let (tell, told) = mpsc::unbounded_channel();
    let resolver = service_fn(move |_: Lookup| {
        let tell = tell.clone();
        async move {
            struct Ends(mpsc::UnboundedSender<&'static str>);
            impl Drop for Ends {
                fn drop(&mut self) {
                    let _ = self.0.send("ends");
                }
            }
            tell.send("begins").unwrap();
            let _ends = Ends(tell);
            pending::<Result<Vec<IpAddr>, BoxError>>().await
        }
    });
    (resolver, told)
}

#[tokio::test(start_paused = true)]
async fn a_lookup_has_a_limit() {
    let (resolver, _told) = silent();
    let names = NameService::new()
        .resolver(resolver)
        .timeout(Duration::from_secs(7));
    let connector = Connector::direct().with_resolve(names);
    let started = Instant::now();
    let heard = hears(stack(NoAuth, connector), &of_name(RESOLVE, "a.example")).await;
    assert_eq!(heard, failure(6));
    assert_eq!(started.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_ends_with_its_session() {
    let (resolver, mut told) = silent();
    let mut client = Client::new(stack(NoAuth, service(resolver, named(&[]).0)));
    client
        .io
        .say(&[HELLO, &of_name(RESOLVE, "a.example")].concat())
        .await;
    assert_eq!(told.recv().await, Some("begins"));
    client.session.abort();
    assert_eq!(told.recv().await, Some("ends"));
}

async fn asked<R: Resolve, P: ReverseResolve>(
    names: NameService<R, P>,
    request: Request,
) -> Result<String, ReplyCode> {
    match names.oneshot(request).await {
        Ok(tunnel) => Ok(tunnel.bound().to_string()),
        Err(error) => Err(reply_code(&*error)),
    }
}

#[tokio::test]
async fn which_family_is_told() {
    let both: &[&str] = &["192.0.2.7", "2001:db8::7"];
    let request = |protocol| {
        let mut request = Request::new(Command::RESOLVE, Address::new("a.example", 0).unwrap());
        request.protocol = protocol;
        request
    };
    for (answer, ipv6_first, protocol, expected) in [
        (both, false, Protocol::Socks5, Ok("192.0.2.7:0")),
        (both, true, Protocol::Socks5, Ok("[2001:db8::7]:0")),
        (&["192.0.2.7"], true, Protocol::Socks5, Ok("192.0.2.7:0")),
        (both, true, Protocol::Socks4, Ok("192.0.2.7:0")),
        (
            &["2001:db8::7"],
            false,
            Protocol::Socks4,
            Err(ReplyCode::HOST_UNREACHABLE),
        ),
    ] {
        let names = NameService::new()
            .resolver(answering(&[answer]).0)
            .ipv6_first(ipv6_first);
        let found = asked(names, request(protocol)).await;
        assert_eq!(found, expected.map(str::to_owned), "{answer:?} {protocol}");
    }
}

#[tokio::test]
async fn other_commands_are_refused() {
    let request = Request::new(Command::CONNECT, Address::new("a.example", 80).unwrap());
    let names = NameService::new().resolver(answering(&[&["192.0.2.7"]]).0);
    assert_eq!(
        asked(names, request).await,
        Err(ReplyCode::COMMAND_NOT_SUPPORTED)
    );
}

#[tokio::test]
async fn of_thousands_of_answers_few_are_judged() {
    let many: Vec<String> = (0..5000)
        .map(|n| format!("10.0.{}.{}", n / 250, n % 250))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let judged = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&judged);
    let policy = move |_: &Request, check: tower_socks::session::Check| match check.address() {
        None => Ok(()),
        Some(_) => {
            count.fetch_add(1, Ordering::SeqCst);
            Err(tower_socks::Refusal::not_allowed("none"))
        }
    };
    let server = AclLayer::new(policy).layer(service(answering(&[&many]).0, named(&[]).0));
    let heard = hears(stack(NoAuth, server), &of_name(RESOLVE, "a.example")).await;
    assert_eq!(heard, failure(2));
    assert_eq!(judged.load(Ordering::SeqCst), 32);
}

/// The name that a resolver of the system has for an address: what `hosts` says of loopback.
#[tokio::test]
async fn the_system_knows_the_name_of_this_host() {
    let system = SystemResolver::new();
    let names = NameService::new().reverse_resolver(system.clone());
    let request = Request::new(Command::RESOLVE_PTR, "127.0.0.1:0".parse().unwrap());
    let found = asked(names, request).await;
    assert_eq!(found, Ok("localhost:0".to_owned()));
    // One that looks elsewhere does not ask the system.
    let own = SystemResolver::from_fn(1, |_| Ok(Vec::new()));
    let error = own
        .oneshot(ReverseLookup::new([127, 0, 0, 1].into()))
        .await
        .unwrap_err();
    assert_eq!(reply_code(&*error), ReplyCode::HOST_UNREACHABLE);
    assert_eq!(Fault::of(&*error), Fault::Target);
}

#[tokio::test]
async fn a_name_that_is_handed_on_is_judged_before_it_leaves() {
    for (hands_on, name, heard, asked) in [
        (false, "db.internal", told("203.0.114.7"), 1),
        (true, "db.internal", failure(2).to_vec(), 0),
        (true, "example.com", told("203.0.114.7"), 1),
    ] {
        let count = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&count);
        let resolver = service_fn(move |_: Lookup| {
            counts.fetch_add(1, Ordering::SeqCst);
            async { Ok::<_, BoxError>(vec![IpAddr::from([203, 0, 114, 7])]) }
        });
        let names = NameService::new().resolver(resolver);
        let names = Connector::direct().with_resolve(names.hands_names_on(hands_on));
        let server = stack(NoAuth, AclLayer::new(Rules::default()).layer(names));
        assert_eq!(
            hears(server, &of_name(RESOLVE, name)).await,
            heard,
            "{name}"
        );
        assert_eq!(count.load(Ordering::SeqCst), asked, "{name}");
    }
}
