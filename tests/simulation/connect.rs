//! Sessions in which both streams are in memory: CONNECT, and all that ends before a tunnel.

use std::{future::pending, io, time::Duration};

use tower::{ServiceExt, service_fn};
use tower_socks::{BoxError, Connector, Request, error::Step, session::Connected};

use super::{
    fault::{Faulty, Log, Shared},
    own::Own,
    peer::{Peer, Script},
    session::{Ended, Plan, Session, Side},
    stack::{
        Bottom, Counters, DEADLINE, DIAL, FAREWELL, Front, IDLE, LINGER, RELAY, REPLY, Verifier,
        bottom,
    },
    sweep::Operations,
};

/// What the connector does with a request.
#[derive(Clone, Copy, Debug)]
pub enum Dial {
    Connects,
    ConnectsAfter(Duration),
    Fails(io::ErrorKind),
    Hangs,
}

/// Who moves the octets once there is a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tunnel {
    Ours,
    /// One that knows nothing of meters.
    Own,
}

/// How a session ends when nothing goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Completes,
    FailsAt(Step),
}

/// A dialogue, and what has to come of it.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub client: Script,
    pub target: Script,
    pub front: Front,
    pub verifier: Verifier,
    pub dial: Dial,
    pub tunnel: Tunnel,
    /// What the client has to hear, replies and all that the target says.
    pub replies: Vec<u8>,
    pub down: Vec<u8>,
    /// What the target has to hear.
    pub up: Vec<u8>,
    pub ends: End,
    pub takes: Duration,
}

/// The target's end of a connection, as far as there is one.
#[derive(Debug)]
struct Target {
    log: Shared<Log>,
    peer: Peer,
}

/// A connector whose connections are in memory.
fn dialler(
    scenario: &Scenario,
    plan: Plan,
    client: &Shared<Log>,
    made: &Shared<Option<Target>>,
) -> Bottom {
    let (dial, script) = (scenario.dial, scenario.target.clone());
    let (client, made) = (client.clone(), made.clone());
    let service = service_fn(move |_: Request| {
        let (near, far) = tokio::io::duplex(plan.capacity());
        let (near, log) = Faulty::new(near, plan.pace, plan.at(Side::Target));
        let near = near.behind(&client);
        let peer = Peer::play(far, script.clone());
        let before = made.lock().unwrap().replace(Target { log, peer });
        assert!(before.is_none(), "dialled twice");
        async move {
            match dial {
                Dial::Connects => {}
                Dial::ConnectsAfter(delay) => tokio::time::sleep(delay).await,
                Dial::Fails(kind) => return Err(io::Error::from(kind).into()),
                Dial::Hangs => pending().await,
            }
            let bound = "198.51.100.7:4321".parse()?;
            Ok::<_, BoxError>(Connected::new(near, bound).with_relay(RELAY))
        }
    });
    match scenario.tunnel {
        Tunnel::Ours => bottom(Connector::direct().with_connect(service)),
        Tunnel::Own => bottom(service.map_response(|connected| Own {
            bound: connected.bound().clone(),
            target: connected.into_inner(),
        })),
    }
}

/// Plays a scenario once, and checks everything that has to hold whatever goes wrong.
pub async fn run(scenario: &Scenario, plan: Plan) -> Operations {
    let counters = Counters::new();
    let made = Shared::<Option<Target>>::default();
    let session = Session::start(
        &plan,
        &counters,
        &scenario.client,
        scenario.front,
        scenario.verifier,
        |client| dialler(scenario, plan, client, &made),
    );
    let client = session.log.clone();
    let ended = session.ended(&counters).await;
    let target = made.lock().unwrap().take();
    let (reached, target) = match target {
        Some(Target { log, peer }) => {
            assert!(log.lock().unwrap().dropped, "target's stream kept");
            (peer.done().await, Some(log))
        }
        None => (Vec::new(), None),
    };
    counters.assert_no_task();

    let client = client.lock().unwrap();
    let unused = Log::default();
    let target = target.as_ref().map(|log| log.lock().unwrap());
    let dialled = target.is_some();
    let target = target.as_deref().unwrap_or(&unused);
    check(scenario, plan, &ended, &reached, (&client, target, dialled));
    Operations {
        client: client.operations,
        target: target.operations,
        fired: client.fired || target.fired,
    }
}

fn check(
    scenario: &Scenario,
    plan: Plan,
    ended: &Ended,
    reached: &[u8],
    (client, target, dialled): (&Log, &Log, bool),
) {
    let Scenario {
        replies, down, up, ..
    } = scenario;
    let expected = [&**replies, down].concat();
    let heard = &*ended.heard;
    let about = || {
        format!(
            "{plan:?}: {ended:?}, the target heard {}",
            reached.escape_ascii()
        )
    };
    // Nothing is invented, nothing is out of order, and the one reply is the right one.
    assert!(expected.starts_with(heard), "{}", about());
    assert!(up.starts_with(reached), "{}", about());
    // What the stack has written is what arrives.
    assert!(client.written == heard, "{}", about());
    assert!(target.written == reached, "{}", about());
    // The target hears nothing, and is asked nothing, before the client has its reply.
    if let Some(written) = target.began_behind {
        assert!(written >= replies.len(), "{}", about());
    }
    // What is said to have passed has passed.
    if let Some(traffic) = ended.traffic() {
        assert_eq!(traffic.up, reached.len() as u64, "{}", about());
        let relayed = heard.len().checked_sub(replies.len()).unwrap();
        assert_eq!(traffic.down, relayed as u64, "{}", about());
    }
    // One thing goes wrong, so one limit has to pass.
    let answered = client.written.len() >= replies.len() && scenario.ends == End::Completes;
    let delay = match scenario.dial {
        Dial::ConnectsAfter(delay) => delay,
        Dial::Connects | Dial::Fails(_) | Dial::Hangs => Duration::ZERO,
    };
    ended.assert_within(match (dialled, answered) {
        (false, _) => DEADLINE + REPLY + FAREWELL,
        (true, false) => DIAL + REPLY + FAREWELL,
        (true, true) => delay + IDLE.max(LINGER) + 2 * FAREWELL,
    });
    if plan.is_harmless() {
        assert_eq!(heard, &*expected, "{}", about());
        assert_eq!(reached, &**up, "{}", about());
        let late = ended.took - scenario.takes;
        assert!(late < Duration::from_millis(10), "{}", about());
        match (&ended.outcome, scenario.ends) {
            (Ok(_), End::Completes) => {}
            (Err(error), End::FailsAt(step)) => assert_eq!(error.step(), step, "{}", about()),
            (Ok(_), End::FailsAt(_)) | (Err(_), End::Completes) => panic!("{}", about()),
        }
    }
}
