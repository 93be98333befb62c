//! Bad input gets a clear failure, and nobody else notices.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_socks::{
    AuthLayer, BoxError, Connector, HandshakeLayer, NoAuth, UserPass, Users, serve,
    session::Accepted,
};

/// A server that takes both methods, and a target that echoes.
struct Stage {
    proxy: SocketAddr,
    target: SocketAddr,
    sessions: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

/// A session that is open.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(sessions: &Arc<AtomicUsize>) -> Self {
        sessions.fetch_add(1, Ordering::SeqCst);
        Self(sessions.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Stage {
    async fn set() -> Self {
        let mut tasks = JoinSet::new();
        let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = echo.local_addr().unwrap();
        tasks.spawn(async move {
            loop {
                let (mut stream, _) = echo.accept().await.unwrap();
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });

        let sessions = Arc::new(AtomicUsize::new(0));
        let open = sessions.clone();
        let users: Users = [("joe", "secret")].into_iter().collect();
        let stack = ServiceBuilder::new()
            .layer(HandshakeLayer::new().deadline(Duration::from_secs(60)))
            .layer(AuthLayer::new((UserPass::new(users), NoAuth)))
            .service(Connector::direct());
        let counting = service_fn(move |accepted: Accepted<TcpStream>| {
            let (stack, counted) = (stack.clone(), Counted::new(&open));
            async move {
                let outcome: Result<_, BoxError> = stack.oneshot(accepted).await;
                drop(counted);
                outcome
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = listener.local_addr().unwrap();
        tasks.spawn(async move { serve(listener, counting).await.unwrap() });
        Self {
            proxy,
            target,
            sessions,
            _tasks: tasks,
        }
    }

    /// All that a client says who does everything right.
    fn dialogue(&self) -> Vec<u8> {
        let SocketAddr::V4(target) = self.target else {
            unreachable!()
        };
        let mut dialogue = b"\x05\x02\x00\x02\x01\x03joe\x06secret\x05\x01\x00\x01".to_vec();
        dialogue.extend(target.ip().octets());
        dialogue.extend(target.port().to_be_bytes());
        dialogue.extend(b"hello");
        dialogue
    }

    /// A client that does everything right, and is served at once.
    async fn serves_a_good_client(&self) {
        let served = async {
            let mut client = TcpStream::connect(self.proxy).await.unwrap();
            client.write_all(&self.dialogue()).await.unwrap();
            let mut answers = [0; 2 + 2 + 10 + 5];
            client.read_exact(&mut answers).await.unwrap();
            assert_eq!(&answers[..6], b"\x05\x02\x01\x00\x05\x00");
            assert_eq!(&answers[14..], b"hello");
        };
        timeout(Duration::from_secs(10), served).await.unwrap();
    }

    async fn has_sessions(&self, expected: usize) {
        let settled = async {
            while self.sessions.load(Ordering::SeqCst) != expected {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(20), settled).await.unwrap();
    }
}

#[tokio::test]
async fn five_hundred_half_open_handshakes_disturb_nobody() {
    let stage = Stage::set().await;
    let dialogue = stage.dialogue();
    let mut half_open = Vec::new();
    for i in 0..500 {
        let mut client = TcpStream::connect(stage.proxy).await.unwrap();
        // Stopped at every place of greeting, credentials and request.
        let (said, _) = dialogue.split_at(i % (dialogue.len() - 6));
        client.write_all(said).await.unwrap();
        half_open.push(client);
    }
    stage.has_sessions(500).await;
    for _ in 0..20 {
        stage.serves_a_good_client().await;
    }
    drop(half_open);
    stage.has_sessions(0).await;
}

#[tokio::test]
async fn random_bytes_disturb_nobody() {
    let stage = Stage::set().await;
    // The same bytes in every run.
    let mut state = 42_u64;
    let mut byte = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    for round in 0..300 {
        let mut client = TcpStream::connect(stage.proxy).await.unwrap();
        // A third each is garbage from the first byte, from the sub-negotiation, from the request.
        let mut said = stage.dialogue();
        said.truncate([0, 4, 16][round % 3]);
        said.extend((0..byte()).map(|_| byte()));
        // Both may fail: the server hangs up on garbage.
        _ = client.write_all(&said).await;
        _ = client.shutdown().await;
        let mut answer = Vec::new();
        let answered = timeout(Duration::from_secs(10), client.read_to_end(&mut answer)).await;
        assert!(answered.is_ok(), "still open after {said:02x?}");
        if let Some(first) = answer.first() {
            assert_eq!(*first, 5, "{said:02x?} was answered with {answer:02x?}");
        }
    }
    stage.serves_a_good_client().await;
    stage.has_sessions(0).await;
}

#[tokio::test]
async fn a_reset_at_every_byte_of_the_dialogue_leaves_nothing_behind() {
    let stage = Stage::set().await;
    let dialogue = stage.dialogue();
    for cut in 0..=dialogue.len() {
        let mut client = TcpStream::connect(stage.proxy).await.unwrap();
        client.set_nodelay(true).unwrap();
        let (said, _) = dialogue.split_at(cut);
        client.write_all(said).await.unwrap();
        client.set_zero_linger().unwrap();
        if cut % 2 == 0 {
            // Let the server get as far as it can.
            _ = timeout(Duration::from_millis(10), client.read(&mut [0; 64])).await;
        }
        drop(client);
        stage.serves_a_good_client().await;
    }
    stage.has_sessions(0).await;
}

#[tokio::test]
async fn an_end_at_every_byte_of_the_dialogue_leaves_nothing_behind() {
    let stage = Stage::set().await;
    let dialogue = stage.dialogue();
    for cut in 0..=dialogue.len() {
        let mut client = TcpStream::connect(stage.proxy).await.unwrap();
        let (said, _) = dialogue.split_at(cut);
        client.write_all(said).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let ended = timeout(Duration::from_secs(10), client.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "still open after {said:02x?}");
        // The request was whole: it is carried out, and what came with it is echoed.
        let early = cut.checked_sub(dialogue.len() - 5);
        match early {
            Some(early) => assert_eq!(answer[14..], b"hello"[..early]),
            None => assert!(
                answer.len() <= 4,
                "{said:02x?} was answered with {answer:02x?}"
            ),
        }
    }
    stage.has_sessions(0).await;
}
