//! Sessions with a client in memory, and sockets of the system on the far side.

use std::{net::SocketAddr, sync::mpsc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    task::JoinHandle,
};
use tower_socks::proto::{Decode, Decoded, Reply};

use super::{
    fault::Fault,
    peer::Script,
    scenarios::{DOWN, HELLO_OK},
    session::{Ended, Plan, Session},
    stack::{Bottom, Counters, DEADLINE, FAREWELL, Front, IDLE, REPLY, Verifier},
    sweep::Operations,
};

/// For the peer of a BIND, and for an idle association.
pub const LIMIT: Duration = Duration::from_secs(40);

/// Sockets are in real time. While this is there the clock stands still instead of jumping: tokio
/// has it wait for what a thread does.
pub struct Moment {
    _until_dropped: mpsc::Sender<()>,
}

impl Moment {
    /// Ends by itself. Long enough for what the system still has to do where nothing but time will
    /// end the session, and as good as endless where something else does.
    pub fn of(plan: &Plan) -> Self {
        Self::lasting(match plan.fault {
            Some((.., Fault::Stalls | Fault::StopsReading)) => Duration::from_millis(10),
            _ => Duration::from_secs(20),
        })
    }

    /// So long at most.
    pub fn lasting(limit: Duration) -> Self {
        let (until_dropped, dropped) = mpsc::channel();
        tokio::task::spawn_blocking(move || dropped.recv_timeout(limit));
        Self {
            _until_dropped: until_dropped,
        }
    }
}

pub type Heard = watch::Receiver<Vec<u8>>;

/// BND of the first reply, once the client has it; nothing, where it never comes.
pub async fn bound(heard: &mut Heard) -> Option<SocketAddr> {
    let heard = heard.wait_for(|heard| heard.len() >= 12).await.ok()?;
    match Reply::decode(&heard[2..]) {
        Ok(Decoded::Done(reply, _)) if reply.code.is_success() => reply.bound.ip(),
        _ => None,
    }
}

/// The client's stream has ended.
pub async fn stream_over(heard: &mut Heard) {
    let _ = heard.wait_for(|_| false).await;
}

/// Who the far side is, and what it has heard.
#[derive(Debug, Default)]
pub struct Far {
    pub local: Option<SocketAddr>,
    pub heard: Vec<u8>,
}

/// Says everything, and hears everything.
pub async fn converse(mut stream: TcpStream) -> Vec<u8> {
    let _ = stream.write_all(DOWN).await;
    let _ = stream.shutdown().await;
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    heard
}

/// Plays a session of SOCKS5, with `far` at the other side of the stack.
pub async fn play<F>(
    plan: Plan,
    moment: Option<Moment>,
    script: Script,
    bottom: Bottom,
    far: impl FnOnce(Heard) -> F,
) -> (Ended, F::Output, Operations)
where
    F: Future<Output: Send> + Send + 'static,
{
    play_behind(Front::Socks5, plan, moment, script, bottom, far).await
}

/// The same, of a protocol.
pub async fn play_behind<F>(
    front: Front,
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
    let session = Session::start(&plan, &counters, &script, front, Verifier::Knows, |_| {
        bottom
    });
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
pub fn assert_in_time(ended: &Ended, replies: usize) {
    ended.assert_within(match ended.heard.len() {
        heard if heard < replies => DEADLINE.max(LIMIT) + REPLY + FAREWELL,
        _ => IDLE + 2 * FAREWELL,
    });
}

pub fn reply(bound: Option<SocketAddr>) -> Vec<u8> {
    let SocketAddr::V4(bound) = bound.unwrap_or_else(|| ([0, 0, 0, 0], 0).into()) else {
        panic!("{bound:?} is not of this family");
    };
    let port = bound.port().to_be_bytes();
    [b"\x05\x00\x00\x01", &bound.ip().octets()[..], &port].concat()
}

/// The first reply; of one that did not arrive as a whole, nobody knows the port.
pub fn first_reply(bound: Option<SocketAddr>, heard: &[u8]) -> Vec<u8> {
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
