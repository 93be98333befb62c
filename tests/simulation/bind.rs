//! BIND: a peer that comes, one that does not, and a name that is never resolved.

use std::{future::pending, net::IpAddr, time::Duration};

use tokio::net::TcpSocket;
use tower::service_fn;
use tower_socks::{
    BoxError, Connector,
    connector::{bind::Bind, resolve::Lookup},
};

use super::{
    fault::Fault,
    peer::{Script, Then},
    scenarios::{DOWN, HELLO, HELLO_OK, UP, failure},
    session::Plan,
    sockets::{
        Far, Heard, LIMIT, Moment, assert_in_time, bound, converse, first_reply, play, reply,
    },
    stack::{Bottom, DEADLINE, FAREWELL, RELAY, REPLY, bottom},
    sweep::{self, Operations, Polls, sweep},
};

/// BIND for 127.0.0.3. A peer at the address of the listener could meet itself once that is gone:
/// both ports may be the same.
const BIND: &[u8] = b"\x05\x02\x00\x01\x7f\x00\x00\x03\x00\x14";

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
            socket.bind(([127, 0, 0, 3], 0).into()).unwrap();
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
    let first = match at {
        None if !ended.heard.starts_with(b"\x05\x00\x05\x00") => HELLO_OK.to_vec(),
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
    let silent = service_fn(|_: Lookup| pending::<Result<Vec<IpAddr>, BoxError>>());
    let bottom = bottom(Connector::direct().with_bind(Bind::new().resolver(silent)));
    let limit = Duration::from_secs(20);
    let run = async |plan| bind_that_fails(plan, bottom.clone(), REQUEST, 6, limit).await;
    let count = sweep(sweep::ALL, Polls::Vary, run).await;
    count.report("BIND, a lookup that hangs", 80);
}
