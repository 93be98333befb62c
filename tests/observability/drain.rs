//! A drain: which tunnels end first, when, and what the log and clients hear of it.

use std::{error::Error, io, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream, UdpSocket},
    time::{Instant, sleep},
};
use tower::Layer;
use tower_socks::{
    Connector, NoAuth, SessionError,
    error::{Fault, Step},
    layer::track::OpenTunnels,
    proto::Address,
    relay::{RelayError, RelayErrorKind},
};
use tracing::Level;

use crate::support::{
    Client, Script, log::Log, proxy, stack, targets::targets, within, within_an_hour,
};

const LIMIT: Duration = Duration::from_secs(5);

fn broken(error: &SessionError) -> &RelayError {
    let error: &io::Error = error.source().unwrap().downcast_ref().unwrap();
    error.get_ref().unwrap().downcast_ref().unwrap()
}

fn drain(tunnels: &OpenTunnels) -> tokio::task::JoinHandle<()> {
    let tunnels = tunnels.clone();
    tokio::spawn(async move {
        tunnels.close_idle(LIMIT).await;
    })
}

#[tokio::test(start_paused = true)]
async fn idle_tunnels_go_first_and_busy_ones_stay() {
    within_an_hour(async {
        let (log, _guard) = Log::start(Level::INFO);
        let tunnels = OpenTunnels::new();
        let (service, mut dialled) = targets();
        let stack = stack(NoAuth, tunnels.layer().layer(service));
        let mut busy = Client::new(stack.clone()).connected().await;
        let (_, mut target) = dialled.recv().await.unwrap();
        let mut idle = Client::new(stack.clone()).connected().await;
        let _idle = dialled.recv().await.unwrap();
        // What was before the drain does not count: it would be the end of all of them at once.
        sleep(Duration::from_secs(20)).await;
        idle.io.say(b"ping").await;

        let began = Instant::now();
        let draining = drain(&tunnels);
        // The other direction counts as well.
        let moves = async {
            loop {
                sleep(Duration::from_secs(3)).await;
                busy.io.say(b"up").await;
                target.hear(b"up").await;
                sleep(Duration::from_secs(3)).await;
                target.say(b"down").await;
                busy.io.hear(b"down").await;
                if tunnels.totals().open == 1 {
                    break;
                }
            }
        };
        let ends = async {
            let error = idle.outcome().await.unwrap_err();
            let late = Duration::from_secs(1);
            let after = began.elapsed();
            assert!((LIMIT..LIMIT + late).contains(&after), "{after:?}");
            assert_eq!((error.step(), error.fault()), (Step::Relay, Fault::Refused));
            let broken = broken(&error);
            assert_eq!(broken.kind(), RelayErrorKind::Drained);
            assert_eq!(broken.traffic().up, 4);
        };
        tokio::join!(moves, ends);
        let text = log.text();
        for part in [
            "outcome=drained",
            "up=4",
            "drained: idle for 5s (drain_idle)",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }

        // One that opens meanwhile has its time, and once nobody drains, nothing is closed.
        let late = Client::new(stack).connected().await;
        let _late = dialled.recv().await.unwrap();
        sleep(LIMIT - Duration::from_secs(1)).await;
        busy.io.say(b"up").await;
        target.hear(b"up").await;
        draining.abort();
        sleep(3 * LIMIT).await;
        assert_eq!(tunnels.totals().open, 2);
        drop(late);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_whose_receiver_takes_nothing_is_idle() {
    within(async {
        let tunnels = OpenTunnels::new();
        let (service, mut dialled) = targets();
        let stack = stack(NoAuth, tunnels.layer().layer(service));
        let mut client = Client::with_capacity(stack, 64).connected().await;
        let (_, mut target) = dialled.recv().await.unwrap();
        let flood = tokio::spawn(async move {
            let flood = vec![0; 1 << 20];
            let _ = tokio::io::AsyncWriteExt::write_all(&mut target, &flood).await;
        });
        let _draining = drain(&tunnels);
        let error = client.outcome().await.unwrap_err();
        let broken = broken(&error);
        assert_eq!(broken.kind(), RelayErrorKind::Drained);
        flood.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn associations_and_waiting_binds_go_as_well() {
    within(async {
        let tunnels = OpenTunnels::new();
        let service = tunnels.layer().layer(Connector::direct());
        let address = proxy(stack(NoAuth, service)).await;
        let target = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = Address::Ip(target.local_addr().unwrap());
        let client = tower_socks::Client::new();
        let connect = || async { TcpStream::connect(address).await.unwrap() };
        let mut busy = client.associate(connect().await).await.unwrap();
        let mut idle = client.associate(connect().await).await.unwrap();
        let peer = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let named = Address::Ip(peer.local_addr().unwrap());
        let bind = client.bind(connect().await, named).await.unwrap();
        assert_eq!(tunnels.totals().open, 3);

        let limit = Duration::from_millis(200);
        let draining = {
            let tunnels = tunnels.clone();
            tokio::spawn(async move { tunnels.close_idle(limit).await })
        };
        let mut room = [0; 8];
        let moves = async {
            while tunnels.totals().open > 1 {
                busy.send_to(b"ping", &to).await.unwrap();
                target.recv_from(&mut room).await.unwrap();
                sleep(Duration::from_millis(10)).await;
            }
        };
        let waits = async {
            let mut room = [0; 8];
            assert!(idle.recv_from(&mut room).await.is_err());
            assert!(bind.accept().await.is_err());
        };
        tokio::join!(moves, waits);
        draining.abort();
    })
    .await;
}
