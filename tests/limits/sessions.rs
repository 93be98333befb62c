//! Live sessions: of all, of each client and of each user, and connections in the handshake.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, DuplexStream},
    sync::mpsc,
    time::{Instant, sleep},
};
use tower::service_fn;
use tower_socks::{
    BoxError, NoAuth, UserPass, Users, serve,
    server::{AcceptService, HandshakeLimit, Listener, SessionLimit},
    session::{Accepted, UserOrClient},
};
use tracing::Level;

use crate::support::{
    CONNECT, CONNECTED, HELLO, HELLO_OK, LOCAL, Script, failure,
    log::Log,
    settle, stack,
    targets::{Dialer, targets},
    within,
};

/// A port without a socket: clients come from any address.
#[derive(Clone, Debug)]
struct Port(mpsc::UnboundedSender<Accepted<DuplexStream>>);

struct Arrivals(mpsc::UnboundedReceiver<Accepted<DuplexStream>>);

impl Listener for Arrivals {
    type Io = DuplexStream;

    async fn accept(&mut self, _: SocketAddr) -> io::Result<Accepted<DuplexStream>> {
        match self.0.recv().await {
            Some(accepted) => Ok(accepted),
            None => std::future::pending().await,
        }
    }
}

impl Port {
    fn new() -> (Self, Arrivals) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), Arrivals(receiver))
    }

    fn open(&self, address: &str) -> DuplexStream {
        let (client, near) = tokio::io::duplex(1024);
        let peer = SocketAddr::new(address.parse().unwrap(), 50_000);
        let accepted = Accepted::new(near, peer, LOCAL.parse().unwrap());
        self.0.send(accepted).unwrap();
        client
    }

    /// A client in a tunnel.
    async fn connect(&self, address: &str) -> DuplexStream {
        let mut client = self.open(address);
        client.say(HELLO).await;
        client.hear(HELLO_OK).await;
        client.say(CONNECT).await;
        client.hear(CONNECTED).await;
        client
    }
}

/// A server for anonymous clients, with a port each limit.
fn server(sessions: &SessionLimit) -> Port {
    let (port, arrivals) = Port::new();
    spawn(arrivals, stack(NoAuth, held_targets()), sessions);
    port
}

/// Targets that stay open until their client has closed.
fn held_targets() -> Dialer {
    let (dialer, mut dialled) = targets();
    tokio::spawn(async move {
        while let Some((_, mut target)) = dialled.recv().await {
            tokio::spawn(async move { while let Ok(1..) = target.read(&mut [0; 64]).await {} });
        }
    });
    dialer
}

fn spawn<S: AcceptService<DuplexStream>>(arrivals: Arrivals, stack: S, sessions: &SessionLimit) {
    tokio::spawn(
        serve(arrivals, stack)
            .sessions(sessions.clone())
            .into_future(),
    );
}

/// One that is closed at once, without a word.
async fn closed_at_once(mut client: DuplexStream) {
    let started = Instant::now();
    client.hear_end().await;
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_client_has_a_share_and_an_ipv6_64_is_one_client() {
    within(async {
        let limit = SessionLimit::new(40);
        let port = server(&limit);
        let mut held = Vec::new();
        for n in 0..10 {
            held.push(port.connect("192.0.2.1").await);
            held.push(port.connect(&format!("2001:db8::{n:x}:1")).await);
            // The same IPv4 client, as a wildcard listener of IPv6 shows it.
            if n == 9 {
                closed_at_once(port.open("::ffff:192.0.2.1")).await;
            }
        }
        closed_at_once(port.open("192.0.2.1")).await;
        closed_at_once(port.open("2001:db8::ffff:ffff")).await;
        // Others are not concerned.
        held.push(port.connect("192.0.2.2").await);
        held.push(port.connect("2001:db8:0:1::1").await);
        assert_eq!(limit.live(), 22);
        let (largest, count) = limit.largest().unwrap();
        assert!(matches!(largest, UserOrClient::Client(_)), "{largest:?}");
        assert_eq!(count, 10);
        // A place is back with the end of its session.
        drop(held.remove(0));
        settle().await;
        held.push(port.connect("192.0.2.1").await);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_user_has_a_share_wherever_it_logs_in_from() {
    within(async {
        let limit = SessionLimit::new(100).per_user(2);
        let users: Users = [("joe", "secret"), ("jane", "secret")]
            .into_iter()
            .collect();
        let (port, arrivals) = Port::new();
        spawn(
            arrivals,
            stack(UserPass::new(users), held_targets()),
            &limit,
        );
        let log_in = async |address: &str, name: &str| {
            let mut client = port.open(address);
            client.say(b"\x05\x01\x02").await;
            client.hear(b"\x05\x02").await;
            let length = u8::try_from(name.len()).unwrap();
            client.say(&[1, length]).await;
            client.say(name.as_bytes()).await;
            client.say(b"\x06secret").await;
            client.hear(b"\x01\x00").await;
            client
        };
        // From the login on: one that asks for nothing counts.
        let _first = log_in("192.0.2.1", "joe").await;
        let mut second = log_in("192.0.2.2", "joe").await;
        for command in [1, 2, 3] {
            let mut third = log_in("192.0.2.3", "joe").await;
            let mut request = CONNECT.to_vec();
            request[1] = command;
            third.say(&request).await;
            third.hear(&failure(2)).await;
        }
        let mut jane = log_in("192.0.2.3", "jane").await;
        jane.say(CONNECT).await;
        jane.hear(CONNECTED).await;
        second.say(CONNECT).await;
        second.hear(CONNECTED).await;
        drop(second);
        settle().await;
        let mut again = log_in("192.0.2.3", "joe").await;
        again.say(CONNECT).await;
        again.hear(CONNECTED).await;
        let (largest, count) = limit.largest().unwrap();
        assert_eq!((largest, count), (UserOrClient::User("joe".into()), 2));
    })
    .await;
}

/// The next listener is ready for a client as well, and takes no place for that.
#[tokio::test(start_paused = true)]
async fn idle_listeners_hold_no_place() {
    within(async {
        let limit = SessionLimit::new(2);
        let ports = [server(&limit), server(&limit), server(&limit)];
        settle().await;
        let _first = ports[0].connect("192.0.2.1").await;
        let _second = ports[0].connect("192.0.2.1").await;
        assert_eq!(limit.live(), 2);
        // And another listener knows of them.
        let mut third = ports[1].open("192.0.2.2");
        let started = Instant::now();
        third.hear_end().await;
        assert_eq!(started.elapsed(), Duration::from_secs(5));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn at_the_limit_clients_wait_in_order_and_not_for_ever() {
    within(async {
        let limit = SessionLimit::new(4)
            .per_client(4)
            .queue(3, Duration::from_secs(7));
        let port = server(&limit);
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(port.connect("192.0.2.1").await);
        }
        let mut waiting = Vec::new();
        for n in 2..5 {
            waiting.push(port.open(&format!("192.0.2.{n}")));
        }
        settle().await;
        assert_eq!((limit.live(), limit.waiting()), (4, 3));
        closed_at_once(port.open("192.0.2.5")).await;

        sleep(Duration::from_secs(3)).await;
        drop(held.remove(0));
        let mut first = waiting.remove(0);
        first.say(HELLO).await;
        first.hear(HELLO_OK).await;
        assert_eq!(limit.live(), 4);
        // One that waits and is gone takes no place for long.
        drop(waiting.remove(0));
        // The last one has waited long enough.
        let mut third = waiting.remove(0);
        third.hear_end().await;
        settle().await;
        assert_eq!((limit.live(), limit.waiting()), (4, 0));
        drop(held);
        drop(first);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(limit.live(), 0);
        assert!(limit.largest().is_none());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_line_names_who_has_the_most_and_reaching_it_is_one_event() {
    let (log, _guard) = Log::start(Level::INFO);
    within(async {
        let limit = SessionLimit::new(40).per_client(39);
        let port = server(&limit);
        let mut held = Vec::new();
        for _ in 0..39 {
            held.push(port.connect("192.0.2.1").await);
        }
        held.push(port.connect("192.0.2.2").await);
        log.take();
        // All that come meanwhile find it full.
        for n in 0..50 {
            let mut client = port.open(&format!("198.51.100.{n}"));
            settle().await;
            // And sometimes one gets a place, which is no end of it.
            if n % 10 == 0 {
                drop(held.pop());
                client.say(HELLO).await;
                client.hear(HELLO_OK).await;
                held.push(client);
            }
        }
        sleep(Duration::from_secs(20)).await;
        let lines = log.take();
        let reached: Vec<_> = lines
            .lines()
            .filter(|line| line.contains("limit reached"))
            .collect();
        assert_eq!(reached.len(), 1, "{lines}");
        for part in [
            "WARN",
            "limit=\"sessions\"",
            "most=40",
            "largest=192.0.2.1",
            "held=39",
        ] {
            assert!(reached[0].contains(part), "{part}: {}", reached[0]);
        }
        drop(held);
        sleep(Duration::from_secs(1)).await;
        let lines = log.take();
        assert_eq!(lines.matches("below the limit again").count(), 1, "{lines}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_panics_or_is_dropped_gives_its_place_back() {
    within(async {
        let limit = SessionLimit::new(2);
        let (port, arrivals) = Port::new();
        let panics = service_fn(async |_: Accepted<DuplexStream>| -> Result<(), BoxError> {
            panic!("this one panics")
        });
        spawn(arrivals, panics, &limit);
        for _ in 0..10 {
            port.open("192.0.2.1").hear_end().await;
        }
        settle().await;
        assert_eq!(limit.live(), 0);

        let (port, arrivals) = Port::new();
        let endless = service_fn(async |accepted: Accepted<DuplexStream>| {
            let _held = accepted;
            std::future::pending::<Result<(), BoxError>>().await
        });
        let server = serve(arrivals, endless).sessions(limit.clone());
        let server = tokio::spawn(server.into_future());
        let mut clients: Vec<_> = (0..5).map(|_| port.open("192.0.2.1")).collect();
        settle().await;
        // A client has a share of two, and those that wait are part of it.
        assert_eq!((limit.live(), limit.waiting()), (2, 0));
        clients.push(port.open("192.0.2.2"));
        settle().await;
        assert_eq!((limit.live(), limit.waiting()), (2, 1));
        server.abort();
        settle().await;
        assert_eq!((limit.live(), limit.waiting()), (0, 0));
        assert!(limit.largest().is_none());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn numbers_that_mean_nothing_are_no_panic_and_no_trap() {
    within(async {
        assert_eq!(SessionLimit::new(0).most(), 1);
        let huge = SessionLimit::new(usize::MAX)
            .per_client(usize::MAX)
            .per_user(usize::MAX);
        let huge = huge.queue(usize::MAX, Duration::MAX);
        let port = server(&huge);
        let _client = port.connect("192.0.2.1").await;
        let least = SessionLimit::new(0)
            .per_client(0)
            .per_user(0)
            .queue(0, Duration::ZERO);
        let port = server(&least);
        let _client = port.connect("192.0.2.1").await;
        closed_at_once(port.open("192.0.2.2")).await;

        let (port, arrivals) = Port::new();
        let server = serve(arrivals, stack(NoAuth, held_targets())).unauthenticated_per_client(0);
        tokio::spawn(server.into_future());
        let _client = port.connect("192.0.2.1").await;
        let _client = port.connect("192.0.2.1").await;
    })
    .await;
}

/// A client that logs in and asks for nothing is in the handshake, at all listeners together.
#[tokio::test(start_paused = true)]
async fn a_handshake_ends_with_the_request_and_listeners_count_together() {
    within(async {
        let limit = HandshakeLimit::per_client(3);
        let ports = [(); 2].map(|()| {
            let (port, arrivals) = Port::new();
            let server = serve(arrivals, stack(NoAuth, held_targets())).handshakes(limit.clone());
            tokio::spawn(server.into_future());
            port
        });
        let mut tunnels = Vec::new();
        for n in 0..20 {
            tunnels.push(ports[n % 2].connect("2001:db8::1").await);
        }
        let mut silent = Vec::new();
        for n in 0..3 {
            let mut client = ports[n % 2].open(&format!("2001:db8::{n}"));
            client.say(HELLO).await;
            client.hear(HELLO_OK).await;
            silent.push(client);
        }
        for port in &ports {
            closed_at_once(port.open("2001:db8::abcd")).await;
        }
        let _other = ports[0].connect("2001:db8:0:1::1").await;
        // Half a request is none.
        silent[0].say(&CONNECT[..5]).await;
        settle().await;
        closed_at_once(ports[1].open("2001:db8::abcd")).await;
        silent[0].say(&CONNECT[5..]).await;
        silent[0].hear(CONNECTED).await;
        let _next = ports[1].connect("2001:db8::abcd").await;
    })
    .await;
}
