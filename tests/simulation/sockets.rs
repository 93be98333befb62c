//! Sessions with a client in memory, and sockets of the system on the far side: BIND, UDP ASSOCIATE,
//! and CONNECT by a name with two addresses.

use std::{
    future::pending,
    net::{IpAddr, SocketAddr},
    sync::{Arc, mpsc},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream, UdpSocket},
    sync::{Notify, watch},
    task::JoinHandle,
};
use tower::service_fn;
use tower_socks::{
    Associate, Bind, BoxError, Connector, Direct,
    proto::{Decode, Decoded, DomainName, Reply},
};

use super::{
    fault::Fault,
    peer::{Script, Then},
    scenarios::{DOWN, HELLO, HELLO_OK, UP, failure},
    session::{Ended, Plan, Session},
    stack::{Bottom, Counters, DEADLINE, FAREWELL, IDLE, RELAY, REPLY, Verifier, bottom},
    sweep::{self, Operations, Polls, sweep},
};

/// For the peer of a BIND, and for an idle association.
const LIMIT: Duration = Duration::from_secs(40);

/// BIND for 127.0.0.1.
const BIND: &[u8] = b"\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x14";

/// Sockets are in real time. While this is there the clock stands still instead of jumping: tokio
/// has it wait for what a thread does.
struct Moment {
    _until_dropped: mpsc::Sender<()>,
}

impl Moment {
    /// Ends by itself. Long enough for what the system still has to do where nothing but time will
    /// end the session, and as good as endless where something else does.
    fn of(plan: &Plan) -> Self {
        let (until_dropped, dropped) = mpsc::channel();
        let limit = match plan.fault {
            Some((.., Fault::Stalls | Fault::StopsReading)) => Duration::from_millis(10),
            _ => Duration::from_secs(20),
        };
        tokio::task::spawn_blocking(move || dropped.recv_timeout(limit));
        Self {
            _until_dropped: until_dropped,
        }
    }
}

type Heard = watch::Receiver<Vec<u8>>;

/// BND of the first reply, once the client has it; nothing, where it never comes.
async fn bound(heard: &mut Heard) -> Option<SocketAddr> {
    let heard = heard.wait_for(|heard| heard.len() >= 12).await.ok()?;
    match Reply::decode(&heard[2..]) {
        Ok(Decoded::Done(reply, _)) if reply.code.is_success() => reply.bound.ip(),
        _ => None,
    }
}

/// The client's stream has ended.
async fn stream_over(heard: &mut Heard) {
    let _ = heard.wait_for(|_| false).await;
}

/// Who the far side is, and what it has heard.
#[derive(Debug, Default)]
struct Far {
    local: Option<SocketAddr>,
    heard: Vec<u8>,
}

/// Says everything, and hears everything.
async fn converse(mut stream: TcpStream) -> Vec<u8> {
    let _ = stream.write_all(DOWN).await;
    let _ = stream.shutdown().await;
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    heard
}

/// Plays a session, with `far` at the other side of the stack.
async fn play<F>(
    plan: Plan,
    moment: Option<Moment>,
    script: Script,
    bottom: Bottom,
    far: impl FnOnce(Heard) -> F,
) -> (Ended, F::Output, Operations)
where
    F: Future<Output: Send> + Send + 'static,
{
    let counters = Counters::new();
    let session = Session::start(&plan, &counters, &script, Verifier::Knows, |_| bottom);
    let far: JoinHandle<F::Output> = tokio::spawn(far(session.client.heard.clone()));
    let log = session.log.clone();
    let ended = session.ended(&counters).await;
    let far = far.await.unwrap();
    counters.assert_no_task();
    drop(moment);
    let log = log.lock().unwrap();
    assert_eq!(log.written, ended.heard, "{plan:?}: {ended:?}");
    let operations = Operations {
        client: log.operations,
        target: 0,
        fired: log.fired,
    };
    (ended, far, operations)
}

/// One limit has to pass at most.
fn assert_in_time(ended: &Ended, replies: usize) {
    ended.assert_within(match ended.heard.len() {
        heard if heard < replies => DEADLINE.max(LIMIT) + REPLY + FAREWELL,
        _ => IDLE + 2 * FAREWELL,
    });
}

fn reply(bound: Option<SocketAddr>) -> Vec<u8> {
    let SocketAddr::V4(bound) = bound.unwrap_or_else(|| ([0, 0, 0, 0], 0).into()) else {
        panic!("{bound:?} is not of this family");
    };
    let port = bound.port().to_be_bytes();
    [b"\x05\x00\x00\x01", &bound.ip().octets()[..], &port].concat()
}

/// The first reply; of one that did not arrive as a whole, nobody knows the port.
fn first_reply(bound: Option<SocketAddr>, heard: &[u8]) -> Vec<u8> {
    let first = match bound {
        Some(_) => reply(bound),
        None => {
            let port = heard.get(10..).unwrap_or_default();
            assert!(port.len() < 2, "a whole reply");
            [b"\x05\x00\x00\x01\x7f\x00\x00\x01", port].concat()
        }
    };
    [HELLO_OK, &first].concat()
}

#[tokio::test(start_paused = true)]
async fn bind() {
    let service = Bind::new().accept_timeout(LIMIT).relay(RELAY);
    let bottom = bottom(Connector::direct().with_bind(service));
    let run = async |plan: Plan| {
        let script = Script::new([(0, HELLO), (2, BIND), (22, UP)], Then::Ends);
        let peer = async |mut heard: Heard| {
            let at = bound(&mut heard).await;
            let Some(to) = at else {
                return (at, Far::default());
            };
            // Where it comes from is known even if it is reset at once.
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
            let local = socket.local_addr().ok();
            let heard = match socket.connect(to).await {
                Ok(stream) => converse(stream).await,
                Err(_) => Vec::new(),
            };
            (at, Far { local, heard })
        };
        let moment = Some(Moment::of(&plan));
        let (ended, (at, far), operations) = play(plan, moment, script, bottom.clone(), peer).await;
        let about = || format!("{plan:?}: {ended:?}, {far:?}");
        let first = first_reply(at, &ended.heard);
        let all = [&*first, &reply(far.local), DOWN].concat();
        let closed = [&*first, &failure(1)].concat();
        let half_closed = plan.fault.is_some_and(|(.., it)| it == Fault::HalfCloses);
        assert!(
            all.starts_with(&ended.heard) || (half_closed && closed == ended.heard),
            "{}",
            about()
        );
        assert!(UP.starts_with(&far.heard), "{}", about());
        assert_in_time(&ended, 22);
        if plan.is_harmless() {
            assert_eq!(ended.heard, all, "{}", about());
            assert_eq!(far.heard, UP, "{}", about());
            let traffic = ended.outcome.as_ref().unwrap();
            let lengths = (UP.len() as u64, DOWN.len() as u64);
            assert_eq!((traffic.up, traffic.down), lengths, "{}", about());
        }
        operations
    };
    let count = sweep(sweep::ALL, Polls::Vary, run).await;
    count.report("BIND", 130);
}

/// Everything is in memory but the listener, so that the clock may jump.
async fn bind_that_fails(
    plan: Plan,
    bind: Bottom,
    request: &[u8],
    code: u8,
    limit: Duration,
) -> Operations {
    let script = Script::new([(0, HELLO), (2, request)], Then::Waits);
    let nobody = |mut heard: Heard| async move { bound(&mut heard).await };
    let (ended, at, operations) = play(plan, None, script, bind, nobody).await;
    let about = || format!("{plan:?}: {ended:?}, {at:?}");
    let first = match (code, at) {
        (4.., None) if !ended.heard.starts_with(b"\x05\x00\x05\x00") => HELLO_OK.to_vec(),
        _ => first_reply(at, &ended.heard),
    };
    let all = [&*first, &failure(code)].concat();
    let closed = [&*first, &failure(1)].concat();
    let half_closed = plan.fault.is_some_and(|(.., it)| it == Fault::HalfCloses);
    let right = all.starts_with(&ended.heard) || (half_closed && closed == ended.heard);
    assert!(right, "{}", about());
    ended.assert_within(DEADLINE.max(limit) + REPLY + FAREWELL);
    if plan.is_harmless() {
        assert_eq!(ended.heard, all, "{}", about());
        assert!(ended.took >= limit, "{}", about());
    }
    operations
}

#[tokio::test(start_paused = true)]
async fn bind_for_a_peer_that_never_comes() {
    let service = Bind::new().accept_timeout(LIMIT).relay(RELAY);
    let bottom = bottom(Connector::direct().with_bind(service));
    let run = async |plan| bind_that_fails(plan, bottom.clone(), BIND, 6, LIMIT).await;
    let count = sweep(sweep::ALL, Polls::Vary, run).await;
    count.report("BIND, nobody comes", 80);
}

#[tokio::test(start_paused = true)]
async fn bind_for_a_name_whose_lookup_hangs() {
    const REQUEST: &[u8] = b"\x05\x02\x00\x03\x0cslow.example\x00\x14";
    let silent = service_fn(|_: DomainName| pending::<Result<Vec<IpAddr>, BoxError>>());
    let bottom = bottom(Connector::direct().with_bind(Bind::new().resolver(silent)));
    let limit = Duration::from_secs(20);
    let run = async |plan| bind_that_fails(plan, bottom.clone(), REQUEST, 6, limit).await;
    let count = sweep(sweep::ALL, Polls::Vary, run).await;
    count.report("BIND, a lookup that hangs", 80);
}

#[tokio::test(start_paused = true)]
async fn associate() {
    const ASSOCIATE: &[u8] = b"\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00";
    // One for each client: the next session has none where the one before has kept it.
    let service = Associate::new().idle_timeout(LIMIT).per_client(1);
    let bottom = bottom(Connector::direct().with_associate(service));
    let run = async |plan: Plan| {
        let over = Arc::new(Notify::new());
        let then = Then::WaitsFor(Arc::clone(&over));
        let script = Script::new([(0, HELLO), (2, ASSOCIATE)], then);
        let ends = |mut heard: Heard| async move {
            let relay = bound(&mut heard).await;
            let exchanged = async {
                if let Some(relay) = relay {
                    tokio::select! {
                        () = exchange(relay) => return true,
                        () = stream_over(&mut heard) => {}
                    }
                }
                false
            };
            let exchanged = exchanged.await;
            over.notify_one();
            (relay, exchanged)
        };
        let moment = Some(Moment::of(&plan));
        let (ended, (relay, exchanged), operations) =
            play(plan, moment, script, bottom.clone(), ends).await;
        let about = || format!("{plan:?}: {ended:?}, {relay:?} {exchanged}");
        let all = first_reply(relay, &ended.heard);
        assert!(all.starts_with(&ended.heard), "{}", about());
        assert_in_time(&ended, 12);
        if plan.is_harmless() {
            assert_eq!(ended.heard, all, "{}", about());
            assert!(exchanged, "{}", about());
            let traffic = ended.outcome.as_ref().unwrap();
            assert_eq!((traffic.up, traffic.down), (4, 5), "{}", about());
        }
        operations
    };
    let count = sweep(sweep::ALL, Polls::Vary, run).await;
    count.report("UDP ASSOCIATE", 60);
}

/// A datagram there, and another one back.
async fn exchange(relay: SocketAddr) {
    let here = IpAddr::from([127, 0, 0, 1]);
    let client = UdpSocket::bind((here, 0)).await.unwrap();
    let target = UdpSocket::bind((here, 0)).await.unwrap();
    let port = target.local_addr().unwrap().port().to_be_bytes();
    let header = [b"\0\0\0\x01\x7f\0\0\x01", &port[..]].concat();
    let ping = [&header, &b"ping"[..]].concat();
    client.send_to(&ping, relay).await.unwrap();
    let mut room = [0; 64];
    let (len, from) = target.recv_from(&mut room).await.unwrap();
    assert_eq!(&room[..len], b"ping");
    target.send_to(b"pong!", from).await.unwrap();
    let (len, from) = client.recv_from(&mut room).await.unwrap();
    assert_eq!(room[..len], [&header, &b"pong!"[..]].concat());
    assert_eq!(from, relay);
}

#[tokio::test(start_paused = true)]
async fn connect_by_address() {
    let address = |port: [u8; 2]| [b"\x05\x01\x00\x01\x7f\x00\x00\x01", &port[..]].concat();
    let count = sweep(sweep::ALL, Polls::Vary, async |plan| {
        dial(plan, address).await
    })
    .await;
    count.report("CONNECT by address", 130);
}

#[tokio::test(start_paused = true)]
async fn connect_by_a_name_whose_first_address_refuses() {
    let name = |port: [u8; 2]| [b"\x05\x01\x00\x03\x0btwo.example", &port[..]].concat();
    let count = sweep(sweep::ALL, Polls::Vary, async |plan| dial(plan, name).await).await;
    count.report("CONNECT by a name, its second address", 130);
}

/// CONNECT from this machine. `request` makes the request for a port here.
async fn dial(plan: Plan, request: impl Fn([u8; 2]) -> Vec<u8>) -> Operations {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let request = request(port.to_be_bytes());
    let script = Script::new([(0, HELLO), (2, &request), (12, UP)], Then::Ends);
    let resolver = service_fn(|_: DomainName| async {
        Ok::<_, BoxError>([[127, 0, 0, 2], [127, 0, 0, 1]].map(IpAddr::from))
    });
    let direct = Direct::new().resolver(resolver).relay(RELAY);
    let bottom = bottom(Connector::direct().with_connect(direct));
    let target = |mut heard: Heard| async move {
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => Some(accepted.unwrap()),
            () = stream_over(&mut heard) => None,
        };
        match accepted {
            Some((stream, from)) => Far {
                local: Some(from),
                heard: converse(stream).await,
            },
            None => Far::default(),
        }
    };
    let moment = Some(Moment::of(&plan));
    let (ended, far, operations) = play(plan, moment, script, bottom, target).await;
    let about = || format!("{plan:?}: {ended:?}, {far:?}");
    let all = [HELLO_OK, &reply(far.local), DOWN].concat();
    assert!(all.starts_with(&ended.heard), "{}", about());
    assert!(UP.starts_with(&far.heard), "{}", about());
    assert_in_time(&ended, 12);
    if plan.is_harmless() {
        assert_eq!(ended.heard, all, "{}", about());
        assert_eq!(far.heard, UP, "{}", about());
    }
    operations
}
