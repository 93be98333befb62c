//! Meters on an association: each hears of every datagram and of those that are dropped, and a quota
//! holds for datagrams, which come whole, and for what comes on the control connection.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{io::AsyncWriteExt, net::TcpStream};
use tower::{Layer, Service, ServiceExt, layer::util::Stack};
use tower_socks::{
    BoxError, Connector, Request, Traffic,
    connector::associate::{Associate, MakeDirect},
    datagram::DatagramTransport,
    io::{Direction, DropReason, Meter},
    layer::{
        key,
        meter::{Admission, ByteQuota, MakeMeter, MeterLayer},
    },
    session::{Accepted, BoxTunnel},
};

use crate::support::{
    Script, failure,
    udp::{
        ASSOCIATE, Client, ClientScript, address,
        association::{Association, assert_silent, datagram, send_at_once, socket},
        ear::Ear,
        stack, within,
    },
};

/// A stack for accepted TCP connections.
trait Session:
    Service<Accepted<TcpStream>, Response = Traffic, Error = BoxError, Future: Send>
    + Clone
    + Send
    + 'static
{
}

impl<S> Session for S where
    S: Service<Accepted<TcpStream>, Response = Traffic, Error = BoxError, Future: Send>
        + Clone
        + Send
        + 'static
{
}

/// Counts bytes, and does not care for datagrams.
#[derive(Clone)]
struct Bytes(Arc<Mutex<usize>>);

impl Meter for Bytes {
    fn moved(&mut self, _: Direction, bytes: usize) {
        *self.0.lock().unwrap() += bytes;
    }
}

impl MakeMeter for Bytes {
    type Meter = Self;

    fn meter(&self, _: &Request) -> Admission<Option<Self>> {
        Admission::Permit(Some(self.clone()))
    }
}

#[tokio::test]
async fn all_meters_of_an_association_hear_the_same() {
    within(async {
        let (first, second, third) = (Ear::default(), Ear::default(), Bytes(Arc::default()));
        let layers = Stack::new(
            MeterLayer::new(first.clone()),
            MeterLayer::new(second.clone()),
        );
        let layers = Stack::new(layers, MeterLayer::new(third.clone()));
        let association = Association::new(stack(layers.layer(Connector::direct()))).await;
        let target = socket("127.0.0.1").await;
        association.echo(&target, b"ping").await;
        association.send(b"garbage").await;
        association.echo(&target, b"pong!").await;
        association.lingering_close().await.unwrap();

        let heard = first.0.lock().unwrap().clone();
        assert_eq!(heard, *second.0.lock().unwrap());
        assert_eq!(heard.datagrams, BTreeMap::from([("up", 2), ("down", 2)]));
        assert_eq!(heard.bytes, BTreeMap::from([("up", 9), ("down", 9)]));
        assert_eq!(heard.dropped, BTreeMap::from([("malformed", 1)]));
        assert_eq!(*third.0.lock().unwrap(), 18);
    })
    .await;
}

#[tokio::test]
async fn a_meter_outside_of_a_box_hears_of_datagrams_as_well() {
    within(async {
        let (outer, inner) = (Ear::default(), Ear::default());
        let boxed = MeterLayer::new(inner.clone())
            .layer(Connector::direct())
            .map_response(BoxTunnel::new);
        let layer = MeterLayer::new(outer.clone());
        let association = Association::new(stack(layer.layer(boxed))).await;
        let target = socket("127.0.0.1").await;
        association.echo(&target, b"ping").await;
        association.lingering_close().await.unwrap();

        let heard = outer.0.lock().unwrap().clone();
        assert_eq!(heard, *inner.0.lock().unwrap());
        assert_eq!(heard.datagrams, BTreeMap::from([("up", 1), ("down", 1)]));
        assert_eq!(heard.bytes, BTreeMap::from([("up", 4), ("down", 4)]));
    })
    .await;
}

#[tokio::test]
async fn meters_hear_of_what_a_filter_drops_and_of_its_reasons() {
    within(async {
        let ear = Ear::default();
        let transports = MakeDirect::new().map_response(|transport| {
            transport.filter(|direction, _, payload| match (direction, payload) {
                (Direction::Up, b"secret") => Err(DropReason::Refused),
                (Direction::Down, b"echo") => Err(DropReason::Stranger),
                (_, b"drop me") => Err(DropReason::Other),
                _ => Ok(()),
            })
        });
        let connector = Connector::direct().with_associate(Associate::with_transports(transports));
        let layer = MeterLayer::new(ear.clone());
        let association = Association::new(stack(layer.layer(connector))).await;
        let target = socket("127.0.0.1").await;
        association.say(&target, b"secret").await;
        association.say(&target, b"drop me").await;
        association.say(&target, b"echo").await;
        let out = association.reaches(&target, b"echo").await;
        target.send_to(b"echo", out).await.unwrap();
        association.echo(&target, b"pong").await;
        association.lingering_close().await.unwrap();

        let heard = ear.0.lock().unwrap().clone();
        assert_eq!(heard.datagrams, BTreeMap::from([("up", 4), ("down", 1)]));
        assert_eq!(
            heard.dropped,
            BTreeMap::from([("other", 1), ("refused", 1), ("stranger", 1)])
        );
    })
    .await;
}

/// A stack under a quota of the client's.
fn bounded(bytes: u64) -> (impl Session, MemoryLeft) {
    let quota = ByteQuota::new(bytes, Duration::from_secs(3600), key::client);
    let left = quota.clone();
    let layer = MeterLayer::new(quota);
    let client = [127, 0, 0, 1].into();
    let left = move || left.store().left(&client);
    (stack(layer.layer(Connector::direct())), Box::new(left))
}

type MemoryLeft = Box<dyn Fn() -> u64>;

/// The session of an association ends for want of a quota.
async fn ends_spent(mut association: Association) {
    let error = association.control.outcome().await.unwrap_err();
    assert!(format!("{error:?}").contains("quota"), "{error:?}");
}

#[tokio::test]
async fn a_datagram_that_a_quota_has_no_room_for_is_dropped_and_ends_the_association() {
    within(async {
        let (stack, left) = bounded(100_000);
        let association = Association::new(stack.clone()).await;
        let target = socket("127.0.0.1").await;
        // Larger than what a meter asks for at first.
        let large = vec![7; 40_000];
        association.echo(&target, &large).await;
        // 20,000 are left, which is not enough.
        association.say(&target, &large).await;
        ends_spent(association).await;
        assert_silent(&target);
        // They are still there for something smaller.
        assert_eq!(left(), 20_000);
        let association = Association::new(stack.clone()).await;
        association.echo(&target, &[7; 10_000]).await;
        association.say(&target, b"x").await;
        ends_spent(association).await;
        assert_silent(&target);
        let refused = Client::new(stack).await;
        let mut io = refused.io;
        io.request(ASSOCIATE, &address(([0, 0, 0, 0], 0).into()))
            .await;
        io.hear(&failure(2)).await;
    })
    .await;
}

#[tokio::test]
async fn many_associations_at_once_do_not_exceed_a_quota() {
    within(async {
        for down in [false, true] {
            let (stack, _) = bounded(100_000);
            let target = socket("127.0.0.1").await;
            let mut associations = Vec::new();
            for _ in 0..25 {
                associations.push(Association::new(stack.clone()).await);
            }
            let mut sources = Vec::new();
            if down {
                for association in &associations {
                    association.say(&target, b"x").await;
                    sources.push(association.reaches(&target, b"x").await);
                }
            }
            // A batch waits for each, before any of them gets a turn.
            let to = address(target.local_addr().unwrap());
            for (place, association) in associations.iter().enumerate() {
                for _ in 0..20 {
                    match sources.get(place) {
                        Some(source) => send_at_once(&target, &[7; 1_000], *source),
                        None => {
                            let datagram = datagram(0, &to, &[7; 1_000]);
                            send_at_once(&association.udp, &datagram, association.relay);
                        }
                    }
                }
            }
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
            let mut relayed = 0;
            for association in associations {
                let Association {
                    mut control, udp, ..
                } = association;
                // What is left of the quota goes back, so not all of them have ended.
                _ = control.io.shutdown().await;
                _ = control.outcome().await;
                while down && udp.try_recv(&mut [0; 2_000]).is_ok() {
                    relayed += 1_000;
                }
            }
            while !down && target.try_recv(&mut [0; 2_000]).is_ok() {
                relayed += 1_000;
            }
            assert!(relayed > 0, "nothing was relayed");
            assert!(sources.len() + relayed <= 100_000, "{relayed}");
        }
    })
    .await;
}

#[tokio::test]
async fn octets_on_the_control_connection_count() {
    within(async {
        let (stack, left) = bounded(10_000);
        let mut association = Association::new(stack.clone()).await;
        association.control.io.say(&[7; 3_000]).await;
        association.echo(&socket("127.0.0.1").await, b"ping").await;
        association.lingering_close().await.unwrap();
        assert_eq!(left(), 10_000 - 3_008);

        let mut association = Association::new(stack).await;
        // The reset that follows may come before everything is written.
        _ = association.control.io.write_all(&[7; 30_000]).await;
        ends_spent(association).await;
        assert_eq!(left(), 0);
    })
    .await;
}

#[tokio::test]
async fn too_much_on_the_control_connection_ends_the_association() {
    within(async {
        let ear = Ear::default();
        let layer = MeterLayer::new(ear.clone());
        let stack = stack(layer.layer(Connector::direct()));
        let mut association = Association::new(stack).await;
        let target = socket("127.0.0.1").await;
        association.control.io.say(&[7; 60_000]).await;
        association.echo(&target, b"ping").await;
        _ = association.control.io.write_all(&[7; 1_000_000]).await;
        let error = association.control.outcome().await.unwrap_err();
        assert!(format!("{error:?}").contains("65536 octets"), "{error:?}");
        let up = ear.0.lock().unwrap().bytes["up"];
        assert!((65_537..=66_052).contains(&up), "{up}");
    })
    .await;
}
