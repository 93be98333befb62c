//! The accept loop: back-pressure, exhaustion, shutdown, and what it does to the sessions.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout},
};
use tower::{ServiceBuilder, service_fn};
use tower_socks::{
    AuthLayer, BoxError, Connector, HandshakeLayer, Identity, NoAuth, Request, serve,
    server::{Listener, SessionLimit},
    session::Accepted,
};

const NOWHERE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

/// A listener that does as it is told.
struct Scripted {
    script: VecDeque<io::Result<DuplexStream>>,
    accepted: mpsc::UnboundedSender<Instant>,
}

impl Scripted {
    fn new(script: Vec<io::Result<DuplexStream>>) -> (Self, mpsc::UnboundedReceiver<Instant>) {
        let (accepted, log) = mpsc::unbounded_channel();
        let script = script.into();
        (Self { script, accepted }, log)
    }
}

impl Listener for Scripted {
    type Io = DuplexStream;

    async fn accept(&mut self, _: SocketAddr) -> io::Result<Accepted<DuplexStream>> {
        let Some(next) = self.script.pop_front() else {
            return std::future::pending().await;
        };
        self.accepted.send(Instant::now()).unwrap();
        next.map(|io| Accepted::new(io, NOWHERE, NOWHERE))
    }
}

/// A session that lasts until its client closes, and says how often it was called.
fn until_closed<Io>(
    calls: Arc<AtomicUsize>,
) -> impl tower::Service<
    Accepted<Io>,
    Response = (),
    Error = BoxError,
    Future: Future<Output = Result<(), BoxError>> + Send,
> + Clone
where
    Io: tokio::io::AsyncRead + Unpin + Send + 'static,
{
    service_fn(move |mut accepted: Accepted<Io>| {
        calls.fetch_add(1, Ordering::SeqCst);
        async move {
            while accepted.io.read(&mut [0; 64]).await? > 0 {}
            Ok(())
        }
    })
}

#[tokio::test(start_paused = true)]
async fn nothing_is_accepted_before_the_stack_is_ready() {
    let (near, far) = (duplex(1), duplex(1));
    let (listener, mut log) = Scripted::new(vec![Ok(near.0), Ok(far.0)]);
    let (mock, mut handle) = tower_test::mock::pair::<Accepted<DuplexStream>, ()>();
    handle.allow(0);
    let server = tokio::spawn(serve(listener, mock).into_future());

    sleep(Duration::from_secs(1)).await;
    assert!(log.try_recv().is_err(), "accepted without anybody to serve");
    handle.allow(1);
    sleep(Duration::from_secs(1)).await;
    assert!(log.try_recv().is_ok());
    let (_, respond) = handle.next_request().await.unwrap();
    assert!(
        log.try_recv().is_err(),
        "accepted more than the stack has asked for"
    );
    handle.allow(1);
    sleep(Duration::from_secs(1)).await;
    assert!(log.try_recv().is_ok());
    respond.send_response(());
    server.abort();
}

#[tokio::test(start_paused = true)]
async fn exhausted_descriptors_are_waited_for_and_not_the_end() {
    let emfile = || Err(io::Error::from_raw_os_error(24));
    let aborted = || Err(io::ErrorKind::ConnectionAborted.into());
    let (_client, io) = duplex(1);
    let (listener, mut log) = Scripted::new(vec![
        emfile(),
        emfile(),
        emfile(),
        aborted(),
        Ok(io),
        emfile(),
    ]);
    let calls = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let server = tokio::spawn(serve(listener, until_closed(calls.clone())).into_future());
    let mut tries = Vec::new();
    for _ in 0..6 {
        let tried = log.recv().await.unwrap();
        tries.push((tried - started).as_millis());
    }
    // 5, 10 and 20 ms of waiting; none for a connection that broke.
    assert_eq!(tries, [0, 5, 15, 35, 35, 35]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert!(!server.is_finished());
    server.abort();
}

#[tokio::test(start_paused = true)]
async fn a_session_that_panics_takes_nobody_with_it() {
    let (listener, mut log) = Scripted::new(vec![Ok(duplex(1).0), Ok(duplex(1).0)]);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let stack = service_fn(move |_: Accepted<DuplexStream>| {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            assert!(call > 0, "the first session panics");
            Ok::<_, BoxError>(())
        }
    });
    let server = tokio::spawn(serve(listener, stack).into_future());
    log.recv().await.unwrap();
    log.recv().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert!(!server.is_finished());
    server.abort();
}

#[tokio::test]
async fn a_concurrency_limit_on_top_is_a_limit_of_live_sessions() {
    let calls = Arc::new(AtomicUsize::new(0));
    let stack = ServiceBuilder::new()
        .concurrency_limit(2)
        .service(until_closed::<TcpStream>(calls.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(listener, stack).into_future());

    let mut clients = Vec::new();
    for _ in 0..5 {
        // The third one is connected by the system, and waits in its queue.
        clients.push(TcpStream::connect(address).await.unwrap());
    }
    eventually(|| calls.load(Ordering::SeqCst) == 2).await;
    sleep(Duration::from_millis(50)).await;
    assert_eq!(
        calls.load(Ordering::SeqCst),
        2,
        "more sessions than the limit"
    );
    for served in 3..=5 {
        drop(clients.remove(0));
        eventually(|| calls.load(Ordering::SeqCst) == served).await;
    }
    server.abort();
}

async fn eventually(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(20), wait).await.unwrap();
}

#[tokio::test]
async fn shutdown_closes_the_listener_at_once_and_lets_sessions_end() {
    let calls = Arc::new(AtomicUsize::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = serve(listener, until_closed(calls.clone()))
        .with_graceful_shutdown(async { stopped.await.unwrap() });
    let server = tokio::spawn(server.into_future());

    let client = TcpStream::connect(address).await.unwrap();
    eventually(|| calls.load(Ordering::SeqCst) == 1).await;
    stop.send(()).unwrap();
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(20), refused).await.unwrap();
    assert!(!server.is_finished(), "a session is still open");
    drop(client);
    let ended = timeout(Duration::from_secs(20), server).await;
    assert!(ended.unwrap().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn sessions_that_do_not_end_are_dropped_at_the_drain_limit() {
    let (mut client, io) = duplex(1);
    let (listener, mut log) = Scripted::new(vec![Ok(io)]);
    let server = serve(listener, until_closed(Arc::default()))
        .with_graceful_shutdown(sleep(Duration::from_secs(5)))
        .drain_limit(Duration::from_secs(7));
    let started = Instant::now();
    let server = tokio::spawn(server.into_future());
    log.recv().await.unwrap();
    assert_eq!(
        client.read(&mut [0]).await.unwrap(),
        0,
        "the session was dropped"
    );
    assert_eq!(started.elapsed(), Duration::from_secs(12));
    assert!(server.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn sessions_are_left_to_themselves_until_a_deadline() {
    let (mut client, io) = duplex(1);
    let (listener, mut log) = Scripted::new(vec![Ok(io)]);
    let server = serve(listener, until_closed(Arc::default()))
        .with_graceful_shutdown(sleep(Duration::from_secs(5)))
        .drain_limit(Duration::from_secs(1))
        .drain_until(sleep(Duration::from_secs(3600)));
    let started = Instant::now();
    let server = tokio::spawn(server.into_future());
    log.recv().await.unwrap();
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(started.elapsed(), Duration::from_secs(3600));
    assert!(server.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_place_at_the_signal_is_served() {
    let (first, one) = duplex(1);
    let (mut second, another) = duplex(1);
    let calls = Arc::new(AtomicUsize::new(0));
    let (listener, mut log) = Scripted::new(vec![Ok(one), Ok(another)]);
    let (stop, stopped) = oneshot::channel::<()>();
    let server = serve(listener, until_closed(calls.clone()))
        .sessions(SessionLimit::new(1))
        .with_graceful_shutdown(async { stopped.await.unwrap() })
        .drain_until(std::future::pending());
    let server = tokio::spawn(server.into_future());
    for _ in 0..2 {
        log.recv().await.unwrap();
    }
    eventually(|| calls.load(Ordering::SeqCst) == 1).await;
    stop.send(()).unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    drop(first);
    eventually(|| calls.load(Ordering::SeqCst) == 2).await;
    assert!(!server.is_finished());
    second.write_all(b"x").await.unwrap();
    drop(second);
    assert!(server.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_gets_no_place_does_not_hold_up_the_end() {
    let (_first, one) = duplex(1);
    let (mut second, another) = duplex(1);
    let (listener, mut log) = Scripted::new(vec![Ok(one), Ok(another)]);
    let server = serve(listener, until_closed(Arc::default()))
        .sessions(SessionLimit::new(1))
        .with_graceful_shutdown(sleep(Duration::from_secs(1)))
        .drain_limit(Duration::from_secs(7));
    let started = Instant::now();
    let server = tokio::spawn(server.into_future());
    for _ in 0..2 {
        log.recv().await.unwrap();
    }
    assert_eq!(second.read(&mut [0]).await.unwrap(), 0);
    // Five seconds in the queue, two of them after the signal.
    assert_eq!(started.elapsed(), Duration::from_secs(5));
    assert!(server.await.unwrap().is_ok());
    assert_eq!(started.elapsed(), Duration::from_secs(8));
}

#[tokio::test]
async fn dropping_the_server_drops_its_sessions() {
    let (mut client, io) = duplex(1);
    let (listener, mut log) = Scripted::new(vec![Ok(io)]);
    let calls = Arc::new(AtomicUsize::new(0));
    let server = tokio::spawn(serve(listener, until_closed(calls.clone())).into_future());
    log.recv().await.unwrap();
    eventually(|| calls.load(Ordering::SeqCst) == 1).await;
    server.abort();
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_stack_that_fails_ends_the_server() {
    let (listener, _log) = Scripted::new(vec![Ok(duplex(1).0)]);
    let (mock, mut handle) = tower_test::mock::pair::<Accepted<DuplexStream>, ()>();
    handle.send_error("worn out");
    let error = serve(listener, mock).await.unwrap_err();
    assert_eq!(error.to_string(), "worn out");
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_serves_and_tells_who_is_there() {
    let folder = std::env::temp_dir().join(format!("tower-socks-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("socket");
    let (seen, mut requests) = mpsc::unbounded_channel();
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .map_request(move |request: Request| {
            seen.send(request.clone()).unwrap();
            request
        })
        .service(Connector::direct());
    let server = tokio::spawn(serve(UnixListener::bind(&path).unwrap(), stack).into_future());

    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let SocketAddr::V4(address) = target.local_addr().unwrap() else {
        unreachable!()
    };
    let mut client = UnixStream::connect(&path).await.unwrap();
    let port = address.port().to_be_bytes();
    let request = [
        5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port[0], port[1], b'h', b'i',
    ];
    client.write_all(&request).await.unwrap();
    let (mut accepted, _) = target.accept().await.unwrap();
    let mut said = [0; 2];
    accepted.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"hi");

    let request = requests.recv().await.unwrap();
    assert_eq!((request.peer, request.local), (NOWHERE, NOWHERE));
    let credentials = request.extensions.get::<tokio::net::unix::UCred>().unwrap();
    assert_eq!(credentials.pid(), i32::try_from(std::process::id()).ok());
    assert_eq!(request.identity.name(), Identity::anonymous().name());
    server.abort();
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn accepted_sockets_have_no_delay_and_know_both_addresses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, mut accepted) = mpsc::unbounded_channel();
    let stack = service_fn(move |connection: Accepted<TcpStream>| {
        seen.send(connection).unwrap();
        async { Ok::<_, BoxError>(()) }
    });
    let server = tokio::spawn(serve(listener, stack).into_future());
    let client = TcpStream::connect(address).await.unwrap();
    let connection = accepted.recv().await.unwrap();
    assert!(connection.io.nodelay().unwrap());
    #[cfg(target_os = "linux")]
    assert!(!rustix::net::sockopt::tcp_quickack(&connection.io).unwrap());
    assert_eq!(connection.peer, client.local_addr().unwrap());
    assert_eq!(connection.local, address);
    server.abort();
}
