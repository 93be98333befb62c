//! Meters on an association: each hears of every datagram and of those that are dropped, and a quota
//! holds for datagrams, which come whole.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tower::{Layer, ServiceExt, layer::util::Stack};
use tower_socks::{
    Connector, Refusal, Request,
    connector::associate::{Associate, MakeDirect},
    datagram::DatagramTransport,
    io::{Direction, DropReason, Meter},
    layer::{
        key,
        meter::{ByteQuota, MakeMeter, MemoryStore, MeterLayer},
    },
};

use crate::support::udp::{
    association::{Association, assert_silent, socket},
    stack, within,
};

/// What one meter has heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Heard {
    bytes: BTreeMap<&'static str, usize>,
    datagrams: BTreeMap<&'static str, usize>,
    dropped: BTreeMap<&'static str, usize>,
}

#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Heard>>);

fn name(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "up",
        Direction::Down => "down",
    }
}

impl Meter for Ear {
    fn moved(&mut self, direction: Direction, bytes: usize) {
        *self
            .0
            .lock()
            .unwrap()
            .bytes
            .entry(name(direction))
            .or_default() += bytes;
    }

    fn datagrams(&mut self, direction: Direction, count: usize) {
        *self
            .0
            .lock()
            .unwrap()
            .datagrams
            .entry(name(direction))
            .or_default() += count;
    }

    fn dropped(&mut self, reason: DropReason, count: usize) {
        *self
            .0
            .lock()
            .unwrap()
            .dropped
            .entry(reason.as_str())
            .or_default() += count;
    }
}

impl MakeMeter for Ear {
    type Meter = Self;

    fn meter(&self, _: &Request) -> Result<Option<Self>, Refusal> {
        Ok(Some(self.clone()))
    }
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

    fn meter(&self, _: &Request) -> Result<Option<Self>, Refusal> {
        Ok(Some(self.clone()))
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

#[tokio::test]
async fn a_datagram_that_goes_beyond_what_was_taken_ahead_is_counted_whole() {
    within(async {
        let store = MemoryStore::new(100_000, Duration::from_secs(3600));
        let quota = ByteQuota::with_store(store, key::client);
        let layer = MeterLayer::new(quota);
        let stack = stack(layer.layer(Connector::direct()));
        let mut association = Association::new(stack).await;
        let target = socket("127.0.0.1").await;
        // Larger than what a meter asks for at first.
        let large = vec![7; 40_000];
        association.echo(&target, &large).await;
        // 20,000 are left, and the last datagram may be more.
        association.say(&target, &large).await;
        association.reaches(&target, &large).await;
        let error = association.control.outcome().await.unwrap_err();
        assert!(format!("{error:?}").contains("quota"), "{error:?}");
        assert_silent(&target);
    })
    .await;
}
