//! `Failover` and `Health`: who is asked, when, and what the log says.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, advance, timeout};
use tower::{
    Service, ServiceExt,
    balance::p2c::Balance,
    buffer::Buffer,
    discover::ServiceList,
    load::{CompleteOnResponse, PendingRequests},
    service_fn,
};
use tower_socks::{
    BoxError, ClientError,
    connector::failover::{Classify, Failover, FailureClass, Health},
    error::{Step, reply_code},
    proto::ReplyCode,
};

use crate::support::within;

/// What an alternative says at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Works,
    Broken,
    TargetRefuses,
    BreaksOff,
}

#[derive(Clone, Debug)]
struct Alternative {
    mood: Arc<Mutex<Mood>>,
    asked: Arc<AtomicUsize>,
}

impl Alternative {
    fn new(mood: Mood) -> Self {
        Self {
            mood: Arc::new(Mutex::new(mood)),
            asked: Arc::default(),
        }
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn service(
        &self,
        name: &'static str,
    ) -> impl Service<(), Response = &'static str, Error = BoxError, Future: Send> + Clone + Send + use<>
    {
        let alternative = self.clone();
        service_fn(move |()| {
            alternative.asked.fetch_add(1, Ordering::Relaxed);
            let mood = *alternative.mood.lock().unwrap();
            async move {
                match mood {
                    Mood::Works => Ok(name),
                    Mood::Broken => Err(BoxError::from(ClientError::Closed {
                        step: Step::Greeting,
                    })),
                    Mood::BreaksOff => Err(BoxError::from(ClientError::Closed {
                        step: Step::Request,
                    })),
                    Mood::TargetRefuses => {
                        Err(ClientError::Refused(ReplyCode::CONNECTION_REFUSED).into())
                    }
                }
            }
        })
    }
}

fn two(first: Mood, second: Mood) -> [Alternative; 2] {
    [Alternative::new(first), Alternative::new(second)]
}

fn failover(
    alternatives: &[Alternative; 2],
) -> Failover<tower::util::BoxCloneService<(), &'static str, BoxError>> {
    let boxed = |alternative: &Alternative, name| {
        tower::util::BoxCloneService::new(alternative.service(name))
    };
    Failover::new([
        ("first", boxed(&alternatives[0], "first")),
        ("second", boxed(&alternatives[1], "second")),
    ])
}

#[tokio::test(start_paused = true)]
async fn the_first_alternative_that_works_is_taken() {
    let alternatives = two(Mood::Works, Mood::Works);
    let failover = failover(&alternatives);
    for _ in 0..3 {
        assert_eq!(failover.clone().oneshot(()).await.unwrap(), "first");
    }
    assert_eq!(alternatives[1].asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_alternative_that_is_down_is_left_alone_and_tried_again() {
    let alternatives = two(Mood::Broken, Mood::Works);
    let failover = failover(&alternatives);
    assert_eq!(failover.clone().oneshot(()).await.unwrap(), "second");
    assert_eq!(failover.names(), ["second", "first"]);
    // Clones know of it too.
    assert_eq!(failover.clone().oneshot(()).await.unwrap(), "second");
    assert_eq!(alternatives[0].asked(), 1);

    // A second later it has another chance, two seconds after that the next, and so on to a minute.
    for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
        advance(Duration::from_millis(pause * 1000 - 1)).await;
        let before = alternatives[0].asked();
        assert_eq!(failover.clone().oneshot(()).await.unwrap(), "second");
        assert_eq!(alternatives[0].asked(), before, "too early after {pause} s");
        advance(Duration::from_millis(1)).await;
        assert_eq!(failover.clone().oneshot(()).await.unwrap(), "second");
        assert_eq!(
            alternatives[0].asked(),
            before + 1,
            "not tried after {pause} s"
        );
    }

    alternatives[0].set(Mood::Works);
    advance(Duration::from_secs(60)).await;
    assert_eq!(failover.clone().oneshot(()).await.unwrap(), "first");
    assert_eq!(failover.names(), ["first", "second"]);
}

#[tokio::test(start_paused = true)]
async fn with_nothing_else_left_the_alternatives_that_are_down_are_tried() {
    let alternatives = two(Mood::Broken, Mood::Broken);
    let failover = failover(&alternatives);
    let error = failover.clone().oneshot(()).await.unwrap_err();
    assert!(matches!(
        error.downcast_ref(),
        Some(ClientError::Closed { .. })
    ));
    alternatives[1].set(Mood::Works);
    assert_eq!(failover.clone().oneshot(()).await.unwrap(), "second");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_refuses_is_no_reason_to_try_another_alternative() {
    let alternatives = two(Mood::TargetRefuses, Mood::Works);
    let failover = failover(&alternatives);
    let error = failover.clone().oneshot(()).await.unwrap_err();
    assert_eq!(reply_code(&*error), ReplyCode::CONNECTION_REFUSED);
    assert_eq!(alternatives[1].asked(), 0);
    assert_eq!(failover.names(), ["first", "second"]);

    // Unless somebody sees it otherwise.
    let failover = failover.classify(Classify::new(|_| FailureClass::Alternative));
    assert_eq!(failover.oneshot(()).await.unwrap(), "second");
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_will_not_do_one_thing_is_not_down() {
    let alternatives = two(Mood::BreaksOff, Mood::Works);
    let failover = failover(&alternatives);
    for asked in 1..4 {
        assert_eq!(failover.clone().oneshot(()).await.unwrap(), "second");
        assert_eq!(failover.names(), ["first", "second"]);
        assert_eq!(alternatives[0].asked(), asked);
    }
}

#[tokio::test(start_paused = true)]
async fn no_alternatives_at_all_are_an_error() {
    let none: [(&str, tower::util::BoxCloneService<(), (), BoxError>); 0] = [];
    assert!(Failover::new(none).oneshot(()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_alternative_that_is_down_is_not_ready() {
    let alternative = Alternative::new(Mood::Broken);
    let mut health = Health::new("alternative", alternative.service("alternative"));
    assert!(health.ready().await.unwrap().call(()).await.is_err());
    assert!(!health.is_up());
    let started = Instant::now();
    alternative.set(Mood::Works);
    assert_eq!(
        health.ready().await.unwrap().call(()).await.unwrap(),
        "alternative"
    );
    assert_eq!(started.elapsed(), Duration::from_secs(1));
    assert!(health.is_up());
    health.ready().await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn one_request_at_a_time_tries_an_alternative_that_was_down() {
    let alternative = Alternative::new(Mood::Broken);
    let health = Health::new("alternative", alternative.service("alternative"));
    health.clone().oneshot(()).await.unwrap_err();
    advance(Duration::from_secs(1)).await;
    let (mut one, mut other) = (health.clone(), health.clone());
    let trying = one.ready().await.unwrap().call(());
    assert!(!other.is_up());
    assert!(
        timeout(Duration::from_millis(900), other.ready())
            .await
            .is_err()
    );
    alternative.set(Mood::Works);
    // The other one's mood was asked when it was called.
    trying.await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn towers_balancer_leaves_an_alternative_alone_that_is_down() {
    within(async {
        let alternatives = two(Mood::Broken, Mood::Works);
        let names = ["first", "second"];
        let services = alternatives.iter().zip(names).map(|(alternative, name)| {
            let service = tower::util::BoxCloneService::new(alternative.service(name));
            PendingRequests::new(Health::new(name, service), CompleteOnResponse::default())
        });
        let services: Vec<_> = services.collect();
        let balance = Buffer::new(Balance::new(ServiceList::new::<()>(services)), 16);
        let mut failures = 0;
        for _ in 0..40 {
            match balance.clone().oneshot(()).await {
                Ok(name) => assert_eq!(name, "second"),
                Err(_) => failures += 1,
            }
        }
        assert!(failures <= 1, "{failures}");

        alternatives[0].set(Mood::Works);
        advance(Duration::from_secs(1)).await;
        for _ in 0..40 {
            balance.clone().oneshot(()).await.unwrap();
        }
        assert!(alternatives[0].asked() > 5, "{}", alternatives[0].asked());
    })
    .await;
}
