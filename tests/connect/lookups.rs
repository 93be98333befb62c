//! Lookups of several clients by one resolver: no client hurts another, and none asks for one name twice.

use std::{
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Condvar, Mutex},
    task::Poll,
    time::Duration,
};

use tokio::{
    net::{TcpListener, UdpSocket},
    task::JoinSet,
    time::{advance, timeout},
};
use tower::ServiceExt;
use tower_socks::{
    BoxError, Identity, Request,
    connector::{
        associate::MakeDirect,
        bind::Bind,
        direct::Direct,
        resolve::{Lookup, Resolve, SystemResolver},
    },
    datagram::{DatagramTransport, Datagrams},
    error::{LookupError, LookupErrorKind, reply_code},
    proto::{Address, Command, DomainName, ReplyCode},
    session::UserOrClient,
};

/// Where names are looked up by threads. Those of `silent` hang until it is dropped.
#[derive(Clone, Default)]
struct NameServer(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    asked: Vec<String>,
    over: bool,
}

impl NameServer {
    fn resolver(&self, lookups: usize) -> SystemResolver {
        let server = self.clone();
        SystemResolver::from_fn(lookups, move |name| server.answer(name))
    }

    fn answer(&self, name: &DomainName) -> io::Result<Vec<IpAddr>> {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.asked.push(name.to_string());
        changed.notify_all();
        match name.rsplit('.').next().unwrap() {
            "fast" => Ok(vec![IpAddr::from([127, 0, 0, 1])]),
            "missing" => Err(io::ErrorKind::NotFound.into()),
            "unanswered" => Err(io::ErrorKind::TimedOut.into()),
            "crowded" => Err(io::Error::from_raw_os_error(24)), // EMFILE
            "broken" => {
                drop(state);
                panic!("as this name wants it")
            }
            _ => {
                drop(changed.wait_while(state, |state| !state.over).unwrap());
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }

    fn asked(&self) -> Vec<String> {
        self.0.0.lock().unwrap().asked.clone()
    }

    /// Waits until so many names were asked for.
    async fn has_heard(&self, names: usize) {
        // Tasks that were spawned begin.
        tokio::task::yield_now().await;
        let (state, changed) = &*self.0;
        let few = |state: &mut State| state.asked.len() < names;
        let patience = Duration::from_secs(10);
        let heard = changed.wait_timeout_while(state.lock().unwrap(), patience, few);
        assert!(!heard.unwrap().1.timed_out(), "not {names} names");
    }

    /// Answers, at last.
    fn end(&self) {
        self.0.0.lock().unwrap().over = true;
        self.0.1.notify_all();
    }
}

/// Threads that hang would keep the runtime from ending.
struct Ends(NameServer);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn server() -> (NameServer, Ends) {
    let server = NameServer::default();
    (server.clone(), Ends(server))
}

fn lookup(name: &str, user: &str) -> Lookup {
    Lookup::new(DomainName::new(name).unwrap()).for_client(UserOrClient::User(user.into()))
}

fn request(command: Command, target: &str, user: &str) -> Request {
    let mut request = Request::new(command, target.parse().unwrap());
    request.identity = Identity::named(user);
    request.local = "127.0.0.1:1080".parse().unwrap();
    request
}

fn kind(error: &BoxError) -> LookupErrorKind {
    error
        .downcast_ref::<LookupError>()
        .expect("a lookup's error")
        .kind()
}

/// Without a turn for this client before the silent names are answered, this takes for ever.
async fn at_once<F: Future>(future: F) -> F::Output {
    let soon = timeout(Duration::from_secs(5), future).await;
    soon.expect("it waits for another client's lookup")
}

/// What another client gets meanwhile, by each command.
async fn works_for(user: &str, resolver: &SystemResolver) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let direct = Direct::new().resolver(resolver.clone());
    let connect = request(Command::CONNECT, &format!("{user}.fast:{port}"), user);
    at_once(direct.oneshot(connect)).await.unwrap();
    let bind = Bind::new().resolver(resolver.clone());
    let request_ = request(Command::BIND, &format!("b.{user}.fast:1"), user);
    at_once(bind.oneshot(request_)).await.unwrap();
    let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = target.local_addr().unwrap().port();
    let association = request(Command::UDP_ASSOCIATE, "0.0.0.0:0", user);
    let make = MakeDirect::new().resolver(resolver.clone());
    let mut transport = make.oneshot(association).await.unwrap();
    send(&mut transport, [format!("u.{user}.fast:{port}")]).await;
    let heard = at_once(async {
        let mut octets = [0; 8];
        let mut nothing = Datagrams::new();
        tokio::select! {
            heard = target.recv_from(&mut octets) => heard.unwrap().0,
            _ = poll_fn(|cx| transport.poll_recv(cx, &mut nothing)) => unreachable!(),
        }
    });
    assert_eq!(heard.await, 4);
}

/// Sends a datagram to each of these names, and begins to look them up.
async fn send<T: DatagramTransport>(transport: &mut T, names: impl IntoIterator<Item = String>) {
    let mut batch = Datagrams::new();
    for name in names {
        batch.push(name.parse::<Address>().unwrap(), b"ping");
    }
    poll_fn(|cx| transport.poll_send(cx, &mut batch))
        .await
        .unwrap();
    poll_fn(|cx| {
        let _ = transport.poll_recv(cx, &mut Datagrams::new());
        Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn two_hundred_short_connects_to_a_silent_name_server_delay_nobody_else() {
    let (server, _ends) = server();
    let resolver = server.resolver(128);
    let direct = Direct::new().resolver(resolver.clone());
    for number in 0..200 {
        let connect = request(Command::CONNECT, &format!("n{number}.silent:80"), "mallory");
        // Long enough to begin the lookup, whose thread stays.
        let _ = timeout(Duration::ZERO, direct.clone().oneshot(connect)).await;
    }
    works_for("joe", &resolver).await;
    works_for("jane", &resolver).await;
}

#[tokio::test]
async fn eight_associations_with_silent_names_delay_nobody_else() {
    let (server, _ends) = server();
    let resolver = server.resolver(128);
    let mut held = Vec::new();
    for association in 0..8 {
        let make = MakeDirect::new().resolver(resolver.clone());
        let request = request(Command::UDP_ASSOCIATE, "0.0.0.0:0", "mallory");
        let mut transport = make.oneshot(request).await.unwrap();
        let names = (0..16).map(|number| format!("n{number}.a{association}.silent:53"));
        send(&mut transport, names).await;
        held.push(transport);
    }
    works_for("joe", &resolver).await;
}

#[tokio::test]
async fn hundreds_of_held_lookups_delay_nobody_else() {
    let (server, _ends) = server();
    let resolver = server.resolver(128);
    let mut held = JoinSet::new();
    for (command, count) in [(Command::CONNECT, 400), (Command::BIND, 120)] {
        for number in 0..count {
            let target = format!("n{number}.{}.silent:80", command.0);
            let request = request(command, &target, "mallory");
            let (direct, bind) = (
                Direct::new().resolver(resolver.clone()),
                Bind::new().resolver(resolver.clone()),
            );
            held.spawn(async move {
                match command {
                    Command::BIND => bind.oneshot(request).await.map(drop),
                    _ => direct.oneshot(request).await.map(drop),
                }
            });
        }
    }
    server.has_heard(1).await;
    works_for("joe", &resolver).await;
}

/// However many there are of them: each takes less of what the others left.
#[tokio::test]
async fn several_clients_with_silent_names_leave_turns_to_the_next() {
    let (server, _ends) = server();
    let resolver = server.resolver(128);
    let mut held = JoinSet::new();
    for user in 0..12 {
        for number in 0..60 {
            let lookup = lookup(
                &format!("n{number}.u{user}.silent"),
                &format!("mallory {user}"),
            );
            held.spawn(resolver.clone().oneshot(lookup));
        }
        works_for(&format!("joe{user}"), &resolver).await;
    }
}

#[tokio::test]
async fn anonymous_clients_are_counted_by_their_network() {
    let (server, _ends) = server();
    let resolver = server.resolver(8);
    let from = |peer: &str, target: &str| {
        let mut request = Request::new(Command::CONNECT, target.parse().unwrap());
        request.peer = peer.parse::<SocketAddr>().unwrap();
        timeout(
            Duration::ZERO,
            Direct::new().resolver(resolver.clone()).oneshot(request),
        )
    };
    for number in 0..20 {
        let peer = format!("[2001:db8::{number:x}]:50000");
        let _ = from(&peer, &format!("n{number}.silent:80")).await;
    }
    let other = "[2001:db8:0:1::1]:50000";
    let _ = from(other, "other.silent:80").await;
    server.has_heard(3).await;
    let asked = server.asked();
    assert!(asked.contains(&"other.silent".to_owned()), "{asked:?}");
    // Of the first network a quarter of eight.
    assert_eq!(asked.len(), 3, "{asked:?}");
}

#[tokio::test]
async fn one_silent_name_is_one_lookup() {
    let (server, ends) = server();
    let resolver = server.resolver(128);
    let mut waiting = JoinSet::new();
    for number in 0..200 {
        let user = format!("user {}", number % 7);
        waiting.spawn(resolver.clone().oneshot(lookup("one.silent", &user)));
    }
    server.has_heard(1).await;
    // Those that leave do not end it for the others, and the next one waits for the same.
    waiting.abort_all();
    while waiting.join_next().await.is_some() {}
    let next = tokio::spawn(resolver.clone().oneshot(lookup("one.silent", "joe")));
    tokio::task::yield_now().await;
    assert_eq!(server.asked(), ["one.silent"]);
    drop(ends);
    let error = next.await.unwrap().unwrap_err();
    assert_eq!(kind(&error), LookupErrorKind::NoAnswer);
    assert_eq!(reply_code(&*error), ReplyCode::HOST_UNREACHABLE);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_remembered_for_a_short_time() {
    let (server, _ends) = server();
    let resolver = server.resolver(8);
    let ask = |name: &str| resolver.clone().oneshot(lookup(name, "joe"));
    for (name, expected, code) in [
        (
            "a.missing",
            LookupErrorKind::NotFound,
            ReplyCode::HOST_UNREACHABLE,
        ),
        (
            "a.unanswered",
            LookupErrorKind::NoAnswer,
            ReplyCode::HOST_UNREACHABLE,
        ),
    ] {
        let before = server.asked().len();
        for _ in 0..3 {
            let error = ask(name).await.unwrap_err();
            assert_eq!(kind(&error), expected);
            assert_eq!(reply_code(&*error), code);
        }
        assert_eq!(server.asked().len(), before + 1, "{name}");
        advance(Duration::from_secs(5)).await;
        ask(name).await.unwrap_err();
        assert_eq!(server.asked().len(), before + 2, "{name}");
    }
    // An address is not, and neither is what this machine lacked.
    for name in ["a.fast", "a.crowded"] {
        let before = server.asked().len();
        for _ in 0..2 {
            let _ = ask(name).await;
        }
        assert_eq!(server.asked().len(), before + 2, "{name}");
    }
}

#[tokio::test]
async fn what_this_machine_lacks_is_our_own_fault() {
    let (server, _ends) = server();
    let error = server
        .resolver(8)
        .oneshot(lookup("a.crowded", "joe"))
        .await
        .unwrap_err();
    assert_eq!(kind(&error), LookupErrorKind::System);
    assert_eq!(reply_code(&*error), ReplyCode::GENERAL_FAILURE);
}

/// Anybody can have a domain whose name servers are silent; nobody can make those of others be.
#[tokio::test(start_paused = true)]
async fn name_servers_that_answer_nobody_are_our_own_fault() {
    let (server, _ends) = server();
    let resolver = server.resolver(8);
    let ask = async |name: &str, user: &str| {
        let error = resolver
            .clone()
            .oneshot(lookup(name, user))
            .await
            .unwrap_err();
        (kind(&error), reply_code(&*error))
    };
    let silent = (LookupErrorKind::NoAnswer, ReplyCode::HOST_UNREACHABLE);
    let down = (LookupErrorKind::NameServers, ReplyCode::GENERAL_FAILURE);
    // One client alone has to ask for many.
    for number in 0..7 {
        assert_eq!(
            ask(&format!("n{number}.unanswered"), "mallory").await,
            silent
        );
    }
    assert_eq!(ask("n7.unanswered", "mallory").await, down);
    // An answer, if only that there is no such name, and all is well.
    assert_eq!(ask("a.missing", "joe").await.0, LookupErrorKind::NotFound);
    assert_eq!(ask("a.unanswered", "mallory").await, silent);
    assert_eq!(ask("b.unanswered", "mallory").await, silent);
    assert_eq!(ask("c.unanswered", "joe").await, silent);
    // What was answered a moment ago is not dead.
    advance(Duration::from_secs(10)).await;
    assert_eq!(ask("d.unanswered", "joe").await, down);
    resolver
        .clone()
        .oneshot(lookup("a.fast", "joe"))
        .await
        .unwrap();
    assert_eq!(ask("e.unanswered", "joe").await, silent);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_turn_or_an_answer_without_an_end() {
    let (server, _ends) = server();
    let resolver = server.resolver(2);
    let begin = |name: &str| tokio::spawn(resolver.clone().oneshot(lookup(name, "joe")));
    let running = begin("a.silent");
    tokio::task::yield_now().await;
    server.has_heard(1).await;
    let waiting = begin("b.silent");
    tokio::task::yield_now().await;
    advance(Duration::from_secs(5)).await;
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(reply_code(&*error), ReplyCode::TTL_EXPIRED);
    assert!(error.to_string().contains("too many lookups"), "{error}");
    advance(Duration::from_secs(10)).await;
    let error = running.await.unwrap().unwrap_err();
    assert_eq!(kind(&error), LookupErrorKind::NoAnswer);
    // The thread is still there: another one is not begun.
    let error = begin("a.silent").await.unwrap().unwrap_err();
    assert_eq!(kind(&error), LookupErrorKind::NoAnswer);
    assert_eq!(server.asked(), ["a.silent"]);
}

#[tokio::test]
async fn only_so_many_lookups_of_a_client_wait() {
    let (server, _ends) = server();
    let resolver = server.resolver(2);
    let mut held = JoinSet::new();
    for number in 0..=512 {
        held.spawn(
            resolver
                .clone()
                .oneshot(lookup(&format!("n{number}.silent"), "mallory")),
        );
    }
    server.has_heard(1).await;
    let more = resolver.clone().oneshot(lookup("more.silent", "mallory"));
    let error = at_once(more).await.unwrap_err();
    assert_eq!(reply_code(&*error), ReplyCode::TTL_EXPIRED);
    works_for("joe", &resolver).await;
    // Those that have left do not count.
    held.abort_all();
    while held.join_next().await.is_some() {}
    let more = resolver.oneshot(lookup("more.silent", "mallory"));
    assert!(timeout(Duration::from_millis(50), more).await.is_err());
}

/// First come, first served, within one client; the clients in turn.
#[tokio::test]
async fn turns_go_round_among_those_that_wait() {
    let (server, ends) = server();
    let resolver = server.resolver(1);
    let mut held = JoinSet::new();
    let first = tokio::spawn(resolver.clone().oneshot(lookup("first.silent", "joe")));
    tokio::task::yield_now().await;
    server.has_heard(1).await;
    for (name, user) in [
        ("m1.fast", "mallory"),
        ("m2.fast", "mallory"),
        ("m3.fast", "mallory"),
        ("j1.fast", "joe"),
        ("a1.fast", "ann"),
        ("gone.fast", "ann"),
        ("a2.fast", "ann"),
    ] {
        let task = held.spawn(resolver.clone().oneshot(lookup(name, user)));
        tokio::task::yield_now().await;
        if name == "gone.fast" {
            task.abort();
        }
    }
    drop(ends);
    first.await.unwrap().unwrap_err();
    while held.join_next().await.is_some() {}
    let order = [
        "first.silent",
        "m1.fast",
        "j1.fast",
        "a1.fast",
        "m2.fast",
        "a2.fast",
        "m3.fast",
    ];
    assert_eq!(server.asked(), order);
}

#[tokio::test]
async fn a_lookup_that_panics_ends_and_gives_its_turn_back() {
    let (server, _ends) = server();
    let resolver = server.resolver(1);
    let error = at_once(resolver.clone().oneshot(lookup("a.broken", "joe")))
        .await
        .unwrap_err();
    assert_eq!(kind(&error), LookupErrorKind::System);
    at_once(resolver.oneshot(lookup("a.fast", "joe")))
        .await
        .unwrap();
}

/// A name is looked up as it was judged, by each command.
#[tokio::test]
async fn a_name_is_looked_up_in_its_normal_form() {
    let (server, _ends) = server();
    let resolver = server.resolver(8);
    let direct = Direct::new().resolver(resolver.clone());
    let bind = Bind::new().resolver(resolver.clone());
    let _ = direct.oneshot("B\u{dc}CHER.Missing.:80").await;
    let _ = bind
        .oneshot(request(Command::BIND, "B\u{dc}CHER.B.Missing.:80", "joe"))
        .await;
    assert_eq!(
        server.asked(),
        ["xn--bcher-kva.missing", "xn--bcher-kva.b.missing"]
    );
    // A resolver of one's own gets no other name either, and is told for whom it is.
    let own = tower::service_fn(async |lookup: Lookup| {
        assert_eq!(lookup.name.as_str(), "xn--bcher-kva.example");
        assert_eq!(lookup.client, Some(UserOrClient::User("joe".into())));
        Err::<Vec<IpAddr>, _>(BoxError::from("none"))
    });
    let connect = request(Command::CONNECT, "b\u{fc}cher.example:80", "joe");
    let _ = Direct::new().resolver(own).oneshot(connect).await;
    let addresses = resolver.resolve(lookup("a.fast", "joe")).await.unwrap();
    assert_eq!(addresses.len(), 1);
}
