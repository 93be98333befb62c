//! Records of sessions: what is told of each, to whom, and when.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpStream, UdpSocket},
    time::{advance, sleep},
};
use tower::{Layer, ServiceBuilder};
use tower_socks::{
    AuthLayer, Connector, HandshakeLayer, Identity, NoAuth, Refusal, Traffic, UserPass,
    error::{AuthError, Fault, Step},
    io::{Direction, Meter},
    layer::{
        record::{EndKind, Record, Recorder, SessionId, Sink},
        request_fn::request_fn,
        track::OpenTunnels,
        udp_over_tcp::UdpOverTcpLayer,
    },
    proto::{Address, Command, ReplyCode, UdpOverTcp},
    session::{Credentials, Protocol},
};

use crate::support::{
    CONNECT, CONNECTED, Client, HELLO, HELLO_OK, LOCAL, PEER, Script, failure, settle,
    targets::{BOUND, endless, failing, targets},
    within, within_an_hour,
};

/// Keeps all that it is told.
#[derive(Default)]
struct Told {
    started: Mutex<Vec<Record>>,
    interim: Mutex<Vec<Record>>,
    ended: Mutex<Vec<Record>>,
    interval: Mutex<Option<Duration>>,
    hears_of_ends_alone: AtomicBool,
}

impl Sink for Told {
    fn hears_of_starts(&self) -> bool {
        !self.hears_of_ends_alone.load(Ordering::SeqCst)
    }

    fn started(&self, record: &Record) {
        self.started.lock().unwrap().push(record.clone());
    }

    fn interim(&self, record: &Record) {
        self.interim.lock().unwrap().push(record.clone());
    }

    fn ended(&self, record: &Record) {
        self.ended.lock().unwrap().push(record.clone());
    }

    fn interval(&self) -> Option<Duration> {
        *self.interval.lock().unwrap()
    }
}

impl Told {
    /// Takes the only record of a session that has ended.
    fn one(&self) -> Record {
        let mut ended = std::mem::take(&mut *self.ended.lock().unwrap());
        assert_eq!(ended.len(), 1, "{ended:?}");
        ended.pop().unwrap()
    }
}

fn recorder() -> (Arc<Told>, Recorder) {
    let told = Arc::new(Told::default());
    let recorder = Recorder::new([Arc::clone(&told) as Arc<dyn Sink>]);
    (told, recorder)
}

/// A stack with both layers in their places.
macro_rules! recorded {
    ($recorder:expr, $authenticate:expr, $service:expr) => {
        ServiceBuilder::new()
            .layer($recorder.sessions().listener("office"))
            .layer(HandshakeLayer::new())
            .layer(AuthLayer::new($authenticate))
            .layer($recorder.requests())
            .service($service)
    };
}

fn kind(record: &Record) -> EndKind {
    record.end.as_ref().unwrap().kind
}

#[tokio::test(start_paused = true)]
async fn sinks_that_hear_of_ends_alone_are_told_of_nothing_else() {
    within(async {
        let (told, recorder) = recorder();
        let other = Arc::new(Told::default());
        let both: [Arc<dyn Sink>; 2] = [told.clone(), other.clone()];
        told.hears_of_ends_alone.store(true, Ordering::SeqCst);
        // Alone, and beside one that hears of both.
        for (sinks, starts) in [(&both[..1], 0), (&both[..], 1)] {
            recorder.set_sinks(sinks.iter().cloned());
            let (service, mut incoming) = targets();
            let stack = recorded!(recorder, NoAuth, service);
            let mut client = Client::new(stack).connected().await;
            drop(incoming.recv().await.unwrap());
            client.io.shutdown().await.unwrap();
            client.outcome().await.unwrap();
            assert_eq!(kind(&told.one()), EndKind::Done);
            assert_eq!(told.started.lock().unwrap().len(), 0);
            assert_eq!(other.started.lock().unwrap().len(), starts);
        }
        assert_eq!(kind(&other.one()), EndKind::Done);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_is_told_with_all_that_is_known_of_it() {
    within(async {
        let (told, recorder) = recorder();
        let (service, mut incoming) = targets();
        let connector = request_fn(async |request, next| {
            request_reached(&request);
            next.run(request).await
        });
        let stack = recorded!(recorder, NoAuth, connector.layer(service));
        let mut client = Client::new(stack).connected().await;
        let (_, mut target) = incoming.recv().await.unwrap();

        let started = told.started.lock().unwrap().pop().unwrap();
        assert_eq!((started.request, started.traffic), (1, Traffic::default()));
        assert_eq!(started.reply_code, Some(ReplyCode::SUCCEEDED));
        assert!(started.end.is_none());

        client.io.say(b"ping").await;
        target.hear(b"ping").await;
        target.say(b"hello").await;
        client.io.hear(b"hello").await;
        advance(Duration::from_secs(3)).await;
        client.io.shutdown().await.unwrap();
        drop(target);
        client.outcome().await.unwrap();

        let record = told.one();
        assert_eq!(record.session, started.session);
        assert_eq!(record.session.number(), 1);
        assert_ne!(record.session.instance(), 0);
        assert_eq!(record.protocol, Some(Protocol::Socks5));
        assert_eq!(record.listener.as_deref(), Some("office"));
        assert_eq!(record.client.to_string(), PEER);
        assert_eq!(record.local.to_string(), LOCAL);
        assert_eq!(record.command, Some(Command::CONNECT));
        assert!(record.target.is_some());
        assert_eq!(record.dialled.unwrap().to_string(), "203.0.113.9:80");
        assert_eq!(record.upstream.as_deref(), Some("tor"));
        assert_eq!(record.bound.clone().unwrap().to_string(), BOUND);
        assert_eq!(record.traffic, Traffic { up: 4, down: 5 });
        assert_eq!(record.duration, Duration::from_secs(3));
        assert_eq!(record.started, record.accepted);
        let end = record.end.unwrap();
        assert_eq!(end.kind, EndKind::Done);
        assert_eq!(
            (end.fault, end.step, end.rule, end.error),
            (None, None, None, None)
        );
        assert_eq!(recorder.unspoken(), 0);
    })
    .await;
}

fn request_reached(request: &tower_socks::Request) {
    request.reached("203.0.113.9:80".parse().unwrap());
    request.routed("tor");
}

#[tokio::test]
async fn a_refusal_has_its_rule_and_the_code_that_was_sent() {
    within(async {
        let (told, recorder) = recorder();
        let refusing = failing(|| Refusal::not_allowed("no mail").with_rule("rule 2 (no mail)"));
        let mut client = Client::new(recorded!(recorder, NoAuth, refusing));
        client.io.say(&[HELLO, CONNECT].concat()).await;
        client.io.hear(HELLO_OK).await;
        client.io.hear(&failure(2)).await;
        client.lingering_close().await.unwrap_err();

        let record = told.one();
        assert_eq!(record.reply_code, Some(ReplyCode::NOT_ALLOWED));
        assert_eq!(record.bound, None);
        let end = record.end.unwrap();
        assert_eq!(
            (end.kind, end.fault),
            (EndKind::Refused, Some(Fault::Refused))
        );
        assert_eq!(end.step, Some(Step::Dial));
        assert_eq!(end.rule.as_deref(), Some("rule 2 (no mail)"));
        assert_eq!(end.error.as_deref(), Some("dial failed: no mail"));
        assert!(told.started.lock().unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_failed_login_has_the_name_that_was_tried() {
    within(async {
        let (told, recorder) = recorder();
        let verifier =
            tower::service_fn(async |_: Credentials| Err::<Identity, _>(AuthError::Denied));
        let (service, _incoming) = targets();
        let stack = recorded!(recorder, UserPass::new(verifier), service);
        let mut client = Client::new(stack);
        client.io.say(b"\x05\x01\x02\x01\x03joe\x03pwd").await;
        client.io.hear(b"\x05\x02\x01\x01").await;
        client.lingering_close().await.unwrap_err();

        let record = told.one();
        assert_eq!(record.tried.as_deref(), Some(&b"joe"[..]));
        assert_eq!((record.request, record.command), (0, None));
        assert_eq!(record.protocol, Some(Protocol::Socks5));
        assert_eq!(record.identity.name(), None);
        assert_eq!(kind(&record), EndKind::LoginFailed);
        assert!(!format!("{record:?}").contains("pwd"));
    })
    .await;
}

#[tokio::test]
async fn who_asks_for_nothing_has_no_record_and_is_counted() {
    within(async {
        let (told, recorder) = recorder();
        for said in [&b""[..], HELLO] {
            let (service, _incoming) = targets();
            let mut client = Client::new(recorded!(recorder, NoAuth, service));
            client.io.say(said).await;
            settle().await;
            client.lingering_close().await.unwrap_err();
        }
        assert_eq!(recorder.unspoken(), 2);
        assert!(told.ended.lock().unwrap().is_empty());

        // Garbage is something.
        let (service, _incoming) = targets();
        let mut client = Client::new(recorded!(recorder, NoAuth, service));
        client.io.say(b"GET / HTTP/1.1\r\n\r\n").await;
        settle().await;
        client.lingering_close().await.unwrap_err();
        assert_eq!(kind(&told.one()), EndKind::Client);
        assert_eq!(recorder.unspoken(), 2);
    })
    .await;
}

/// Refuses the first octet of the tunnel.
struct Spent;

impl Meter for Spent {
    fn poll_allowance(
        &mut self,
        _: &mut std::task::Context<'_>,
        _: Direction,
    ) -> std::task::Poll<std::io::Result<usize>> {
        let refusal = Refusal::not_allowed("used up").with_rule("limit quota");
        std::task::Poll::Ready(Err(std::io::Error::other(refusal)))
    }

    fn moved(&mut self, _: Direction, _: usize) {}
}

#[tokio::test]
async fn an_operators_close_is_told_from_a_limit() {
    within(async {
        let (told, recorder) = recorder();
        let open = OpenTunnels::new();
        let (service, mut incoming) = targets();
        let stack = recorded!(recorder, NoAuth, open.layer().layer(service));
        let mut client = Client::new(stack).connected().await;
        let (_, mut target) = incoming.recv().await.unwrap();
        client.io.say(b"ping").await;
        target.hear(b"ping").await;
        open.close_where(|_| true);
        client.outcome().await.unwrap_err();
        let record = told.one();
        let end = record.end.unwrap();
        assert_eq!(
            (end.kind, end.rule.as_deref()),
            (EndKind::Closed, Some("operator"))
        );
        assert_eq!(
            end.error.as_deref(),
            Some("relay failed: the tunnel was closed: closed by the operator")
        );
        assert_eq!(record.traffic.up, 4);

        let (service, mut incoming) = targets();
        let metered = request_fn(async |request, next| {
            use tower_socks::TunnelExt;
            Ok::<_, tower_socks::BoxError>(next.run(request).await?.metered(Spent))
        });
        let stack = recorded!(recorder, NoAuth, metered.layer(service));
        let mut client = Client::new(stack).connected().await;
        let _target = incoming.recv().await.unwrap();
        client.outcome().await.unwrap_err();
        let end = told.one().end.unwrap();
        assert_eq!(
            (end.kind, end.rule.as_deref()),
            (EndKind::Limit, Some("limit quota"))
        );
    })
    .await;
}

#[tokio::test]
async fn what_is_dropped_is_told_with_what_has_moved() {
    within(async {
        let (told, recorder) = recorder();
        let (service, mut incoming) = targets();
        let mut client = Client::new(recorded!(recorder, NoAuth, service))
            .connected()
            .await;
        let (_, mut target) = incoming.recv().await.unwrap();
        client.io.say(b"ping").await;
        target.hear(b"ping").await;
        client.session.abort();
        assert!((&mut client.session).await.unwrap_err().is_cancelled());
        let record = told.one();
        assert_eq!((kind(&record), record.traffic.up), (EndKind::Dropped, 4));

        // In the middle of the dial as well.
        let (service, mut events) = endless();
        let mut client = Client::new(recorded!(recorder, NoAuth, service));
        client.io.say(&[HELLO, CONNECT].concat()).await;
        assert_eq!(events.recv().await, Some("begun"));
        client.session.abort();
        assert!((&mut client.session).await.unwrap_err().is_cancelled());
        let record = told.one();
        assert_eq!((kind(&record), record.reply_code), (EndKind::Dropped, None));
        assert!(record.target.is_some());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_long_tunnel_is_told_of_while_it_lasts() {
    within_an_hour(async {
        let (told, recorder) = recorder();
        let updates = tokio::spawn(recorder.clone().updates());
        *told.interval.lock().unwrap() = Some(Duration::from_secs(300));
        let (service, mut incoming) = targets();
        let mut client = Client::new(recorded!(recorder, NoAuth, service))
            .connected()
            .await;
        let (_, mut target) = incoming.recv().await.unwrap();
        client.io.say(b"ping").await;
        target.hear(b"ping").await;
        sleep(Duration::from_secs(299)).await;
        assert_eq!(told.interim.lock().unwrap().len(), 0);
        sleep(Duration::from_secs(2)).await;
        let first = told.interim.lock().unwrap().pop().unwrap();
        assert_eq!((first.traffic.up, first.duration.as_secs()), (4, 300));
        sleep(Duration::from_secs(300)).await;
        assert_eq!(told.interim.lock().unwrap().len(), 1);

        // Not while nobody wants to hear.
        *told.interval.lock().unwrap() = None;
        sleep(Duration::from_secs(900)).await;
        assert_eq!(told.interim.lock().unwrap().len(), 1);

        // And no more once it has ended.
        *told.interval.lock().unwrap() = Some(Duration::from_secs(300));
        drop(target);
        client.io.shutdown().await.unwrap();
        client.outcome().await.unwrap();
        told.interim.lock().unwrap().clear();
        sleep(Duration::from_secs(900)).await;
        assert_eq!(told.interim.lock().unwrap().len(), 0);
        assert_eq!(kind(&told.one()), EndKind::Done);
        updates.abort();
    })
    .await;
}

#[tokio::test]
async fn a_session_goes_on_with_the_sinks_that_it_began_with() {
    within(async {
        let (before, recorder) = recorder();
        let (service, mut incoming) = targets();
        let client = Client::new(recorded!(recorder, NoAuth, service.clone()));
        let mut client = client.connected().await;
        let _target = incoming.recv().await.unwrap();
        let after = Arc::new(Told::default());
        recorder.set_sinks([Arc::clone(&after) as Arc<dyn Sink>]);
        let late = Client::new(recorded!(recorder, NoAuth, service.clone()));
        let late = late.connected().await;
        recorder.set_sinks([]);
        let none = Client::new(recorded!(recorder, NoAuth, service))
            .connected()
            .await;
        client.session.abort();
        assert!((&mut client.session).await.is_err());
        assert_eq!(before.one().session.number(), 1);
        late.session.abort();
        none.session.abort();
        assert!(late.session.await.is_err());
        assert!(none.session.await.is_err());
        assert_eq!(after.one().session.number(), 2);
        assert!(before.ended.lock().unwrap().is_empty());
        assert_ne!(
            SessionId::default(),
            before.started.lock().unwrap()[0].session
        );
    })
    .await;
}

#[tokio::test]
async fn an_association_names_its_destinations() {
    within(async {
        let (told, recorder) = recorder();
        let service = UdpOverTcpLayer::new().layer(recorder.requests().layer(Connector::direct()));
        let stack = ServiceBuilder::new()
            .layer(recorder.sessions())
            .layer(HandshakeLayer::new())
            .layer(AuthLayer::new(NoAuth))
            .service(service);
        let proxy = crate::support::proxy(stack).await;
        let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = Address::Ip(target.local_addr().unwrap());
        for carrier in [None, Some(UdpOverTcp::V2)] {
            let client = tower_socks::Client::new();
            let stream = TcpStream::connect(proxy).await.unwrap();
            let mut socket = match carrier {
                None => client.associate(stream).await.unwrap(),
                Some(protocol) => client.udp_over_tcp_by(stream, protocol).await.unwrap(),
            };
            socket.send_to(b"ping", &address).await.unwrap();
            let mut room = [0; 8];
            let (_, from) = target.recv_from(&mut room).await.unwrap();
            target.send_to(b"hello", from).await.unwrap();
            socket.recv_from(&mut room).await.unwrap();
            // More than the list has room for.
            for port in 1..=40 {
                let elsewhere = Address::new("127.0.0.2", port).unwrap();
                socket.send_to(b"x", &elsewhere).await.unwrap();
                tokio::task::yield_now().await;
            }
            let list = loop {
                let started = told.started.lock().unwrap().last().unwrap().clone();
                let destinations = started.destinations.unwrap();
                if destinations
                    .rest()
                    .is_some_and(|rest| rest.datagrams_up == 9)
                {
                    break destinations.list();
                }
                tokio::task::yield_now().await;
            };
            assert_eq!(list.len(), 32);
            assert_eq!(list[0].address, address);
            assert_eq!((list[0].datagrams_up, list[0].up), (1, 4));
            assert_eq!((list[0].datagrams_down, list[0].down), (1, 5));
            drop(socket);
            let record = loop {
                if !told.ended.lock().unwrap().is_empty() {
                    break told.one();
                }
                tokio::task::yield_now().await;
            };
            assert_eq!(record.command, Some(Command::UDP_ASSOCIATE));
            assert_eq!(record.udp_over_tcp, carrier);
            assert_eq!(record.datagrams, Traffic { up: 41, down: 1 });
            assert_eq!(record.traffic, Traffic { up: 44, down: 5 });
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_is_told_where_only_requests_are_recorded() {
    within(async {
        let (told, recorder) = recorder();
        let (service, mut incoming) = targets();
        let stack = crate::support::stack(NoAuth, recorder.requests().layer(service));
        let mut client = Client::new(stack);
        client.io.say(&[HELLO, CONNECT].concat()).await;
        client.io.hear(&[HELLO_OK, CONNECTED].concat()).await;
        let _target = incoming.recv().await.unwrap();
        client.session.abort();
        assert!((&mut client.session).await.is_err());
        assert!(told.ended.lock().unwrap().is_empty());
    })
    .await;
}
