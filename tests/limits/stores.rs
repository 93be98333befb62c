//! Stores that may be far away: they answer now, later, with a refusal, or never.

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::AsyncReadExt,
    time::{Instant, sleep},
};
use tower::{Layer, ServiceExt, service_fn};
use tower_socks::{
    AuthLayer, BoxError, HandshakeLayer, Identity, Refusal, Request, UserPass, Users,
    error::reply_code,
    io::{Direction, Meter},
    layer::{
        key::{self, User},
        limit::{
            Admission, ConcurrentTunnels, FailedLoginStore, FailedLoginsLayer, Lease, LimitLayer,
            Limiter, LoginHistory, LoginKey, Pace, RateStore, RequestRate, TunnelStore,
        },
        meter::{ByteQuota, MakeMeter, MeterLayer, QuotaStore},
    },
    proto::{Address, Command, ReplyCode},
    session::{Accepted, Connected, Share},
};

use crate::support::{Script, targets::targets};

/// How long the network takes.
const TRIP: Duration = Duration::from_millis(40);

#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Now,
    Later,
    Away,
    Silent,
}

impl Mood {
    /// Answers in this mood.
    fn answer<T: Send + 'static>(self, answer: impl FnOnce() -> T + Send + 'static) -> Share<T> {
        match self {
            Self::Now => Share::Now(answer()),
            Self::Later => Share::Later(Box::pin(async {
                sleep(TRIP).await;
                Ok(answer())
            })),
            Self::Away => Share::refused(Refusal::new(ReplyCode::GENERAL_FAILURE, "it is away")),
            Self::Silent => Share::Later(Box::pin(std::future::pending())),
        }
    }
}

fn request(user: &str) -> Request {
    let mut request = Request::new(Command::CONNECT, Address::UNSPECIFIED);
    request.identity = Identity::named(user);
    request
}

/// Tunnels of all proxies.
#[derive(Clone)]
struct Tunnels(Mood, Arc<Mutex<HashMap<User, usize>>>);

struct Place(Tunnels, User);

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.1.lock().unwrap().get_mut(&self.1).unwrap() -= 1;
    }
}

impl Tunnels {
    fn new(mood: Mood) -> Self {
        Self(mood, Arc::default())
    }

    fn open(&self, user: &str) -> usize {
        let open = self.1.lock().unwrap();
        open.get(&User::named(user)).copied().unwrap_or(0)
    }
}

impl TunnelStore<User> for Tunnels {
    fn take(&self, key: &User, most: usize) -> Share<Option<Lease>> {
        let (store, key) = (self.clone(), key.clone());
        self.0.answer(move || {
            let mut open = store.1.lock().unwrap();
            let open = open.entry(key.clone()).or_default();
            if *open >= most {
                return None;
            }
            *open += 1;
            Some(Lease::new(Place(store.clone(), key)))
        })
    }
}

async fn admitted<L: Limiter>(limiter: &L, user: &str) -> Result<L::Permit, Refusal> {
    match limiter.admit(&request(user)) {
        Admission::Permit(permit) => Ok(permit),
        Admission::Refused(refusal) => Err(refusal),
        Admission::Later(later) => later.await,
    }
}

#[tokio::test(start_paused = true)]
async fn two_proxies_share_the_tunnels_of_a_key() {
    for mood in [Mood::Now, Mood::Later] {
        let store = Tunnels::new(mood);
        let [one, other] =
            [1, 2].map(|_| ConcurrentTunnels::new(3, key::user).with_store(store.clone()));
        let first = admitted(&one, "joe").await.unwrap();
        let second = admitted(&other, "joe").await.unwrap();
        let third = admitted(&one, "joe").await.unwrap();
        for proxy in [&one, &other] {
            let refusal = admitted(proxy, "joe").await.unwrap_err();
            assert_eq!(refusal.to_string(), "\"joe\" has 3 tunnels already");
            assert_eq!(refusal.code(), ReplyCode::NOT_ALLOWED);
        }
        assert!(admitted(&other, "jane").await.is_ok());
        // What is told is about this process.
        assert_eq!((one.live(&"joe".into()), other.live(&"joe".into())), (2, 1));
        drop(second);
        assert_eq!((store.open("joe"), other.live(&"joe".into())), (2, 0));
        let _fourth = admitted(&other, "joe").await.unwrap();
        drop((first, third));
        assert_eq!((store.open("joe"), one.live(&"joe".into())), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_goes_while_it_waits_holds_nothing() {
    let store = Tunnels::new(Mood::Later);
    let tunnels = ConcurrentTunnels::new(1, key::user).with_store(store.clone());
    let Admission::Later(later) = tunnels.admit(&request("joe")) else {
        panic!("the store is far away");
    };
    assert_eq!(tunnels.live(&"joe".into()), 1);
    drop(later);
    assert_eq!((store.open("joe"), tunnels.keys()), (0, 0));
    assert!(admitted(&tunnels, "joe").await.is_ok());
    assert_eq!((store.open("joe"), tunnels.keys()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_tunnel_has_the_first_that_ends_elsewhere() {
    for mood in [Mood::Now, Mood::Later] {
        let store = Tunnels::new(mood);
        let tunnels = || ConcurrentTunnels::new(1, key::user).with_store(store.clone());
        let held = admitted(&tunnels(), "joe").await.unwrap();
        let waiting = tunnels().wait(Duration::from_secs(5));
        let started = Instant::now();
        assert!(admitted(&waiting, "joe").await.is_err());
        assert!(started.elapsed() <= Duration::from_secs(5));
        tokio::spawn(async move {
            sleep(Duration::from_secs(2)).await;
            drop(held);
        });
        let started = Instant::now();
        let _permit = admitted(&waiting, "joe").await.unwrap();
        assert!(
            started.elapsed() < Duration::from_millis(3_100),
            "{:?}",
            started.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_or_silent_refuses_in_time() {
    for (mood, message) in [
        (Mood::Away, "it is away"),
        (
            Mood::Silent,
            "the store that counts for a limit has not answered in time",
        ),
    ] {
        let started = Instant::now();
        let tunnels = ConcurrentTunnels::new(3, key::user).with_store(Tunnels::new(mood));
        let rate = RequestRate::per_second(NonZeroU32::MIN, key::user)
            .with_store(Rate(mood, Arc::default()));
        let quota = ByteQuota::with_store(Bytes::new(mood, 9), key::user);
        let refusals = [
            admitted(&tunnels, "joe").await.err(),
            admitted(&rate, "joe").await.err(),
            match quota.meter(&request("joe")) {
                Admission::Later(later) => later.await.err(),
                _ => None,
            },
        ];
        for refusal in refusals {
            let refusal = refusal.unwrap();
            assert_eq!(refusal.to_string(), message);
            assert_eq!(refusal.code(), ReplyCode::GENERAL_FAILURE);
        }
        assert_eq!(tunnels.keys(), 0);
        assert!(started.elapsed() <= Duration::from_secs(15));
    }
}

/// Requests of all proxies, with no time in which they are paid.
#[derive(Clone)]
struct Rate(Mood, Arc<AtomicUsize>);

impl RateStore<User> for Rate {
    fn turn(&self, _: &User, pace: Pace) -> Share<Option<Duration>> {
        let asked = Arc::clone(&self.1);
        let (most, interval) = (pace.at_once() as usize, pace.interval());
        let answer = move || (asked.fetch_add(1, SeqCst) >= most).then_some(interval);
        self.0.answer(answer)
    }
}

#[tokio::test(start_paused = true)]
async fn two_proxies_share_the_requests_of_a_key() {
    for mood in [Mood::Now, Mood::Later] {
        let store = Rate(mood, Arc::default());
        let two = NonZeroU32::new(2).unwrap();
        let [one, other] =
            [1, 2].map(|_| RequestRate::per_second(two, key::user).with_store(store.clone()));
        admitted(&one, "joe").await.unwrap();
        admitted(&other, "joe").await.unwrap();
        let refusal = admitted(&one, "joe").await.unwrap_err();
        assert_eq!(refusal.to_string(), "\"joe\" asks too often");

        // One that waits asks again when it is told to.
        store.1.store(2, SeqCst);
        let waiting = other.wait(Duration::from_secs(1));
        let started = Instant::now();
        let asked = store.1.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(300)).await;
            asked.store(0, SeqCst);
        });
        admitted(&waiting, "joe").await.unwrap();
        assert!(started.elapsed() >= Duration::from_millis(500));
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_not_there_admits_and_one_that_is_decides() {
    let none = None::<ConcurrentTunnels<fn(&Request) -> Option<User>>>;
    assert!(admitted(&none, "joe").await.unwrap().is_none());
    for mood in [Mood::Now, Mood::Later] {
        let store = Tunnels::new(mood);
        let limit = Some(ConcurrentTunnels::new(1, key::user).with_store(store.clone()));
        let permit = admitted(&limit, "joe").await.unwrap();
        assert!(permit.is_some());
        assert_eq!(store.open("joe"), 1);
        assert!(admitted(&limit, "joe").await.is_err());
        drop(permit);
        assert_eq!(store.open("joe"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn two_limits_cost_one_trip() {
    let (rate, store) = (Rate(Mood::Later, Arc::default()), Tunnels::new(Mood::Later));
    let three = NonZeroU32::new(3).unwrap();
    let both = (
        RequestRate::per_minute(three, key::user).with_store(rate.clone()),
        ConcurrentTunnels::new(1, key::user).with_store(store.clone()),
    );
    let started = Instant::now();
    let permit = admitted(&both, "joe").await.unwrap();
    assert_eq!(started.elapsed(), TRIP);
    // What one of them has granted is given back where the other refuses.
    let refusal = admitted(&both, "joe").await.unwrap_err();
    assert_eq!(refusal.to_string(), "\"joe\" has 1 tunnels already");
    drop(permit);
    let permit = admitted(&both, "joe").await.unwrap();
    rate.1.store(3, SeqCst);
    let refusal = admitted(&(both.1.clone(), both.0.clone()), "jane").await;
    assert_eq!(refusal.unwrap_err().to_string(), "\"jane\" asks too often");
    assert_eq!((store.open("joe"), store.open("jane")), (1, 0));
    drop(permit);
    let service = LimitLayer::new(both).layer(service_fn(async |_: Request| {
        Ok::<_, BoxError>(Connected::new(
            tokio::io::duplex(64).0,
            Address::UNSPECIFIED,
        ))
    }));
    let error = service.oneshot(request("joe")).await.unwrap_err();
    assert_eq!(reply_code(&*error), ReplyCode::NOT_ALLOWED);
}

/// Bytes that all proxies have together.
#[derive(Clone)]
struct Bytes {
    mood: Mood,
    left: Arc<Mutex<u64>>,
    asked: Arc<AtomicUsize>,
}

impl Bytes {
    fn new(mood: Mood, left: u64) -> Self {
        Self {
            mood,
            left: Arc::new(Mutex::new(left)),
            asked: Arc::default(),
        }
    }
}

impl QuotaStore<User> for Bytes {
    fn take(&self, _: &User, bytes: u64) -> Share {
        self.asked.fetch_add(1, SeqCst);
        let left = Arc::clone(&self.left);
        self.mood.answer(move || {
            let mut left = left.lock().unwrap();
            let taken = bytes.min(*left);
            *left -= taken;
            taken
        })
    }

    fn has_left(&self, _: &User) -> Share<bool> {
        let left = Arc::clone(&self.left);
        self.mood.answer(move || *left.lock().unwrap() > 0)
    }

    fn give_back(&self, _: &User, bytes: u64) {
        *self.left.lock().unwrap() += bytes;
    }
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_is_held_back_until_its_share_is_there() {
    let store = Bytes::new(Mood::Later, 10_000);
    let quota = ByteQuota::with_store(store.clone(), key::user);
    let (mut far, near) = tokio::io::duplex(64 * 1024);
    let near = Arc::new(Mutex::new(Some(near)));
    let service = MeterLayer::new(quota).layer(service_fn(move |_: Request| {
        let near = near.lock().unwrap().take();
        async { Ok::<_, BoxError>(Connected::new(near.unwrap(), Address::UNSPECIFIED)) }
    }));
    let started = Instant::now();
    let tunnel = service.oneshot(request("joe")).await.unwrap();
    assert_eq!(started.elapsed(), TRIP, "before the dial");
    let (mut client, server) = tokio::io::duplex(64 * 1024);
    let running = tokio::spawn(tower_socks::Tunnel::run(
        tunnel,
        tower_socks::io::PrefixedStream::new(server),
    ));
    far.say(&[7; 12_000]).await;
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard.len(), 10_000, "not a byte more");
    assert!(running.await.unwrap().is_err());
    // 4 KiB, and what was left, each after a trip; and then that nothing is.
    assert_eq!(started.elapsed(), TRIP * 4);
    assert_eq!(*store.left.lock().unwrap(), 0);
}

#[tokio::test]
async fn what_was_taken_for_a_meter_that_goes_is_given_back() {
    let mut cx = Context::from_waker(Waker::noop());
    let store = Bytes::new(Mood::Later, 10_000);
    let quota = ByteQuota::with_store(store.clone(), key::user);
    let Admission::Later(later) = quota.meter(&request("joe")) else {
        panic!("the store is far away");
    };
    let mut meter = later.await.unwrap().unwrap();
    assert!(meter.poll_allowance(&mut cx, Direction::Up).is_pending());
    // Asked once, however often and for whichever direction.
    assert!(meter.poll_allowance(&mut cx, Direction::Down).is_pending());
    assert_eq!(store.asked.load(SeqCst), 1);
    // Datagrams that come meanwhile have no room, and do not end the association.
    assert_eq!(meter.admit(Direction::Up, 100), 0);
    assert_eq!(store.asked.load(SeqCst), 1);
    sleep(TRIP * 2).await;
    let allowance = meter.poll_allowance(&mut cx, Direction::Down);
    assert!(matches!(allowance, Poll::Ready(Ok(4096))), "{allowance:?}");
    meter.moved(Direction::Up, 96);
    drop(meter);
    assert_eq!(*store.left.lock().unwrap(), 9_904);
}

/// Failures of all proxies.
#[derive(Clone)]
struct Failures(Mood, Arc<Mutex<HashMap<String, u32>>>);

impl FailedLoginStore for Failures {
    fn hash(&self, name: &[u8]) -> u64 {
        name.iter().map(|byte| u64::from(*byte)).sum()
    }

    fn history(&self, of: &[LoginKey]) -> Share<LoginHistory> {
        let of: Vec<_> = of.iter().map(ToString::to_string).collect();
        let known = Arc::clone(&self.1);
        self.0.answer(move || {
            let known = known.lock().unwrap();
            let failures = of.iter().map(|key| known.get(key).copied().unwrap_or(0));
            LoginHistory::new(failures.collect()).known(
                of.iter()
                    .any(|key| key.starts_with("known:") && known.contains_key(key)),
            )
        })
    }

    fn failed(&self, of: &[(LoginKey, u32)]) {
        let mut known = self.1.lock().unwrap();
        for (key, most) in of {
            let failures = known.entry(key.to_string()).or_default();
            *failures = (*failures + 1).min(*most);
        }
    }

    fn succeeded(&self, client: IpAddr, name: u64) {
        let key = LoginKey::Known(client, name).to_string();
        self.1.lock().unwrap().entry(key).or_insert(0);
    }
}

/// Logs in at a proxy, and returns whether that is right and how long it took.
async fn log_in(layer: &FailedLoginsLayer, password: &[u8]) -> (Option<bool>, Duration) {
    let users: Users = [("joe", "secret")].into_iter().collect();
    let auth = AuthLayer::new(UserPass::new(users)).layer(targets().0);
    let server = HandshakeLayer::new().layer(layer.layer(auth));
    let (mut client, stream) = tokio::io::duplex(256);
    let started = Instant::now();
    let peer = ([192, 0, 2, 1], 1).into();
    tokio::spawn(server.oneshot(Accepted::new(stream, peer, peer)));
    client.say(&[b"\x05\x01\x02", password].concat()).await;
    let mut answer = [0; 4];
    let right = client
        .read_exact(&mut answer)
        .await
        .is_ok()
        .then(|| answer[3] == 0);
    (right, started.elapsed())
}

const WRONG: &[u8] = b"\x01\x03joe\x05wrong";
const RIGHT: &[u8] = b"\x01\x03joe\x06secret";

#[tokio::test(start_paused = true)]
async fn failures_at_one_proxy_slow_down_logins_at_the_other() {
    for mood in [Mood::Now, Mood::Later] {
        let store = Failures(mood, Arc::default());
        let [one, other] = [1, 2].map(|_| FailedLoginsLayer::new().with_store(store.clone()));
        for _ in 0..4 {
            let (right, time) = log_in(&one, WRONG).await;
            assert_eq!(right, Some(false));
            assert!(time < Duration::from_millis(100), "{time:?}");
        }
        let (right, time) = log_in(&other, WRONG).await;
        assert_eq!(right, Some(false));
        assert!(time >= Duration::from_secs(1), "{time:?}");
        let (right, time) = log_in(&other, RIGHT).await;
        assert_eq!(right, Some(true));
        assert!(time >= Duration::from_secs(2), "{time:?}");
        // Where the name has logged in, no proxy has it wait for the failures of others any more.
        let (right, time) = log_in(&one, RIGHT).await;
        assert_eq!(right, Some(true));
        assert!(time < Duration::from_millis(100), "{time:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_takes_nobody_into_account_or_nobody_in() {
    let away = FailedLoginsLayer::new().with_store(Failures(Mood::Away, Arc::default()));
    let (right, _) = log_in(&away, RIGHT).await;
    assert_eq!(right, Some(false), "it says so by a refusal");
    let silent = FailedLoginsLayer::new().with_store(Failures(Mood::Silent, Arc::default()));
    let (right, time) = log_in(&silent, RIGHT).await;
    assert_eq!(right, Some(false));
    assert_eq!(time, Duration::from_secs(5));
}

#[test]
fn keys_of_logins_have_no_blanks_and_are_told_apart() {
    let client: IpAddr = [192, 0, 2, 1].into();
    let keys = [
        LoginKey::Client(client),
        LoginKey::Site([192, 0, 2, 0].into()),
        LoginKey::NameFromSite(Some([192, 0, 2, 0].into()), 0xc0ffee),
        LoginKey::NameFromSite(None, 0xc0ffee),
        LoginKey::Name(0xc0ffee),
        LoginKey::Known(client, 0xc0ffee),
        LoginKey::Nameless(client),
    ];
    let keys = keys.map(|key| key.to_string());
    assert_eq!(
        keys.join(" "),
        "client:192.0.2.1 site:192.0.2.0 name:192.0.2.0:0000000000c0ffee name:none:0000000000c0ffee \
         name:0000000000c0ffee known:192.0.2.1:0000000000c0ffee nameless:192.0.2.1"
    );
}
