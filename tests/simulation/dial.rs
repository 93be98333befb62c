//! CONNECT by sockets of this machine, to an address and to a name with two of them.

use std::net::IpAddr;

use tokio::net::TcpListener;
use tower::service_fn;
use tower_socks::{
    BoxError, Connector,
    connector::{direct::Direct, resolve::Lookup},
};

use super::{
    peer::{Script, Then},
    scenarios::{DOWN, HELLO, HELLO_OK, UP},
    session::Plan,
    sockets::{Far, Heard, Moment, assert_in_time, converse, play, reply, stream_over},
    stack::{RELAY, bottom},
    sweep::{self, Operations, Polls, sweep},
};

#[tokio::test(start_paused = true)]
async fn connect_by_address() {
    let address = |port: [u8; 2]| [b"\x05\x01\x00\x01\x7f\x00\x00\x04", &port[..]].concat();
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
    let listener = TcpListener::bind("127.0.0.4:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let request = request(port.to_be_bytes());
    let script = Script::new([(0, HELLO), (2, &request), (12, UP)], Then::Ends);
    let resolver = service_fn(|_: Lookup| async {
        Ok::<_, BoxError>([[127, 0, 0, 2], [127, 0, 0, 4]].map(IpAddr::from))
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
