//! A limiter of one's own that makes up its mind later: who waits for it, and what is held meanwhile.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use socket2::SockRef;
use tokio::{io::AsyncWriteExt, sync::oneshot};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimitLayer, util::BoxCloneService};
use tower_socks::{
    Identity, NoAuth, Refusal, Request,
    error::{Fault, reply_code},
    layer::limit::{Admission, LimitLayer, Limiter},
    proto::{Address, Command, ReplyCode},
};

use crate::support::{
    CONNECT, CONNECTED, Client, HELLO, HELLO_OK, Script, failure, greeted, proxy, settle, stack,
    targets::{Dialer, failing, targets},
    within,
};

/// Lets members in at once and has everybody else wait at the door, in order.
#[derive(Clone, Debug, Default)]
struct Doorman {
    waiting: Arc<Mutex<VecDeque<Later>>>,
    place: Place,
}

/// Counted by those who hold it.
type Place = Arc<()>;

type Later = oneshot::Sender<Result<Place, Refusal>>;

impl Doorman {
    fn next(&self) -> Later {
        self.waiting.lock().unwrap().pop_front().unwrap()
    }

    fn admits(&self) {
        self.next().send(Ok(Arc::clone(&self.place))).unwrap();
    }

    fn refuses(&self, refusal: Refusal) {
        self.next().send(Err(refusal)).unwrap();
    }

    fn waiting(&self) -> usize {
        let waiting = self.waiting.lock().unwrap();
        waiting.iter().filter(|it| !it.is_closed()).count()
    }

    fn inside(&self) -> usize {
        let doormen = Arc::strong_count(&self.waiting);
        Arc::strong_count(&self.place) - doormen
    }
}

impl Limiter for Doorman {
    type Permit = Place;

    fn admit(&self, request: &Request) -> Admission<Place> {
        if request.identity.name() == Some(b"member") {
            return Admission::Permit(Arc::clone(&self.place));
        }
        let (answer, later) = oneshot::channel();
        self.waiting.lock().unwrap().push_back(answer);
        Admission::Later(Box::pin(async move { later.await.unwrap() }))
    }
}

fn request(user: &str) -> Request {
    let mut request = Request::new(Command::CONNECT, Address::UNSPECIFIED);
    request.identity = Identity::named(user);
    request
}

#[tokio::test]
async fn nothing_is_dialled_before_the_limiter_has_said_yes() {
    let doorman = Doorman::default();
    let (service, mut incoming) = targets();
    let mut service = LimitLayer::new(doorman.clone()).layer(service);
    let mut asking = task::spawn(service.ready().await.unwrap().call(request("guest")));
    assert_pending!(asking.poll());
    assert!(incoming.try_recv().is_err());
    assert_eq!(doorman.inside(), 0);

    doorman.admits();
    let tunnel = assert_ready!(asking.poll()).unwrap();
    let (dialled, _target) = incoming.try_recv().unwrap();
    assert_eq!(dialled.identity.name(), Some(&b"guest"[..]));
    assert_eq!(doorman.inside(), 1);
    drop(tunnel);
    assert_eq!(doorman.inside(), 0);
}

#[tokio::test]
async fn who_is_refused_after_waiting_hears_why_and_nothing_is_dialled() {
    let doorman = Doorman::default();
    let (service, mut incoming) = targets();
    let mut service = LimitLayer::new(doorman.clone()).layer(service);
    let mut asking = task::spawn(service.ready().await.unwrap().call(request("guest")));
    assert_pending!(asking.poll());
    let full = Refusal::new(ReplyCode::TTL_EXPIRED, "full until tomorrow");
    doorman.refuses(full);
    let error = assert_ready!(asking.poll()).err().unwrap();
    assert_eq!(error.to_string(), "full until tomorrow");
    assert_eq!(reply_code(&*error), ReplyCode::TTL_EXPIRED);
    assert!(incoming.try_recv().is_err());
}

#[tokio::test]
async fn who_no_longer_waits_has_no_place_in_the_queue() {
    let doorman = Doorman::default();
    let (service, mut incoming) = targets();
    let service = LimitLayer::new(doorman.clone()).layer(service);
    let mut first = task::spawn(service.clone().oneshot(request("first")));
    let mut second = task::spawn(service.oneshot(request("second")));
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    assert_eq!(doorman.waiting(), 2);
    drop(first);
    assert_eq!(doorman.waiting(), 1);

    // Nobody takes what is offered to the first, so it goes to the second.
    let offered = doorman.next().send(Ok(Arc::clone(&doorman.place)));
    drop(offered.unwrap_err());
    doorman.admits();
    assert!(second.is_woken());
    let _tunnel = assert_ready!(second.poll()).unwrap();
    let (dialled, _) = incoming.try_recv().unwrap();
    assert_eq!(dialled.identity.name(), Some(&b"second"[..]));
    assert!(incoming.try_recv().is_err());
    assert_eq!(doorman.inside(), 1);
}

#[tokio::test]
async fn a_dial_that_fails_after_the_wait_gives_the_permit_back() {
    let doorman = Doorman::default();
    let nobody = failing(|| Refusal::new(ReplyCode::HOST_UNREACHABLE, "nobody there"));
    let service = LimitLayer::new(doorman.clone()).layer(nobody);
    let mut asking = task::spawn(service.oneshot(request("guest")));
    assert_pending!(asking.poll());
    doorman.admits();
    let error = assert_ready!(asking.poll()).err().unwrap();
    assert_eq!(reply_code(&*error), ReplyCode::HOST_UNREACHABLE);
    assert_eq!(doorman.inside(), 0);
}

/// A service that panics where it is called before it was ready, with room for two.
fn strict() -> (Dialer, crate::support::targets::Dialled) {
    let (service, incoming) = targets();
    let strict = ConcurrencyLimitLayer::new(2).layer(service);
    (BoxCloneService::new(strict), incoming)
}

#[tokio::test]
async fn one_service_takes_others_while_somebody_waits() {
    let doorman = Doorman::default();
    let (service, mut incoming) = strict();
    let mut service = LimitLayer::new(doorman.clone()).layer(service);
    let mut users = Vec::new();
    let mut asking = task::spawn(service.ready().await.unwrap().call(request("guest")));
    assert_pending!(asking.poll());
    for _ in 0..3 {
        let tunnel = service.ready().await.unwrap().call(request("member")).await;
        assert!(tunnel.is_ok());
        users.push(incoming.recv().await.unwrap().0.identity);
    }
    doorman.admits();
    assert!(assert_ready!(asking.poll()).is_ok());
    users.push(incoming.recv().await.unwrap().0.identity);
    let names: Vec<_> = users.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["member", "member", "member", "guest"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_has_its_reply_when_it_is_admitted() {
    within(async {
        let doorman = Doorman::default();
        let (service, mut incoming) = targets();
        let stack = stack(NoAuth, LimitLayer::new(doorman.clone()).layer(service));
        let mut client = Client::new(stack);
        client.io.say(HELLO).await;
        client.io.hear(HELLO_OK).await;
        client.io.say(CONNECT).await;
        settle().await;
        assert_eq!(doorman.waiting(), 1);
        assert!(incoming.try_recv().is_err());
        doorman.admits();
        client.io.hear(CONNECTED).await;
        let (_, mut target) = incoming.recv().await.unwrap();
        client.io.say(b"ping").await;
        target.hear(b"ping").await;
        assert_eq!(doorman.inside(), 1);
        drop(target);
        client.lingering_close().await.unwrap();
        assert_eq!(doorman.inside(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_refused_in_the_end_has_the_code_of_the_limiter() {
    within(async {
        let doorman = Doorman::default();
        let limit = LimitLayer::new(doorman.clone());
        let mut client = Client::new(stack(NoAuth, limit.layer(targets().0)));
        client.io.say(&[HELLO, CONNECT].concat()).await;
        client.io.hear(HELLO_OK).await;
        settle().await;
        doorman.refuses(Refusal::not_allowed("full"));
        client.io.hear(&failure(2)).await;
        client.io.hear_end().await;
        let error = client.lingering_close().await.unwrap_err();
        assert_eq!(error.fault(), Fault::Refused);
    })
    .await;
}

#[tokio::test]
async fn a_client_that_breaks_off_while_it_waits_is_no_longer_in_the_queue() {
    within(async {
        let doorman = Doorman::default();
        let (service, mut incoming) = targets();
        let limit = LimitLayer::new(doorman.clone());
        let proxy = proxy(stack(NoAuth, limit.layer(service))).await;
        let mut client = greeted(proxy).await;
        client.say(CONNECT).await;
        until(|| doorman.waiting() == 1).await;
        // A half-close: it has nothing more to say, and still wants its reply.
        client.shutdown().await.unwrap();
        let mut other = greeted(proxy).await;
        other.say(CONNECT).await;
        until(|| doorman.waiting() == 2).await;

        let linger = Some(Duration::ZERO);
        SockRef::from(&other).set_linger(linger).unwrap();
        drop(other);
        until(|| doorman.waiting() == 1).await;
        doorman.admits();
        client.hear(CONNECTED).await;
        incoming.recv().await.unwrap();
        assert!(incoming.try_recv().is_err());
    })
    .await;
}

/// Sockets are in real time.
async fn until(done: impl Fn() -> bool) {
    while !done() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
