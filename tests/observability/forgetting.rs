//! Recorders that forget what has not changed for long: what is open is not counted below zero.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};

use metrics::{
    Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use tokio::io::{DuplexStream, duplex};
use tower::{Layer, Service, service_fn};
use tower_socks::{
    BoxError, Request,
    io::BoxStream,
    layer::metrics::{RequestMetricsLayer, SessionMetricsLayer},
    proto::{Address, Command},
    session::{Accepted, Connected, Tunnel},
};

/// Each time it is asked for a gauge it has a new one.
#[derive(Default)]
struct Forgetful(Mutex<Vec<Arc<Value>>>);

#[derive(Default)]
struct Value(AtomicI64);

impl GaugeFn for Value {
    fn increment(&self, by: f64) {
        self.0.fetch_add(by as i64, Relaxed);
    }

    fn decrement(&self, by: f64) {
        self.0.fetch_sub(by as i64, Relaxed);
    }

    fn set(&self, to: f64) {
        self.0.store(to as i64, Relaxed);
    }
}

impl Forgetful {
    fn values(&self) -> Vec<i64> {
        let gauges = self.0.lock().unwrap();
        gauges.iter().map(|gauge| gauge.0.load(Relaxed)).collect()
    }
}

impl Recorder for Forgetful {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        let gauge = Arc::<Value>::default();
        self.0.lock().unwrap().push(Arc::clone(&gauge));
        Gauge::from_arc(gauge)
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn a_session_ends_in_the_gauge_that_it_began_in() {
    let recorder = Forgetful::default();
    metrics::with_local_recorder(&recorder, || {
        let inner = service_fn(|_: Accepted<DuplexStream>| pending::<Result<(), BoxError>>());
        let peer = "192.0.2.1:1".parse().unwrap();
        let accepted = Accepted::new(duplex(1).0, peer, peer);
        let session = SessionMetricsLayer::new().layer(inner).call(accepted);
        assert_eq!(recorder.values(), [1]);
        drop(session);
        assert!(recorder.values().iter().all(|open| *open == 0));
    });
}

#[test]
fn a_tunnel_ends_in_the_gauge_that_it_began_in() {
    let recorder = Forgetful::default();
    metrics::with_local_recorder(&recorder, || {
        let inner = service_fn(|_: Request| {
            std::future::ready(Ok::<_, BoxError>(Connected::new(
                duplex(1).0,
                Address::UNSPECIFIED,
            )))
        });
        let request = Request::new(Command::CONNECT, Address::UNSPECIFIED);
        let tunnel = RequestMetricsLayer::new().layer(inner).call(request);
        let tunnel = futures_util::FutureExt::now_or_never(tunnel).unwrap();
        let running = tunnel.unwrap().run(BoxStream::new(duplex(1).0));
        assert!(recorder.values().contains(&1));
        drop(running);
        assert!(recorder.values().iter().all(|open| *open == 0));
    });
}
