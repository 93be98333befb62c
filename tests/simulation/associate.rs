//! UDP ASSOCIATE: a datagram there and one back, while something happens to the control connection.

use std::{
    future::pending,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use tokio::{net::UdpSocket, sync::Notify};
use tower::service_fn;
use tower_socks::{
    BoxError, Connector,
    connector::associate::{Associate, MakeDirect},
    connector::resolve::Lookup,
};

use super::{
    peer::{Script, Then},
    scenarios::HELLO,
    session::Plan,
    sockets::{Heard, LIMIT, Moment, assert_in_time, bound, first_reply, play, stream_over},
    stack::{Bottom, bottom},
    sweep::{self, Count, Polls, sweep},
};

/// A port of this machine.
type Port = [u8; 2];

fn by_address(port: Port) -> Vec<u8> {
    [b"\0\0\0\x01\x7f\0\0\x01", &port[..]].concat()
}

fn by_name(name: &str, port: Port) -> Vec<u8> {
    let len = u8::try_from(name.len()).unwrap();
    [b"\0\0\0\x03", &[len][..], name.as_bytes(), &port].concat()
}

#[tokio::test(start_paused = true)]
async fn associate_to_an_address() {
    // One for each client: the next session has none where the one before has kept it.
    let service = Associate::new().idle_timeout(LIMIT).per_client(1);
    let bottom = bottom(Connector::direct().with_associate(service));
    let says = |port| vec![[by_address(port), b"ping".to_vec()].concat()];
    let count = associations(bottom, says, 4).await;
    count.report("UDP ASSOCIATE", 60);
}

#[tokio::test(start_paused = true)]
async fn associate_to_names_of_which_one_is_never_answered() {
    let resolver = service_fn(|lookup: Lookup| async move {
        match lookup.name.as_str() {
            "slow.example" => tokio::task::yield_now().await,
            _ => pending().await,
        }
        Ok::<_, BoxError>([IpAddr::from([127, 0, 0, 1])])
    });
    let service = Associate::with_transports(MakeDirect::new().resolver(resolver));
    let service = service.idle_timeout(LIMIT).per_client(1);
    let bottom = bottom(Connector::direct().with_associate(service));
    let says = |port| {
        let lost = [by_name("silent.example", port), b"lost".to_vec()].concat();
        let ping = [by_name("slow.example", port), b"ping".to_vec()].concat();
        vec![lost, ping]
    };
    // What waits for a name is under way.
    let count = associations(bottom, says, 8).await;
    count.report("UDP ASSOCIATE, to names", 60);
}

/// `says` makes the datagrams of a client whose target is at a port here, and hears the last one; `up`
/// is how many octets they carry.
async fn associations(bottom: Bottom, says: fn(Port) -> Vec<Vec<u8>>, up: u64) -> Count {
    const ASSOCIATE: &[u8] = b"\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00";
    let run = async |plan: Plan| {
        let over = Arc::new(Notify::new());
        let then = Then::WaitsFor(Arc::clone(&over));
        let script = Script::new([(0, HELLO), (2, ASSOCIATE)], then);
        let ends = |mut heard: Heard| async move {
            let relay = bound(&mut heard).await;
            let exchanged = async {
                if let Some(relay) = relay {
                    tokio::select! {
                        () = exchange(relay, says) => return true,
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
            assert_eq!((traffic.up, traffic.down), (up, 5), "{}", about());
        }
        operations
    };
    sweep(sweep::ALL, Polls::Vary, run).await
}

/// A datagram there, and another one back.
async fn exchange(relay: SocketAddr, says: fn(Port) -> Vec<Vec<u8>>) {
    let here = IpAddr::from([127, 0, 0, 1]);
    let client = UdpSocket::bind((here, 0)).await.unwrap();
    let target = UdpSocket::bind((here, 0)).await.unwrap();
    let port = target.local_addr().unwrap().port().to_be_bytes();
    for said in says(port) {
        client.send_to(&said, relay).await.unwrap();
    }
    let mut room = [0; 64];
    let (len, from) = target.recv_from(&mut room).await.unwrap();
    assert_eq!(&room[..len], b"ping");
    target.send_to(b"pong!", from).await.unwrap();
    let (len, from) = client.recv_from(&mut room).await.unwrap();
    assert_eq!(room[..len], [by_address(port), b"pong!".to_vec()].concat());
    assert_eq!(from, relay);
}
