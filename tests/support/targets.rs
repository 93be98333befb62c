//! Connectors that reach nothing but the test.

use std::{future::pending, sync::Arc};

use tokio::{
    io::DuplexStream,
    sync::{Semaphore, mpsc},
};
use tower::{ServiceExt, service_fn, util::BoxCloneService};
use tower_socks::{BoxError, Request, session::Connected};

/// A service for requests.
pub type Dialer = BoxCloneService<Request, Connected<DuplexStream>, BoxError>;

/// BND of every connection made here.
pub const BOUND: &str = "198.51.100.7:4321";

/// What reached the connector: requests, each with the target's end of its connection.
pub type Dialled = mpsc::UnboundedReceiver<(Request, DuplexStream)>;

/// A connector that succeeds at once.
pub fn targets() -> (Dialer, Dialled) {
    let (dialer, gate, dialled) = slow_targets();
    gate.add_permits(Semaphore::MAX_PERMITS / 2);
    (dialer, dialled)
}

/// A connector whose dials take until the gate has a permit for them. A request arrives here when
/// its dial begins.
pub fn slow_targets() -> (Dialer, Arc<Semaphore>, Dialled) {
    let (seen, dialled) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let hold = Arc::clone(&gate);
    let dialer = service_fn(move |request: Request| {
        let (seen, hold) = (seen.clone(), Arc::clone(&hold));
        async move {
            let (near, far) = tokio::io::duplex(64 * 1024);
            seen.send((request, far))?;
            hold.acquire().await?.forget();
            Ok::<_, BoxError>(Connected::new(near, BOUND.parse()?))
        }
    });
    (dialer.boxed_clone(), gate, dialled)
}

/// A connector that fails with what `error` makes.
pub fn failing<E>(error: impl Fn() -> E + Clone + Send + 'static) -> Dialer
where
    E: Into<BoxError> + Send,
{
    service_fn(move |_: Request| {
        let error = error().into();
        async move { Err(error) }
    })
    .boxed_clone()
}

/// A connector whose dials never end, and a channel that hears of the beginning and of the end of
/// each.
pub fn endless() -> (Dialer, mpsc::UnboundedReceiver<&'static str>) {
    struct Dial(mpsc::UnboundedSender<&'static str>);

    impl Drop for Dial {
        fn drop(&mut self) {
            let _ = self.0.send("dropped");
        }
    }

    let (heard, events) = mpsc::unbounded_channel();
    let dialer = service_fn(move |_: Request| {
        let dial = Dial(heard.clone());
        async move {
            let _ = dial.0.send("begun");
            pending::<Result<Connected<DuplexStream>, BoxError>>().await
        }
    });
    (dialer.boxed_clone(), events)
}
