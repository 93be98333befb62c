//! The resolver of the feature `hickory`, against a name server of a few lines.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
    proto::rr::Name,
};
use tokio::{
    net::{TcpListener, UdpSocket},
    task::JoinSet,
    time::{advance, timeout},
};
use tower::{Layer, ServiceExt};
use tower_socks::{
    AclLayer, Connector, Refusal, Request, Tunnel,
    connector::{
        direct::Direct,
        name_service::NameService,
        resolve::{HickoryResolver, Lookup, NameServers, ReverseLookup},
    },
    error::reply_code,
    proto::{Address, Command, DomainName, ReplyCode},
    session::{Check, UserOrClient},
};
use tracing::Level;

use crate::support::log::Log;

/// The names that a server was asked about.
type Questions = Arc<Mutex<BTreeSet<String>>>;

/// Knows `two.example`, and every name below `corp.example`, at an address of each family, and no other name; and two
/// names of 192.0.2.7.
async fn name_server() -> (SocketAddr, Questions) {
    let questions = Questions::default();
    let asked = Arc::clone(&questions);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        loop {
            let (len, client) = socket.recv_from(&mut buffer).await.unwrap();
            let name = question(&buffer[..len]);
            asked.lock().unwrap().insert(name.clone());
            if name.ends_with("silent.") {
                continue;
            }
            socket
                .send_to(&answer(&buffer[..len]), client)
                .await
                .unwrap();
        }
    });
    (address, questions)
}

/// The name in a query.
fn question(query: &[u8]) -> String {
    let mut rest = &query[12..];
    let mut name = String::new();
    while rest[0] != 0 {
        let (label, behind) = rest[1..].split_at(rest[0].into());
        name.push_str(&String::from_utf8_lossy(label));
        name.push('.');
        rest = behind;
    }
    name
}

/// An answer (RFC 1035 section 4) to a query with one question.
pub(crate) fn answer(query: &[u8]) -> Vec<u8> {
    let name_len = query[12..].iter().position(|octet| *octet == 0).unwrap() + 1;
    let question = &query[12..12 + name_len + 4];
    let name = self::question(query);
    let reverse = name == "7.2.0.192.in-addr.arpa.";
    let known = reverse || name == "two.example." || name.ends_with(".corp.example.");
    let kind = question[name_len + 1];
    let data = match (known, kind) {
        (true, 12) if reverse => vec![&b"\x03two\x07example\0"[..], b"\x05other\x07example\0"],
        (true, 1) if !reverse => vec![&[127, 0, 0, 1][..]],
        (true, 28) if !reverse => vec![&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..]],
        _ => Vec::new(),
    };
    let mut answer = query[..2].to_vec();
    answer.extend([0x81, if known { 0x80 } else { 0x83 }]);
    answer.extend([0, 1, 0, data.len() as u8, 0, 0, 0, 0]);
    answer.extend(question);
    for data in data {
        answer.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, data.len() as u8]);
        answer.extend(data);
    }
    answer
}

/// Asks that server, with a search domain below which it knows every name.
async fn resolver() -> HickoryResolver {
    searching().await.0
}

async fn searching() -> (HickoryResolver, Questions) {
    let (server, questions) = name_server().await;
    let mut connection = ConnectionConfig::udp();
    connection.port = server.port();
    let servers = vec![NameServerConfig::new(server.ip(), true, vec![connection])];
    let search = vec![Name::from_ascii("corp.example.").unwrap()];
    let config = ResolverConfig::from_parts(None, search, servers);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
    builder.options_mut().ndots = 5;
    (builder.build().unwrap().into(), questions)
}

/// The name that was judged is the name that is looked up.
#[tokio::test]
async fn no_search_domain_applies() {
    let (resolver, questions) = searching().await;
    for name in ["db", "good.example", "two.example.", "TWO.example"] {
        let found = resolver.clone().oneshot(DomainName::new(name).unwrap());
        let known = name.to_lowercase().starts_with("two.example");
        assert_eq!(found.await.is_ok(), known, "{name}");
    }
    let asked = questions.lock().unwrap().clone();
    assert!(asked.contains("db.") && asked.contains("good.example."));
    assert!(!asked.iter().any(|name| name.contains("corp")), "{asked:?}");
}

#[tokio::test]
async fn an_onion_service_is_nothing_to_ask_a_name_server_about() {
    let (resolver, questions) = searching().await;
    for name in ["onion", "a.onion", "b.A.Onion."] {
        let name = DomainName::new(name).unwrap();
        let error = resolver.clone().oneshot(name).await.unwrap_err();
        assert_eq!(reply_code(&*error), ReplyCode::HOST_UNREACHABLE);
    }
    assert!(questions.lock().unwrap().is_empty());
}

#[tokio::test]
async fn both_families_are_looked_up() {
    let name = DomainName::new("two.example").unwrap();
    let mut addresses = resolver().await.oneshot(name).await.unwrap();
    addresses.sort();
    let expected: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    assert_eq!(addresses, expected);
}

/// All of them, and no search domain applies here either.
#[tokio::test]
async fn names_of_an_address_are_looked_up() {
    let (resolver, questions) = searching().await;
    let names = |ip: &str| {
        let lookup = ReverseLookup::new(ip.parse().unwrap());
        resolver.clone().oneshot(lookup)
    };
    let mut found = names("192.0.2.7").await.unwrap();
    found.sort_by_key(ToString::to_string);
    let expected = ["other.example", "two.example"].map(|name| DomainName::new(name).unwrap());
    assert_eq!(found, expected);
    let error = names("2001:db8::7").await.unwrap_err();
    assert_eq!(reply_code(&*error), ReplyCode::HOST_UNREACHABLE);
    let asked = questions.lock().unwrap().clone();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked.contains("7.2.0.192.in-addr.arpa."), "{asked:?}");
    assert!(
        asked
            .iter()
            .any(|name| name.ends_with("8.b.d.0.1.0.0.2.ip6.arpa.")),
        "{asked:?}"
    );
}

/// Their port, the address that they are asked from, how long an answer may take, and what is kept of it.
#[tokio::test]
async fn name_servers_can_be_stated() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server = socket.local_addr().unwrap();
    let sources = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&sources);
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        loop {
            let (len, client) = socket.recv_from(&mut buffer).await.unwrap();
            seen.lock().unwrap().push(client.ip());
            if question(&buffer[..len]) != "silent." {
                let answer = answer(&buffer[..len]);
                socket.send_to(&answer, client).await.unwrap();
            }
        }
    });
    let from: IpAddr = "127.0.0.9".parse().unwrap();
    let two = || DomainName::new("two.example").unwrap();
    for (cache, asked) in [(0, 4), (16, 2)] {
        let servers = NameServers::new([server])
            .timeout(Duration::from_millis(100))
            .attempts(1)
            .cache(cache)
            .local_address(from);
        let resolver = HickoryResolver::with_servers(&servers).unwrap();
        for _ in 0..2 {
            assert_eq!(resolver.clone().oneshot(two()).await.unwrap().len(), 2);
        }
        // One for each family.
        let asked_from = std::mem::take(&mut *sources.lock().unwrap());
        assert_eq!(asked_from, vec![from; asked], "{cache}");

        let silent = resolver.oneshot(DomainName::new("silent").unwrap());
        let error = timeout(Duration::from_secs(4), silent).await.unwrap();
        assert_eq!(
            reply_code(&*error.unwrap_err()),
            ReplyCode::HOST_UNREACHABLE
        );
        sources.lock().unwrap().clear();
    }
    assert!(HickoryResolver::with_servers(&NameServers::new([])).is_err());
}

/// By RESOLVE_PTR a client is told one that the policies approve of.
#[tokio::test]
async fn a_client_is_told_a_name_that_may_be_told() {
    let resolver = resolver().await;
    let names = NameService::new().reverse_resolver(resolver);
    let policy = |request: &Request, _: Check| match &request.target {
        Address::Name(name, _) if name.as_str().contains("two") => {
            Err(Refusal::not_allowed("not that"))
        }
        _ => Ok(()),
    };
    let service = AclLayer::new(policy).layer(Connector::direct().with_resolve(names));
    let target = "192.0.2.7:0".parse().unwrap();
    let tunnel = service
        .oneshot(Request::new(Command::RESOLVE_PTR, target))
        .await;
    let tunnel = tunnel.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(tunnel.bound().to_string(), "other.example:0");
}

#[tokio::test]
async fn it_leads_to_a_connection_or_to_the_right_reply() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let direct = Direct::new().resolver(resolver().await);
    let connected = direct
        .clone()
        .oneshot(Address::new("two.example", port).unwrap())
        .await;
    assert_eq!(
        connected.unwrap().get_ref().peer_addr().unwrap().port(),
        port
    );
    let unknown = direct
        .oneshot(Address::new("three.example", port).unwrap())
        .await;
    assert_eq!(
        reply_code(&*unwrap_err(unknown)),
        ReplyCode::HOST_UNREACHABLE
    );
}

/// With the bounds of the system's resolver, and no thread for a lookup.
#[tokio::test]
async fn silent_names_of_one_client_delay_nobody_else() {
    let (resolver, questions) = searching().await;
    let resolver = resolver.with_concurrency(8);
    let ask = |name: &str, user: &str| {
        let name = DomainName::new(name).unwrap();
        let lookup = Lookup::new(name).for_client(UserOrClient::User(user.into()));
        resolver.clone().oneshot(lookup)
    };
    let mut held = JoinSet::new();
    for number in 0..40 {
        held.spawn(ask(&format!("n{number}.silent"), "mallory"));
        held.spawn(ask("one.silent", "mallory"));
    }
    tokio::task::yield_now().await;
    timeout(Duration::from_secs(2), ask("two.example", "joe"))
        .await
        .expect("it waits for another client's lookups")
        .unwrap();
    // A quarter of eight at most, and one lookup for one name.
    assert_eq!(questions.lock().unwrap().len(), 3);
    // Lookups that nobody waits for end, and give their turns back.
    held.abort_all();
    while held.join_next().await.is_some() {}
    timeout(Duration::from_secs(2), ask("three.example", "mallory"))
        .await
        .expect("turns are kept for nobody")
        .unwrap_err();
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_resolv_conf_that_has_changed_is_read_again() {
    let (log, _guard) = Log::start(Level::INFO);
    let path = std::env::temp_dir().join(format!("resolv.conf.{}", std::process::id()));
    // Nothing answers there.
    let options = "options timeout:1 attempts:1";
    std::fs::write(&path, format!("nameserver 127.0.0.77\n{options}\n")).unwrap();
    let resolver = HickoryResolver::from_file(&path).unwrap();
    let ask = |name: &str| {
        let lookup = Lookup::new(DomainName::new(name).unwrap());
        resolver.clone().oneshot(lookup)
    };
    let says = |text: &str| log.text().matches(text).count();
    std::fs::write(&path, format!("nameserver 127.0.0.177\n{options}\n")).unwrap();
    ask("a.example").await.unwrap_err();
    advance(Duration::from_secs(5)).await;
    for name in ["b.example", "c.example"] {
        ask(name).await.unwrap_err();
    }
    assert_eq!(says("its name servers are asked from now on"), 1);
    // What cannot be used changes nothing, and is said once.
    std::fs::write(&path, "no server at all\n").unwrap();
    for name in ["d.example", "e.example"] {
        advance(Duration::from_secs(5)).await;
        ask(name).await.unwrap_err();
    }
    assert_eq!(says("cannot be used: name servers stay"), 1);
    std::fs::remove_file(&path).unwrap();
    advance(Duration::from_secs(5)).await;
    ask("f.example").await.unwrap_err();
}

fn unwrap_err<T, E>(result: Result<T, E>) -> E {
    match result {
        Ok(_) => panic!("expected a failure"),
        Err(error) => error,
    }
}
