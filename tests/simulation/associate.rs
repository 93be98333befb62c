//! UDP ASSOCIATE: a datagram there and one back, while something happens to the control connection.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use tokio::{net::UdpSocket, sync::Notify};
use tower_socks::{Associate, Connector};

use super::{
    peer::{Script, Then},
    scenarios::HELLO,
    session::Plan,
    sockets::{Heard, LIMIT, Moment, assert_in_time, bound, first_reply, play, stream_over},
    stack::bottom,
    sweep::{self, Polls, sweep},
};

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
