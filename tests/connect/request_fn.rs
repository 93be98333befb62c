//! A closure as a layer: what it sees, what it may do with the service below, and what it holds meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio_test::{assert_ready, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimitLayer};
use tower_socks::{
    BoxError, Identity, NoAuth, Refusal, Request, Tunnel, TunnelExt,
    error::{Fault, reply_code},
    layer::request_fn::{Next, request_fn},
    proto::{Address, Command, ReplyCode},
    session::Dial,
};

use crate::support::{
    Client, HELLO, HELLO_OK, Script, failure, stack,
    targets::{failing, slow_targets, targets},
    within,
};

fn request(user: &str) -> Request {
    let mut request = Request::new(Command::CONNECT, Address::UNSPECIFIED);
    request.identity = Identity::named(user);
    request
}

fn sendable<S: Dial + Sync>(_: &S) {}

#[tokio::test(start_paused = true)]
async fn it_refuses_and_counts_until_tunnels_have_ended() {
    within(async {
        let open = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&open);
        let (service, mut incoming) = targets();
        let service = ServiceBuilder::new()
            .layer(request_fn(async move |request, next| {
                if request.target.port() != 80 {
                    return Err(Refusal::not_allowed("port 80 alone").into());
                }
                let guard = Counted::new(counted);
                Ok(next.run(request).await?.hold(guard))
            }))
            .service(service);
        let stack = stack(NoAuth, service);
        let mut client = Client::new(stack.clone()).connected().await;
        let (seen, mut target) = incoming.recv().await.unwrap();
        assert_eq!(seen.target.to_string(), "192.0.2.1:80");
        assert_eq!(open.load(Ordering::Relaxed), 1);
        client.io.say(b"ping").await;
        target.hear(b"ping").await;
        drop(target);
        client.lingering_close().await.unwrap();
        assert_eq!(open.load(Ordering::Relaxed), 0);

        let mut client = Client::new(stack);
        client.io.say(HELLO).await;
        client.io.hear(HELLO_OK).await;
        client
            .io
            .say(b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x51")
            .await;
        client.io.hear(&failure(2)).await;
        client.io.hear_end().await;
        let error = client.lingering_close().await.unwrap_err();
        assert_eq!(error.fault(), Fault::Refused);
        assert!(incoming.try_recv().is_err());
        assert_eq!(open.load(Ordering::Relaxed), 0);
    })
    .await;
}

/// One of those that are open.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(open: Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(open)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn it_changes_the_request_and_tries_again() {
    async fn second<S: Dial<Future: Send> + Clone>(
        request: Request,
        next: Next<S>,
    ) -> Result<impl Tunnel, BoxError> {
        let mut other = request.clone();
        other.target = "192.0.2.2:80".parse()?;
        match next.clone().run(request).await {
            Ok(_) => Err("the first has worked".into()),
            Err(_) => next.run(other).await,
        }
    }

    let (service, mut incoming) = targets();
    let flaky = request_fn(async |request, next| {
        if request.target == Address::UNSPECIFIED {
            return Err(Refusal::new(ReplyCode::HOST_UNREACHABLE, "down").into());
        }
        next.run(request).await
    });
    let service = ServiceBuilder::new()
        .layer(request_fn(second))
        .layer(flaky)
        .service(service);
    assert!(service.oneshot(request("joe")).await.is_ok());
    let (seen, _target) = incoming.try_recv().unwrap();
    assert_eq!(seen.target.to_string(), "192.0.2.2:80");
}

#[tokio::test]
async fn an_error_from_below_keeps_its_reply_code() {
    let nobody = failing(|| Refusal::new(ReplyCode::TTL_EXPIRED, "too far"));
    let service = request_fn(async |request, next| next.run(request).await).layer(nobody);
    let error = service.oneshot(request("joe")).await.err().unwrap();
    assert_eq!(reply_code(&*error), ReplyCode::TTL_EXPIRED);
}

#[tokio::test(start_paused = true)]
async fn no_permit_below_is_taken_before_the_request_runs() {
    let (service, mut incoming) = targets();
    let limited = ConcurrencyLimitLayer::new(1).layer(service);
    let late = request_fn(async |request: Request, next| {
        if request.identity.name() == Some(b"late") {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        next.run(request).await
    });
    let mut service = late.layer(limited);
    // Ready twice at once, though the limit below has room for one: nothing is held by being ready.
    service.ready().await.unwrap();
    let mut slow = task::spawn(service.call(request("late")));
    assert!(slow.poll().is_pending());
    let mut quick = task::spawn(service.ready().await.unwrap().call(request("joe")));
    assert!(assert_ready!(quick.poll()).is_ok());
    assert_eq!(incoming.try_recv().unwrap().0.identity.to_string(), "joe");
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(slow.is_woken());
    assert!(assert_ready!(slow.poll()).is_ok());
}

#[tokio::test]
async fn it_waits_until_the_service_below_is_ready() {
    let (mock, mut handle) = tower_test::mock::pair::<Request, Opened>();
    handle.allow(0);
    let mut service = request_fn(async |request, next| next.run(request).await).layer(mock);
    let mut asking = task::spawn(service.ready().await.unwrap().call(request("joe")));
    assert!(asking.poll().is_pending());
    handle.allow(1);
    assert!(asking.is_woken());
    assert!(asking.poll().is_pending());
    let (_, reply) = handle.next_request().await.unwrap();
    reply.send_response(Opened);
    assert!(assert_ready!(asking.poll()).is_ok());
}

struct Opened;

impl Tunnel for Opened {
    fn bound(&self) -> Address {
        Address::UNSPECIFIED
    }

    async fn run<W: tower_socks::io::ClientStream>(
        self,
        _: W,
    ) -> std::io::Result<tower_socks::Traffic> {
        Ok(tower_socks::Traffic::default())
    }
}

#[tokio::test]
async fn dropping_it_drops_the_dial() {
    let (service, _gate, mut incoming) = slow_targets();
    let held = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&held);
    let service = request_fn(move |request, next| async move {
        count.fetch_add(1, Ordering::Relaxed);
        next.run(request).await
    })
    .layer(service);
    let mut asking = task::spawn(service.oneshot(request("joe")));
    assert!(asking.poll().is_pending());
    let (_, mut target) = incoming.try_recv().unwrap();
    assert_eq!(held.load(Ordering::Relaxed), 1);
    drop(asking);
    target.hear_end().await;
}

#[test]
fn promises_about_types() {
    let layer = request_fn(async |request, next| next.run(request).await);
    let service = layer.clone().layer(Nowhere);
    sendable(&service);
    assert_eq!(format!("{layer:?}"), "RequestFnLayer { .. }");
    assert_eq!(service.get_ref(), &service.clone().into_inner());
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Nowhere;

impl Service<Request> for Nowhere {
    type Response = Opened;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Opened, BoxError>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), BoxError>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request) -> Self::Future {
        std::future::ready(Ok(Opened))
    }
}
