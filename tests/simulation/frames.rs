//! UDP over TCP: datagrams there and back in the stream, while something happens to it.

use std::{
    io,
    task::{Context, Poll, Waker},
};

use tower::{Layer, service_fn};
use tower_socks::{
    BoxError, Connector, Request,
    connector::associate::Associate,
    datagram::{DatagramTransport, Datagrams},
    layer::udp_over_tcp::UdpOverTcpLayer,
};

use super::{
    peer::{Script, Then},
    scenarios::{HELLO, HELLO_OK},
    session::Plan,
    sockets::{LIMIT, assert_in_time, play},
    stack::bottom,
    sweep::{self, Polls, sweep},
};

/// A transport that answers each datagram twice, from where it went.
#[derive(Debug, Default)]
struct Answers {
    waiting: Datagrams,
    waker: Option<Waker>,
}

impl DatagramTransport for Answers {
    fn poll_send(&mut self, _: &mut Context<'_>, out: &mut Datagrams) -> Poll<io::Result<()>> {
        for (destination, payload) in out.iter() {
            for answer in [&b"heard "[..], b"and done: "] {
                let answer = [answer, payload].concat();
                self.waiting.push(destination.clone(), &answer);
            }
        }
        out.clear();
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, into: &mut Datagrams) -> Poll<io::Result<()>> {
        if self.waiting.is_empty() {
            self.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        for (source, payload) in self.waiting.iter() {
            into.push(source.clone(), payload);
        }
        self.waiting.clear();
        Poll::Ready(Ok(()))
    }
}

const V1: &[u8] = b"\x05\x01\x00\x03\x14sp.udp-over-tcp.arpa\0\0";
const V2: &[u8] = b"\x05\x01\x00\x03\x17sp.v2.udp-over-tcp.arpa\0\0";
const FORWARD_UDP: &[u8] = b"\x05\x05\x00\x01\0\0\0\0\0\0";
const BOUND: &[u8] = b"\x05\x00\x00\x01\0\0\0\0\0\0";

/// A frame of a form with this payload, to or from 192.0.2.1:53.
type Frame = fn(&[u8]) -> Vec<u8>;

fn addressed(payload: &[u8]) -> Vec<u8> {
    [
        &b"\0\xc0\0\x02\x01\0\x35\0"[..],
        &[payload.len() as u8],
        payload,
    ]
    .concat()
}

fn connected(payload: &[u8]) -> Vec<u8> {
    [&b"\0"[..], &[payload.len() as u8], payload].concat()
}

fn forwarded(payload: &[u8]) -> Vec<u8> {
    let header = b"\x0a\x01\xc0\x00\x02\x01\0\x35";
    [&b"\0"[..], &[payload.len() as u8], &header[..], payload].concat()
}

#[tokio::test(start_paused = true)]
async fn version_1() {
    dialogue("UDP over TCP, version 1", V1, b"", addressed, 400).await;
}

#[tokio::test(start_paused = true)]
async fn version_2() {
    dialogue(
        "UDP over TCP, version 2",
        V2,
        b"\0\x01\0\0\0\0\0\0",
        addressed,
        430,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn version_2_with_one_destination() {
    let first = b"\x01\x01\xc0\0\x02\x01\0\x35";
    dialogue(
        "UDP over TCP, version 2, connected",
        V2,
        first,
        connected,
        310,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn forward_udp() {
    dialogue("FWD UDP", FORWARD_UDP, b"", forwarded, 380).await;
}

/// Two datagrams, one of them empty, and four that come back; then the client ends.
async fn dialogue(
    name: &str,
    request: &'static [u8],
    first: &'static [u8],
    frame: Frame,
    least: usize,
) {
    let transports = service_fn(|_: Request| async { Ok::<_, BoxError>(Answers::default()) });
    // One for each client: the next session has none where the one before has kept it.
    let associate = Associate::with_transports(transports)
        .idle_timeout(LIMIT)
        .per_client(1);
    let connector = Connector::direct().with_associate(associate);
    let bottom = bottom(UdpOverTcpLayer::new().layer(connector));
    let said = [first, &frame(b"ping"), &frame(b"")].concat();
    let answers = [
        &b"heard ping"[..],
        b"and done: ping",
        b"heard ",
        b"and done: ",
    ];
    let answers: Vec<u8> = answers.into_iter().flat_map(frame).collect();
    let all = [HELLO_OK, BOUND, &answers].concat();
    let run = async |plan: Plan| {
        let lines = [(0, HELLO), (2, request), (12, &said), (all.len(), b"")];
        let script = Script::new(lines, Then::Ends);
        let (ended, (), operations) = play(plan, None, script, bottom.clone(), |_| async {}).await;
        let about = || format!("{plan:?}: {ended:?}");
        assert!(all.starts_with(&ended.heard), "{}", about());
        assert_in_time(&ended, 12);
        if let Some(traffic) = ended.traffic() {
            assert!(traffic.up <= 4 && traffic.down <= 40, "{}", about());
        }
        if plan.is_harmless() {
            assert_eq!(ended.heard, all, "{}", about());
            let traffic = ended.outcome.as_ref().unwrap();
            assert_eq!((traffic.up, traffic.down), (4, 40), "{}", about());
        }
        operations
    };
    sweep(sweep::ALL, Polls::AlwaysTheSame, run)
        .await
        .report(name, least);
}
