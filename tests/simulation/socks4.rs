//! SOCKS4: CONNECT to an address and to a name, BIND, and what comes to nothing.

use std::{io, net::SocketAddr, time::Duration};

use tokio::net::TcpSocket;
use tower_socks::{Connector, connector::bind::Bind, error::Step};

use super::{
    connect::{Dial, Scenario},
    fault::Fault,
    peer::{Script, Then},
    scenarios::{self, DOWN, UP, fails, play},
    session::Plan,
    sockets::{Far, Heard, LIMIT, Moment, assert_in_time, converse, play_behind},
    stack::{DEADLINE, DIAL, FAREWELL, Front, RELAY, REPLY, bottom},
    sweep::{self, Operations, Polls, sweep},
};

/// CONNECT to 192.0.2.1:80.
const CONNECT: &[u8] = b"\x04\x01\x00\x50\xc0\x00\x02\x01joe\0";
const GRANTED: &[u8] = b"\x00\x5a\x10\xe1\xc6\x33\x64\x07";
const REJECTED: &[u8] = b"\x00\x5b\0\0\0\0\0\0";
/// BIND for 127.0.0.3.
const BIND: &[u8] = b"\x04\x02\x00\x14\x7f\x00\x00\x03\0";

/// A question, an answer, and both half-close.
fn plain() -> Scenario {
    Scenario {
        client: Script::new([(0, CONNECT), (8, UP)], Then::Ends),
        front: Front::Socks4,
        replies: GRANTED.to_vec(),
        ..scenarios::plain()
    }
}

/// A session that ends before there is a tunnel.
fn failing(says: &[u8], step: Step, replies: &[u8]) -> Scenario {
    Scenario {
        front: Front::Socks4,
        ..fails([(0, says)], step, &[replies])
    }
}

#[tokio::test(start_paused = true)]
async fn connect_to_an_address() {
    play("SOCKS4, CONNECT", plain(), 280).await;
}

#[tokio::test(start_paused = true)]
async fn connect_to_a_name_all_in_one_go_with_a_slow_dial() {
    let delay = Duration::from_secs(3);
    let request = b"\x04\x01\x00\x50\0\0\0\x01joe\0example.com\0";
    let all = [&request[..], UP].concat();
    let scenario = Scenario {
        client: Script::new([(0, all)], Then::Ends),
        dial: Dial::ConnectsAfter(delay),
        takes: delay,
        ..plain()
    };
    play("SOCKS4a, all in one go, a slow dial", scenario, 300).await;
}

#[tokio::test(start_paused = true)]
async fn dial_that_fails_and_one_that_hangs() {
    let scenario = Scenario {
        dial: Dial::Fails(io::ErrorKind::ConnectionRefused),
        ..failing(CONNECT, Step::Dial, REJECTED)
    };
    play("SOCKS4, a dial that fails", scenario, 60).await;

    let scenario = Scenario {
        dial: Dial::Hangs,
        takes: DIAL,
        ..failing(CONNECT, Step::Dial, REJECTED)
    };
    play("SOCKS4, a dial that hangs", scenario, 60).await;
}

#[tokio::test(start_paused = true)]
async fn refused_by_policy_with_data_behind_the_request() {
    let early = [b"\x04\x01\x00\x50\xc0\x00\x02\x42\0", UP].concat();
    let scenario = failing(&early, Step::Dial, REJECTED);
    play("SOCKS4, refused by policy", scenario, 90).await;
}

#[tokio::test(start_paused = true)]
async fn requests_that_come_to_nothing() {
    let scenario = failing(b"\x05\x01\x00", Step::Request, b"");
    play("SOCKS4, another version", scenario, 4).await;

    let odd = b"\x04\x09\x00\x50\xc0\x00\x02\x01\0";
    let scenario = failing(odd, Step::Dial, REJECTED);
    play("SOCKS4, an unknown CD", scenario, 55).await;

    let odd = b"\x04\x01\x00\x50\0\0\0\x01\0a b\0";
    let scenario = failing(odd, Step::Request, REJECTED);
    play("SOCKS4a, a name that is none", scenario, 60).await;

    let odd = [b"\x04\x01\x00\x50\xc0\x00\x02\x01", &[b'u'; 270][..]].concat();
    let scenario = failing(&odd, Step::Request, REJECTED);
    play("SOCKS4, a USERID that is too long", scenario, 600).await;

    let scenario = Scenario {
        takes: DEADLINE,
        ..failing(&CONNECT[..10], Step::Request, b"")
    };
    play("SOCKS4, half a request", scenario, 30).await;
}

/// A reply of success with an address.
fn reply(bound: Option<SocketAddr>) -> Vec<u8> {
    let Some(SocketAddr::V4(bound)) = bound else {
        return GRANTED[..2].to_vec();
    };
    let port = bound.port().to_be_bytes();
    [&GRANTED[..2], &port, &bound.ip().octets()].concat()
}

/// The address in the first reply, once the client has all of it.
async fn bound(heard: &mut Heard) -> Option<SocketAddr> {
    let heard = heard.wait_for(|heard| heard.len() >= 8).await.ok()?;
    let address: [u8; 4] = heard[4..8].try_into().unwrap();
    let port = u16::from_be_bytes([heard[2], heard[3]]);
    heard
        .starts_with(&GRANTED[..2])
        .then(|| (address, port).into())
}

#[tokio::test(start_paused = true)]
async fn bind() {
    let service = Bind::new().accept_timeout(LIMIT).relay(RELAY);
    let bottom = bottom(Connector::direct().with_bind(service));
    let run = async |plan: Plan| -> Operations {
        let script = Script::new([(0, BIND), (16, UP)], Then::Ends);
        let peer = async |mut heard: Heard| {
            let at = bound(&mut heard).await;
            let Some(to) = at else {
                return (at, Far::default());
            };
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(([127, 0, 0, 3], 0).into()).unwrap();
            let local = socket.local_addr().ok();
            let heard = match socket.connect(to).await {
                Ok(stream) => converse(stream).await,
                Err(_) => Vec::new(),
            };
            (at, Far { local, heard })
        };
        let moment = Some(Moment::of(&plan));
        let played = play_behind(Front::Socks4, plan, moment, script, bottom.clone(), peer);
        let (ended, (at, far), operations) = played.await;
        let about = || format!("{plan:?}: {ended:?}, {far:?}");
        match at {
            // Of a first reply that did not arrive as a whole, nobody knows the port.
            None => assert!(ended.heard.len() < 8, "{}", about()),
            Some(_) => {
                let all = [&*reply(at), &reply(far.local), DOWN].concat();
                let closed = [&*reply(at), REJECTED].concat();
                let half_closed = plan.fault.is_some_and(|(.., it)| it == Fault::HalfCloses);
                let right = all.starts_with(&ended.heard) || (half_closed && closed == ended.heard);
                assert!(right, "{}", about());
            }
        }
        assert!(UP.starts_with(&far.heard), "{}", about());
        assert_in_time(&ended, 16);
        if plan.is_harmless() {
            let all = [&*reply(at), &reply(far.local), DOWN].concat();
            assert_eq!(ended.heard, all, "{}", about());
            assert_eq!(far.heard, UP, "{}", about());
        }
        operations
    };
    let count = sweep(sweep::ALL, Polls::Vary, run).await;
    count.report("SOCKS4, BIND", 160);
}

#[tokio::test(start_paused = true)]
async fn bind_for_a_peer_that_never_comes() {
    let service = Bind::new().accept_timeout(LIMIT).relay(RELAY);
    let bottom = bottom(Connector::direct().with_bind(service));
    let run = async |plan: Plan| -> Operations {
        let script = Script::new([(0, BIND)], Then::Waits);
        let nobody = |mut heard: Heard| async move { bound(&mut heard).await };
        let played = play_behind(Front::Socks4, plan, None, script, bottom.clone(), nobody);
        let (ended, at, operations) = played.await;
        let about = || format!("{plan:?}: {ended:?}, {at:?}");
        match at {
            None => assert!(ended.heard.len() < 8, "{}", about()),
            Some(_) => {
                let all = [&*reply(at), REJECTED].concat();
                assert!(all.starts_with(&ended.heard), "{}", about());
            }
        }
        ended.assert_within(DEADLINE.max(LIMIT) + REPLY + FAREWELL);
        if plan.is_harmless() {
            assert_eq!(ended.heard.len(), 16, "{}", about());
            assert!(ended.took >= LIMIT, "{}", about());
        }
        operations
    };
    let count = sweep(sweep::ALL, Polls::Vary, run).await;
    count.report("SOCKS4, BIND, nobody comes", 75);
}
