//! M7: USERID is a claim. Nobody has to believe it, and it proves nothing.

use std::{future::pending, time::Duration};

use tower::{Layer, ServiceBuilder, service_fn};
use tower_socks::{
    AuthLayer, BoxError, Credentials, Identity, NoAuth, UserPass,
    error::{AuthError, Fault, Step},
    layer::{
        auth::{AcceptUserId, AuthenticateStated},
        limit::FailedLoginsLayer,
        socks4::Socks4Layer,
    },
    session::{Negotiation, Stated},
};

use crate::support::{Client, Script, exchange, stack, targets::targets, texts, within};

const GRANTED: &[u8] = b"\x00\x5a\x10\xe1\xc6\x33\x64\x07";
const REJECTED: &[u8] = b"\x00\x5b\0\0\0\0\0\0";

fn connect(user_id: &str) -> Vec<u8> {
    [
        b"\x04\x01\x00\x50\xc0\x00\x02\x01",
        user_id.as_bytes(),
        b"\0",
    ]
    .concat()
}

/// Knows joe, whose password is "secret".
fn joe() -> UserPass<
    impl tower::Service<Credentials, Response = Identity, Error = AuthError, Future: Send>
    + Clone
    + Send
    + Sync,
> {
    UserPass::new(service_fn(async |credentials: Credentials| {
        match (credentials.name(), credentials.password().as_bytes()) {
            (b"joe", b"secret") => Ok(Identity::named("joe")),
            _ => Err(AuthError::Denied),
        }
    }))
}

/// Accepts the claim to be the printer.
fn printer() -> AcceptUserId<impl Fn(&[u8]) -> Option<Identity> + Send + Sync + Clone> {
    AcceptUserId::new(|claim: &[u8]| {
        let known = claim == b"printer";
        known.then(|| Identity::named("printer").with_groups(["claimed"]))
    })
}

/// Under which name the request arrives, or where and why it does not.
async fn served(
    method: impl AuthenticateStated + 'static,
    user_id: &str,
) -> Result<Option<String>, (Step, Fault, String)> {
    let (dialer, mut dialled) = targets();
    let stack = Socks4Layer::new().layer(AuthLayer::new(method).layer(dialer));
    let mut client = Client::new(stack);
    client.io.say(&connect(user_id)).await;
    let mut reply = [0; 8];
    tokio::io::AsyncReadExt::read_exact(&mut client.io, &mut reply)
        .await
        .unwrap();
    if reply == GRANTED {
        let request = dialled.recv().await.unwrap().0;
        let name = request.identity.name();
        return Ok(name.map(|name| String::from_utf8(name.to_vec()).unwrap()));
    }
    assert_eq!(reply, REJECTED);
    client.io.hear_end().await;
    assert!(dialled.recv().await.is_none());
    let error = client.lingering_close().await.unwrap_err();
    Err((error.step(), error.fault(), texts(&error)))
}

#[tokio::test(start_paused = true)]
async fn m7_with_users_it_is_5b() {
    within(async {
        for claim in ["joe", "", "secret"] {
            let (step, fault, _) = served(joe(), claim).await.unwrap_err();
            assert_eq!((step, fault), (Step::Authentication, Fault::Client));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn m7_without_users_whatever_is_claimed_is_anonymous() {
    within(async {
        for claim in ["joe", "", "root"] {
            assert_eq!(served(NoAuth, claim).await, Ok(None));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn m7_a_policy_may_accept_a_claim() {
    within(async {
        let both = || (joe(), printer());
        assert_eq!(served(both(), "printer").await, Ok(Some("printer".into())));
        // The name of a user with a password is no more than another claim.
        let (step, fault, why) = served(both(), "joe").await.unwrap_err();
        assert_eq!((step, fault), (Step::Authentication, Fault::Refused));
        assert!(why.contains("joe"), "{why}");
        // Nothing is claimed: nothing is tried.
        let (_, fault, _) = served(both(), "").await.unwrap_err();
        assert_eq!(fault, Fault::Client);
        // A claim that nobody believes is not forgotten for the next method.
        assert!(served((printer(), NoAuth), "joe").await.is_err());
        assert_eq!(served((printer(), NoAuth), "").await, Ok(None));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn m7_an_empty_claim_can_be_accepted() {
    within(async {
        let anyone = AcceptUserId::new(|_: &[u8]| Some(Identity::named("somebody")));
        assert_eq!(served(anyone, "").await, Ok(Some("somebody".into())));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn m7_socks5_does_not_see_the_method() {
    within(async {
        let (dialer, _) = targets();
        // All methods that there are.
        let greeting: Vec<u8> = [5, 255].into_iter().chain(0..=254).collect();
        let heard = exchange(stack(printer(), dialer.clone()), &greeting).await;
        assert_eq!(heard, b"\x05\xff");
        let mut client = Client::new(stack((printer(), joe()), dialer));
        client.io.say(&greeting).await;
        client.io.hear(b"\x05\x02").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn m7_claims_that_are_refused_count_as_failed_logins() {
    within(async {
        let logins = FailedLoginsLayer::new();
        let (dialer, _dialled) = targets();
        let stack = ServiceBuilder::new()
            .layer(Socks4Layer::new())
            .layer(logins.clone())
            .layer(AuthLayer::new((joe(), printer())))
            .service(dialer);
        let attempt = async |claim: &str| {
            let started = tokio::time::Instant::now();
            let heard = exchange(stack.clone(), &connect(claim)).await;
            (heard, started.elapsed())
        };
        let (mut slowest, mut heard) = (Duration::ZERO, Vec::new());
        for guess in 0..12 {
            let (said, took) = attempt(&format!("guess{guess}")).await;
            assert_eq!(said, REJECTED);
            slowest = slowest.max(took);
            heard = said;
        }
        assert_eq!(heard, REJECTED);
        assert!(slowest >= Duration::from_secs(1), "{slowest:?}");
    })
    .await;
}

/// A method that never knows.
struct Hangs;

impl AuthenticateStated for Hangs {
    async fn authenticate_stated(&self, _: &Negotiation<Stated>) -> Result<Identity, BoxError> {
        pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn m7_authentication_is_within_the_deadline_and_the_client_hears_of_it() {
    within(async {
        let started = tokio::time::Instant::now();
        let (step, ..) = served(Hangs, "joe").await.unwrap_err();
        assert_eq!(step, Step::Authentication);
        assert_eq!(started.elapsed().as_secs(), 10);
    })
    .await;
}
