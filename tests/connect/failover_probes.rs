//! `Probes`: when they are sent, and what they decide.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, advance, sleep};
use tower::{Service, ServiceExt, service_fn};
use tower_socks::{
    BoxError, ClientError,
    connector::failover::{Failover, Probes, Standing},
    error::Step,
    proto::ReplyCode,
};
use tracing::Level;

use crate::support::log::Log;

const EVERY: Duration = Duration::from_secs(10);

/// Whether a service works, and when it was asked.
#[derive(Clone, Debug, Default)]
struct Upstream {
    broken: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<Instant>>>,
}

impl Upstream {
    fn breaks(&self, is_broken: bool) {
        self.broken.store(is_broken, Ordering::Relaxed);
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn service(
        &self,
    ) -> impl Service<(), Response = (), Error = BoxError, Future: Send> + Clone + Send + use<>
    {
        let upstream = self.clone();
        service_fn(move |()| {
            upstream.asked.lock().unwrap().push(Instant::now());
            let is_broken = upstream.broken.load(Ordering::Relaxed);
            async move {
                match is_broken {
                    true => Err(BoxError::from("it is closed")),
                    false => Ok(()),
                }
            }
        })
    }

    /// Waits for the next probe and what comes of it.
    async fn probed(&self) {
        let before = self.asked();
        while self.asked() == before {
            advance(Duration::from_millis(100)).await;
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
    }
}

fn answering(
    answer: fn() -> Result<(), BoxError>,
) -> impl Service<(), Response = (), Error = BoxError, Future: Send> + Clone + Send {
    service_fn(move |()| async move { answer() })
}

#[tokio::test(start_paused = true)]
async fn three_failures_take_it_down_and_two_successes_bring_it_up() {
    let (log, _guard) = Log::start(Level::INFO);
    let (standing, upstream) = (Standing::new("paris"), Upstream::default());
    let probes = tokio::spawn(Probes::new(EVERY).run(&standing, upstream.service(), ()));
    upstream.probed().await;
    for is_up in [true, true, false, false] {
        upstream.breaks(true);
        upstream.probed().await;
        assert_eq!(standing.is_up(), is_up);
    }
    let (since, error) = standing.outage().unwrap();
    assert!(
        since > EVERY / 2 && error == "it is closed",
        "{since:?} {error}"
    );
    upstream.breaks(false);
    for is_up in [false, true, true] {
        upstream.probed().await;
        assert_eq!(standing.is_up(), is_up);
    }
    assert_eq!(standing.outage(), None);
    // One success between failures is enough to begin anew.
    for broken in [true, true, false, true, true] {
        upstream.breaks(broken);
        upstream.probed().await;
        assert!(standing.is_up());
    }
    let lines = log.lines();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].contains("WARN") && lines[0].contains("upstream marked down"));
    assert!(lines[1].contains("INFO") && lines[1].contains("upstream up again"));
    assert!(lines[1].contains("upstream=paris failures=4"), "{lines:#?}");
    probes.abort();
}

#[tokio::test(start_paused = true)]
async fn servers_that_start_at_once_do_not_probe_at_once() {
    let upstream = Upstream::default();
    let standings: Vec<_> = (0..100).map(|_| Standing::new("paris")).collect();
    let begun = Instant::now();
    for standing in &standings {
        tokio::spawn(Probes::new(EVERY).run(standing, upstream.service(), ()));
    }
    sleep(EVERY).await;
    let first = upstream.asked.lock().unwrap().clone();
    assert!(first.len() >= 100);
    for tenth in 0..10 {
        let from = begun + EVERY / 10 * tenth;
        let within = |at: &&Instant| (from..from + EVERY / 10).contains(*at);
        // Ten, more or less: none at all, or as many as 40, is not by chance.
        let count = first.iter().filter(within).count();
        assert!((1..40).contains(&count), "{count} in part {tenth}");
    }
    // And each keeps about its period.
    sleep(EVERY * 9).await;
    let asked = upstream.asked();
    assert!((880..1220).contains(&asked), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn silence_is_a_failure_once_its_time_is_over() {
    let standing = Standing::new("paris");
    let silent = service_fn(|()| std::future::pending::<Result<(), BoxError>>());
    let probes = Probes::new(Duration::from_millis(10))
        .timeout(Duration::from_secs(3))
        .fall(1);
    tokio::spawn(probes.run(&standing, silent, ()));
    sleep(Duration::from_millis(2_999)).await;
    assert!(standing.is_up());
    sleep(Duration::from_millis(50)).await;
    assert_eq!(standing.outage().unwrap().1, "no answer within 3s");
}

#[tokio::test(start_paused = true)]
async fn they_end_with_all_that_has_the_standing() {
    let (standing, upstream) = (Standing::new("paris"), Upstream::default());
    let probes = tokio::spawn(Probes::new(EVERY).run(&standing, upstream.service(), ()));
    let failover = Failover::new([(standing, answering(|| Ok(())))]);
    sleep(EVERY * 3).await;
    assert!(!probes.is_finished() && upstream.asked() >= 2);
    drop(failover);
    sleep(EVERY * 2).await;
    assert!(probes.is_finished());
}

/// The target of clients may be reached when that of the probes is not, and an operator has named the latter.
#[tokio::test(start_paused = true)]
async fn while_probes_have_found_it_down_no_answer_brings_it_up() {
    let (standing, upstream) = (Standing::new("paris"), Upstream::default());
    upstream.breaks(true);
    let probes = Probes::new(EVERY).fall(1).rise(1);
    tokio::spawn(probes.run(&standing, upstream.service(), ()));
    let failover = Failover::new([
        (standing.clone(), answering(|| Ok(()))),
        (
            Standing::new("berlin"),
            answering(|| Err(ClientError::Denied.into())),
        ),
    ]);
    sleep(EVERY).await;
    assert_eq!(failover.names(), ["berlin", "paris"]);
    // It is tried all the same, since nothing else is left.
    assert!(failover.clone().oneshot(()).await.is_ok());
    assert!(!standing.is_up());
    upstream.breaks(false);
    sleep(EVERY * 2).await;
    assert!(standing.is_up());
}

/// One that takes connections and then denies access is down for clients, whatever reaches it.
#[tokio::test(start_paused = true)]
async fn only_probes_that_vouch_forget_the_failure_of_a_request() {
    for vouches in [false, true] {
        let (standing, upstream) = (Standing::new("paris"), Upstream::default());
        let mut probes = Probes::new(EVERY).rise(1);
        if !vouches {
            probes = probes.reach_only();
        }
        tokio::spawn(probes.run(&standing, upstream.service(), ()));
        let denied = answering(|| Err(ClientError::Denied.into()));
        let failover = Failover::new([(standing.clone(), denied)]);
        for _ in 0..7 {
            assert!(failover.clone().oneshot(()).await.is_err());
        }
        assert!(!standing.is_up());
        sleep(EVERY * 2).await;
        assert_eq!(standing.is_up(), vouches);
    }
}

#[tokio::test(start_paused = true)]
async fn what_several_services_find_is_one_standing() {
    let paris = Standing::new("paris");
    let broken = || {
        BoxError::from(ClientError::Closed {
            step: Step::Greeting,
        })
    };
    let asked = Arc::new(AtomicUsize::new(0));
    let connect = Failover::new([(
        paris.clone(),
        service_fn(move |()| {
            let error = broken();
            async move { Err::<(), _>(error) }
        }),
    )]);
    let counted = Arc::clone(&asked);
    let udp = Failover::new([(
        paris.clone(),
        service_fn(move |()| {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Err::<(), BoxError>(ClientError::Refused(ReplyCode::NOT_ALLOWED).into()) }
        }),
    )]);
    assert!(connect.oneshot(()).await.is_err());
    assert!(!paris.is_up());
    // A refusal is an answer.
    assert!(udp.oneshot(()).await.is_err());
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert!(paris.is_up());
}

#[tokio::test(start_paused = true)]
async fn an_error_is_kept_in_part() {
    let standing = Standing::new("paris");
    let long = service_fn(|()| async { Err::<(), _>(BoxError::from("ü".repeat(1_000))) });
    tokio::spawn(Probes::new(EVERY).fall(0).run(&standing, long, ()));
    sleep(EVERY).await;
    assert_eq!(standing.outage().unwrap().1, "ü".repeat(128));
}
