//! Bytes of a key in days and months, over all nodes.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use tower_socks::{
    io::Meter,
    layer::{
        key::{self, User},
        limit::Limiter,
        meter::{Admission, CalendarQuota, MakeMeter, Periods, QuotaStore, Quotas},
    },
    proto::ReplyCode,
    redis::{Redis, RedisQuotas, WhileAway},
    session::Share,
};

use crate::{admitted, request, server::Server, until};

const MIB: u64 = 1024 * 1024;
/// The smallest lease.
const LEAST: u64 = 16 * 1024;

type Store = RedisQuotas<User>;

fn store(redis: &Redis, quotas: Quotas) -> Store {
    RedisQuotas::new(redis, "test", quotas, Periods::new())
}

async fn share<T: Send + 'static>(share: Share<T>) -> Result<T, tower_socks::Refusal> {
    match share {
        Share::Now(share) => Ok(share),
        Share::Later(later) => later.await,
    }
}

async fn take(store: &Store, user: &str, bytes: u64) -> u64 {
    share(store.take(&User::named(user), bytes)).await.unwrap()
}

/// Takes until nothing is left.
async fn exhaust(store: &Store, user: &str) -> u64 {
    let mut all = 0;
    loop {
        match take(store, user, 100_000).await {
            0 => return all,
            taken => all += taken,
        }
    }
}

/// What is written down of joe: of the day, of the month, held.
fn written(server: &Server) -> [u64; 3] {
    let all = server.cli(&["HVALS", "tower-socks:quota:test:{user:joe}"]);
    let mut sums = [0; 3];
    for line in all.lines().filter(|line| !line.is_empty()) {
        let fields: Vec<u64> = line.split(' ').map(|it| it.parse().unwrap()).collect();
        for (sum, field) in sums.iter_mut().zip(&fields[3..6]) {
            *sum += field;
        }
    }
    sums
}

/// Sets what another node has written down.
fn write(server: &Server, node: &str, line: &str) {
    let key = "tower-socks:quota:test:{user:joe}";
    server.cli(&["HSET", key, node, line]);
}

/// The day and the month of UTC, as they are written down.
fn today() -> (u32, u32) {
    let date = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    let month = u32::from(date.year().unsigned_abs()) * 10_000
        + u32::from(date.month().unsigned_abs()) * 100
        + 1;
    (month - 1 + u32::from(date.day().unsigned_abs()), month)
}

#[tokio::test]
async fn a_quota_holds_over_all_nodes_to_the_byte() {
    let server = Server::start();
    let nodes = [(); 3].map(|()| server.node());
    let stores = nodes
        .each_ref()
        .map(|node| store(node, Quotas::new().day(20 * MIB)));
    let all = futures_util::future::join_all(stores.iter().map(|it| exhaust(it, "joe"))).await;
    let sum: u64 = all.iter().sum();
    assert!(sum <= 20 * MIB, "{all:?}");
    assert!(sum >= 20 * MIB - 3 * LEAST, "{all:?}");
    assert_eq!(take(&stores[1], "jane", 5).await, 5);
    // A moment later all is used: nobody holds anything that nobody takes.
    until("the rest is used up", async || {
        for store in &stores {
            exhaust(store, "joe").await;
        }
        written(&server) == [20 * MIB, 20 * MIB, 0]
    })
    .await;
}

#[tokio::test]
async fn what_another_node_holds_and_does_not_use_is_waited_for() {
    let server = Server::start();
    let nodes = [(); 2].map(|()| server.node());
    let stores = nodes
        .each_ref()
        .map(|node| store(node, Quotas::new().day(1_000_000)));
    // Much moves at the first, which leases most of what is left.
    let mut first = 0;
    while first < 400_000 {
        let taken = take(&stores[0], "joe", 10_000).await;
        assert!(taken > 0, "{first}");
        first += taken;
    }
    until("it holds much", async || written(&server)[2] > 200_000).await;
    // The second has all of it, and nobody is told that nothing is left.
    let left = 1_000_000 - first;
    let second = exhaust(&stores[1], "joe").await;
    assert!(
        second <= left && second + LEAST >= left,
        "{second} of {left}"
    );
}

#[tokio::test]
async fn a_month_bounds_as_a_day_does_and_other_days_do_not_count() {
    let server = Server::start();
    let (day, month) = today();
    write(
        &server,
        "yesterday",
        &format!("9 {} {month} 7000 9000 500 1", day - 1),
    );
    write(&server, "last-month", "9 20200131 20200101 7000 9000 0 1");
    let quotas = Quotas::new().day(1000).month(9800);
    let store = store(&server.node(), quotas);
    // What was held in vain is free: its time is over.
    assert_eq!(exhaust(&store, "joe").await, 800);
    assert_eq!(store.used(&User::named("joe")), (800, 9800));
    let fullest = store.fullest(1);
    assert_eq!((fullest[0].used, fullest[0].most), (9800, 9800));
    // Those who are silent for more than an hour are added up.
    let names = server.cli(&["HKEYS", "tower-socks:quota:test:{user:joe}"]);
    assert!(
        names.contains("gone") && !names.contains("yesterday"),
        "{names}"
    );
    assert_eq!(written(&server), [800, 9800, 0]);
    store.set_quotas(quotas.month(9900));
    sleep(Duration::from_millis(1_100)).await;
    assert_eq!(exhaust(&store, "joe").await, 100);
}

#[test]
fn a_node_with_another_day_and_a_late_command_change_nothing() {
    let server = Server::start();
    let script = include_str!("../../src/redis/lua/quota.lua");
    let place = "tower-socks:quota:test:{user:joe}";
    let send = |sequence: &str, from: &str, until: &str| {
        let day = [
            "20261127", "20261101", "10", "10", "5", "1000", "100", "1", "50", "-1",
        ];
        let arguments = ["EVAL", script, "1", place, "node-0", sequence, from, until];
        let answer = server.cli(&[&arguments[..], &day].concat());
        answer.lines().next().unwrap().to_owned()
    };
    let (always, past) = (("0", "99999999999"), ("0", "1000"));
    assert_eq!(send("7", past.0, past.1), "0");
    assert_eq!(server.cli(&["EXISTS", place]), "0");
    // The first that is heard of a node that has written before: what others know may be lost as well.
    assert_eq!(send("7", always.0, always.1), "1");
    assert_eq!(written(&server), [10, 10, 5 + 1]);
    // 35 of 50 are left: a lease of half of that.
    assert_eq!(send("8", always.0, always.1), "1");
    assert_eq!(written(&server), [10, 10, 5 + 17]);
    for late in ["7", "8"] {
        assert_eq!(send(late, always.0, always.1), "0");
        assert_eq!(written(&server), [10, 10, 5 + 17]);
    }
    let seconds: u64 = server.cli(&["TTL", place]).parse().unwrap();
    assert!(seconds <= 2 * 86_400 && seconds > 86_400, "{seconds}");
}

#[tokio::test]
async fn a_tunnel_ends_and_a_request_is_refused_when_nothing_is_left() {
    let server = Server::start();
    let node = server.node();
    let quota = CalendarQuota::new(
        store(&node, Quotas::new()),
        |_: &tower_socks::Request| Some(Quotas::new().day(1000)),
        key::user,
    );
    let meter = |quota: &CalendarQuota<_, _, Store>| match quota.meter(&request("joe")) {
        Admission::Permit(meter) => meter.unwrap(),
        other => panic!("it asks: {other:?}"),
    };
    // The request has asked, and the meter does not.
    admitted(&quota.limiter(), "joe").await.unwrap();
    let mut meter = meter(&quota);
    let mut moved = 0;
    let ended = std::future::poll_fn(|cx| {
        loop {
            let up = tower_socks::io::Direction::Up;
            match std::task::ready!(meter.poll_allowance(cx, up)) {
                Ok(bytes) => {
                    moved += bytes;
                    meter.moved(up, bytes);
                }
                Err(error) => return std::task::Poll::Ready(error),
            }
        }
    });
    assert_eq!(ended.await.to_string(), "\"joe\" has used its quota up");
    assert_eq!(moved, 1000);
    let limiter = quota.limiter();
    let refusal = limiter.admit(&request("joe")).now().unwrap().unwrap_err();
    assert_eq!(refusal.code(), ReplyCode::NOT_ALLOWED);
    let other = store(&server.node(), Quotas::new().day(1000));
    assert!(!share(other.has_left(&User::named("joe"))).await.unwrap());
}

#[tokio::test]
async fn what_is_not_used_is_given_back() {
    let server = Server::start();
    let (one, other) = (server.node(), server.node());
    let quotas = Quotas::new().day(LEAST);
    let (one, other) = (store(&one, quotas), store(&other, quotas));
    assert_eq!(take(&one, "joe", 10).await, 10);
    one.give_back(&User::named("joe"), 4);
    assert_eq!(take(&other, "joe", 1).await, 0);
    let mut got = 0;
    let started = Instant::now();
    while got < LEAST - 6 {
        got += take(&other, "joe", LEAST).await;
        assert!(started.elapsed() < Duration::from_secs(20), "{got}");
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(got, LEAST - 6);
    let time = started.elapsed();
    assert!(time < Duration::from_secs(4), "{time:?}");
}

#[test]
fn what_a_crashed_node_held_is_free_after_its_lease() {
    let server = Server::start();
    let quotas = Quotas::new().day(2 * LEAST);
    let crashed = tokio::runtime::Runtime::new().unwrap();
    crashed.block_on(async {
        let store = store(&server.node(), quotas);
        assert_eq!(take(&store, "joe", 100).await, 100);
        // A crash drops nothing.
        std::mem::forget(store);
    });
    crashed.shutdown_background();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = store(&server.node(), quotas);
        let before = exhaust(&store, "joe").await;
        assert!(before <= LEAST, "{before}");
        sleep(Duration::from_millis(2_500)).await;
        let after = exhaust(&store, "joe").await;
        // It had not written down what it used of its one lease.
        assert_eq!(before + after, 2 * LEAST);
    });
}

#[tokio::test]
async fn an_outage_costs_no_tunnel_and_nothing_counts_twice() {
    let server = Server::start();
    let (one, other) = (server.node(), server.node());
    until("each knows of both", async || {
        one.nodes() == 2 && other.nodes() == 2
    })
    .await;
    let quotas = Quotas::new().day(MIB);
    let stores = [&one, &other].map(|node| store(node, quotas));
    let mut used = take(&stores[0], "joe", 100_000).await + take(&stores[1], "joe", 100_000).await;
    server.hang();
    let started = Instant::now();
    for store in &stores {
        // Its lease and its part, and not more.
        used += exhaust(store, "joe").await;
    }
    let time = started.elapsed();
    assert!(time < Duration::from_secs(2), "{time:?}");
    // What the other has leased since the latest answer is not known: one lease a node.
    let most = MIB + 2 * 100_000;
    assert!(used > MIB / 2 && used <= most, "{used}");
    server.go_on();
    until("it is back", async || one.is_up() && other.is_up()).await;
    until("all is written down once", async || {
        written(&server) == [used, used, 0]
    })
    .await;
    sleep(Duration::from_millis(1_200)).await;
    for store in &stores {
        used += exhaust(store, "joe").await;
    }
    until("not a byte more than there is", async || {
        let [day, _, held] = written(&server);
        day == used && held == 0
    })
    .await;
    assert!(used <= most, "{used}");
}

#[tokio::test]
async fn a_redis_that_has_lost_everything_is_told_again() {
    let mut server = Server::start();
    let node = server.node();
    let store = store(&node, Quotas::new().day(MIB).month(2 * MIB));
    let mut used = exhaust(&store, "joe").await;
    server.kill();
    let (joe, jane) = ("joe", "jane");
    sleep(Duration::from_millis(1_100)).await;
    // Nothing is known of jane, and nobody else is there.
    assert_eq!(take(&store, jane, 10).await, 10);
    used += take(&store, joe, 10).await;
    server.restart();
    until("it is told what was used", async || {
        written(&server)[0] == used
    })
    .await;
    assert_eq!(used, MIB);
    assert_eq!(take(&store, joe, 10).await, 0);
}

#[tokio::test]
async fn while_redis_is_away_it_is_open_or_closed_if_told_so() {
    let server = Server::start();
    let node = server.node();
    let store = |away| store(&node, Quotas::new().day(1000)).while_away(away);
    let (open, closed) = (store(WhileAway::Open), store(WhileAway::Closed));
    server.hang();
    assert_eq!(take(&open, "joe", 5000).await, 5000);
    let error = share(closed.take(&User::named("joe"), 1)).await;
    assert_eq!(error.unwrap_err().code(), ReplyCode::GENERAL_FAILURE);
    let error = share(closed.has_left(&User::named("joe"))).await;
    assert_eq!(error.unwrap_err().code(), ReplyCode::GENERAL_FAILURE);
}

#[tokio::test]
async fn those_who_go_while_they_ask_take_nothing_with_them() {
    let server = Server::start();
    let node = server.node();
    let store = store(&node, Quotas::new().day(LEAST));
    for _ in 0..50 {
        tokio::select! {
            biased;
            taken = take(&store, "joe", 100) => store.give_back(&User::named("joe"), taken),
            () = tokio::task::yield_now() => {}
        }
    }
    // Answers that nobody has waited for are taken back in turn.
    let mut all = 0;
    until("all is there", async || {
        all += exhaust(&store, "joe").await;
        all == LEAST
    })
    .await;
}

#[tokio::test]
async fn a_hundred_tunnels_share_one_question() {
    let server = Server::start();
    let node = server.node();
    let store = store(&node, Quotas::new().day(1024 * MIB));
    let before = questions(&server);
    let all = (0..100).map(|_| take(&store, "joe", 100));
    let all = futures_util::future::join_all(all).await;
    assert_eq!(all.iter().sum::<u64>(), 10_000);
    let asked = questions(&server) - before;
    assert!(asked <= 3, "{asked}");
    for _ in 0..4000 {
        assert!(take(&store, "joe", 256 * 1024).await > 0);
    }
    let asked = questions(&server) - before;
    assert!(asked < 200, "{asked}");
}

/// How many scripts were executed so far.
fn questions(server: &Server) -> u32 {
    let stats = server.cli(&["INFO", "commandstats"]);
    let calls = |name: &str| {
        let line = stats.lines().find(|line| line.starts_with(name));
        let calls = line.and_then(|line| line.split_once("calls=")?.1.split(',').next());
        calls.map_or(0, |calls| calls.parse().unwrap())
    };
    calls("cmdstat_evalsha:") + calls("cmdstat_eval:")
}
