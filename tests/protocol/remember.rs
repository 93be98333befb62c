//! What a verifier has said is remembered for a while, and asked once at a time.

use std::{
    error::Error,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};

use tokio::{task::JoinSet, time::advance};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_socks::{
    Credentials, Identity, Refusal, UserPass,
    error::{AuthError, Fault},
    layer::auth::remember::{Remember, RememberLayer, ResponseFuture},
};
use tower_test::mock::{self, Handle, Mock};

use crate::support::{Client, Script, stack, targets::targets, within};

type Asked = Handle<Credentials, Identity>;

struct Stack {
    layer: RememberLayer,
    verifier: Remember<Mock<Credentials, Identity>>,
    asked: Asked,
}

fn remembered_by(layer: RememberLayer) -> Stack {
    let (verifier, asked) = mock::pair();
    Stack {
        verifier: layer.layer(verifier),
        layer,
        asked,
    }
}

fn remembered() -> Stack {
    remembered_by(RememberLayer::new().unwrap())
}

fn credentials(name: &str, password: &str) -> Credentials {
    Credentials::new(name, password).unwrap()
}

impl Stack {
    fn ask(&self, name: &str, password: &str) -> task::Spawn<ResponseFuture> {
        self.ask_with(credentials(name, password))
    }

    fn ask_with(&self, credentials: Credentials) -> task::Spawn<ResponseFuture> {
        let mut verifier = self.verifier.clone();
        task::spawn(tower::Service::call(&mut verifier, credentials))
    }

    /// Logs in, where that takes no question.
    fn knows(&self, name: &str, password: &str) -> Result<Identity, BoxError> {
        assert_ready!(self.ask(name, password).poll(), "{name} is verified again")
    }

    /// Logs in, where the verifier is asked, and says this.
    async fn verified(
        &mut self,
        name: &str,
        password: &str,
        verdict: Result<Identity, AuthError>,
    ) -> Result<Identity, BoxError> {
        let mut login = self.ask(name, password);
        assert_pending!(login.poll(), "{name} is known");
        self.says(name, password, verdict).await;
        login.await
    }

    async fn says(&mut self, name: &str, password: &str, verdict: Result<Identity, AuthError>) {
        let (asked, answer) = self.asked.next_request().await.unwrap();
        assert_eq!(asked.name(), name.as_bytes());
        assert_eq!(asked.password().as_bytes(), password.as_bytes());
        match verdict {
            Ok(identity) => answer.send_response(identity),
            Err(error) => answer.send_error(error),
        }
    }

    fn asks_nothing(&mut self) {
        let mut next = task::spawn(self.asked.next_request());
        assert_pending!(next.poll(), "one more was asked");
    }
}

fn find<E: Error + 'static>(error: &BoxError) -> Option<&E> {
    std::iter::successors(Some(&**error as &(dyn Error + 'static)), |error| {
        (*error).source()
    })
    .find_map(|error| error.downcast_ref())
}

fn is_denied(verified: &Result<Identity, BoxError>) -> bool {
    let error = verified.as_ref().unwrap_err();
    matches!(find(error), Some(AuthError::Denied))
}

fn joe() -> Identity {
    Identity::named("joe").with_groups(["staff"])
}

#[tokio::test(start_paused = true)]
async fn a_right_password_is_right_for_a_minute_and_is_verified_again_then() {
    // No time limit: this takes a minute, of paused time.
    let mut stack = remembered();
    stack.verified("joe", "secret", Ok(joe())).await.unwrap();
    for _ in 0..30 {
        let identity = stack.knows("joe", "secret").unwrap();
        assert_eq!(identity.to_string(), "joe");
        assert_eq!(&*identity.groups()[0], "staff");
    }
    // That somebody comes back does not make it longer.
    advance(Duration::from_millis(59_999)).await;
    stack.knows("joe", "secret").unwrap();
    advance(Duration::from_millis(1)).await;
    let denied = stack
        .verified("joe", "secret", Err(AuthError::Denied))
        .await;
    assert!(is_denied(&denied));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_wrong_for_five_seconds() {
    within(async {
        let mut stack = remembered();
        let denied = stack.verified("joe", "wrong", Err(AuthError::Denied)).await;
        assert!(is_denied(&denied));
        advance(Duration::from_millis(4_999)).await;
        assert!(is_denied(&stack.knows("joe", "wrong")));
        advance(Duration::from_millis(1)).await;
        stack.verified("joe", "wrong", Ok(joe())).await.unwrap();
        stack.knows("joe", "wrong").unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn another_password_or_name_is_another_question() {
    within(async {
        let mut stack = remembered();
        stack.verified("joe", "secret", Ok(joe())).await.unwrap();
        // Octets that change sides among them.
        let others = [
            ("joe", "Secret"),
            ("joe", "secre"),
            ("joe", "secret\0"),
            ("joes", "ecret"),
            ("jo", "esecret"),
            ("Joe", "secret"),
            ("", "joesecret"),
            ("joe", ""),
        ];
        for (name, password) in others {
            let denied = stack.verified(name, password, Err(AuthError::Denied)).await;
            assert!(is_denied(&denied), "{name} {password}");
        }
        stack.knows("joe", "secret").unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_at_once_are_verified_once() {
    within(async {
        let mut stack = remembered();
        let mut logins = JoinSet::new();
        for _ in 0..100 {
            logins.spawn(stack.verifier.clone().oneshot(credentials("joe", "secret")));
        }
        stack.says("joe", "secret", Ok(joe())).await;
        while let Some(login) = logins.join_next().await {
            assert_eq!(login.unwrap().unwrap().to_string(), "joe");
        }
        stack.asks_nothing();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_asked_first_may_go_and_the_others_get_its_answer() {
    within(async {
        for goes in 0..3 {
            let mut stack = remembered();
            let mut logins: Vec<_> = (0..3).map(|_| stack.ask("joe", "secret")).collect();
            for login in &mut logins {
                assert_pending!(login.poll());
            }
            drop(logins.remove(goes));
            stack.says("joe", "secret", Ok(joe())).await;
            assert!(logins.iter().any(task::Spawn::is_woken));
            for login in logins {
                login.await.unwrap();
            }
            stack.asks_nothing();
        }
    })
    .await;
}

/// Tells that it was dropped.
struct Held(Arc<AtomicUsize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn once_all_have_gone_the_question_is_dropped_and_asked_anew() {
    within(async {
        let asked = Arc::new(AtomicUsize::new(0));
        let open = Arc::clone(&asked);
        let verifier = service_fn(move |_: Credentials| {
            open.fetch_add(1, SeqCst);
            let held = Held(Arc::clone(&open));
            async move {
                std::future::pending::<()>().await;
                drop(held);
                Ok::<_, BoxError>(joe())
            }
        });
        let verifier = RememberLayer::new().unwrap().layer(verifier);
        for _ in 0..2 {
            let mut logins: Vec<_> = (0..3)
                .map(|_| task::spawn(verifier.clone().oneshot(credentials("joe", "secret"))))
                .collect();
            for login in &mut logins {
                assert_pending!(login.poll());
            }
            for login in logins.drain(..2) {
                drop(login);
                assert_eq!(asked.load(SeqCst), 1);
            }
            drop(logins);
            assert_eq!(asked.load(SeqCst), 0);
        }
        // One that was never polled has asked nothing.
        drop(verifier.clone().oneshot(credentials("joe", "secret")));
        assert_eq!(asked.load(SeqCst), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_for_those_who_wait_and_is_not_remembered() {
    within(async {
        let mut stack = remembered();
        let mut logins: Vec<_> = (0..3).map(|_| stack.ask("joe", "secret")).collect();
        for login in &mut logins {
            assert_pending!(login.poll());
        }
        let away = std::io::Error::other("the directory is away");
        let away = AuthError::Verifier(away.into());
        stack.says("joe", "secret", Err(away)).await;
        for login in logins {
            let error = login.await.unwrap_err();
            assert!(matches!(find(&error), Some(AuthError::Verifier(_))));
            let cause = find::<std::io::Error>(&error).unwrap();
            assert_eq!(cause.to_string(), "the directory is away");
        }
        assert!(stack.layer.is_empty());
        stack.verified("joe", "secret", Ok(joe())).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_the_servers_fault_and_no_wrong_password() {
    within(async {
        let (verifier, mut asked) = mock::pair::<Credentials, Identity>();
        let verifier = RememberLayer::new().unwrap().layer(verifier);
        let (dialer, _) = targets();
        let mut client = Client::new(stack(UserPass::new(verifier), dialer));
        client.io.say(b"\x05\x01\x02\x01\x03joe\x06secret").await;
        let (_, answer) = asked.next_request().await.unwrap();
        answer.send_error(BoxError::from("the directory is away"));
        assert_eq!(client.io.hear_rest().await, b"\x05\x02\x01\x01");
        let error = client.lingering_close().await.unwrap_err();
        assert_eq!(error.fault(), Fault::Server);
        let text = format!("{error}: {}", error.source().unwrap());
        assert!(!text.contains("wrong"), "{text}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_for_all_who_wait() {
    within(async {
        let verifier = service_fn(async |_: Credentials| -> Result<Identity, BoxError> {
            tokio::task::yield_now().await;
            panic!("a mistake in the verifier")
        });
        let verifier = RememberLayer::new().unwrap().layer(verifier);
        let mut logins = JoinSet::new();
        for _ in 0..3 {
            logins.spawn(verifier.clone().oneshot(credentials("joe", "secret")));
        }
        while let Some(login) = logins.join_next().await {
            let error = login.unwrap().unwrap_err();
            assert!(matches!(find(&error), Some(AuthError::Verifier(_))));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_for_who_asked_and_the_others_ask_for_themselves() {
    within(async {
        let mut stack = remembered();
        let peers: [SocketAddr; 3] = [1, 2, 3].map(|n| ([192, 0, 2, n], 1).into());
        let mut logins = Vec::new();
        for peer in peers {
            let mut login = stack.ask_with(credentials("joe", "secret").with_peer(peer));
            assert_pending!(login.poll());
            logins.push(login);
        }
        let mut logins = logins.into_iter();
        let mut first = logins.next().unwrap();
        let (asked, answer) = stack.asked.next_request().await.unwrap();
        assert_eq!(asked.peer(), peers[0]);
        answer.send_error(Refusal::not_allowed("too many verifications wait"));
        let error = assert_ready!(first.poll()).unwrap_err();
        assert!(find::<Refusal>(&error).is_some());
        assert!(find::<AuthError>(&error).is_none());

        let mut others: Vec<_> = logins.collect();
        for login in &mut others {
            assert!(login.is_woken());
            assert_pending!(login.poll());
        }
        let (asked, answer) = stack.asked.next_request().await.unwrap();
        assert_eq!(asked.peer(), peers[1]);
        answer.send_response(joe());
        for login in others {
            login.await.unwrap();
        }
        stack.asks_nothing();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_is_verified_again_at_once() {
    within(async {
        let mut stack = remembered();
        for forgets in [
            |layer: &RememberLayer| layer.forget("joe"),
            |layer: &RememberLayer| {
                layer.clear();
            },
        ] {
            stack.verified("joe", "secret", Ok(joe())).await.unwrap();
            let denied = stack.verified("joe", "new", Err(AuthError::Denied)).await;
            assert!(is_denied(&denied));
            // The password is changed.
            forgets(&stack.layer);
            let denied = stack
                .verified("joe", "secret", Err(AuthError::Denied))
                .await;
            assert!(is_denied(&denied));
            stack.verified("joe", "new", Ok(joe())).await.unwrap();
            stack.layer.clear();
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_while_it_is_verified_is_not_remembered() {
    within(async {
        let mut stack = remembered();
        for forgets in [
            |layer: &RememberLayer| layer.forget("joe"),
            |layer: &RememberLayer| {
                layer.clear();
            },
        ] {
            let mut before = stack.ask("joe", "secret");
            assert_pending!(before.poll());
            let (_, old) = stack.asked.next_request().await.unwrap();
            forgets(&stack.layer);
            // Who comes now does not get the answer of before.
            let mut after = stack.ask("joe", "secret");
            assert_pending!(after.poll());
            old.send_response(joe());
            before.await.unwrap();
            assert_pending!(after.poll());
            stack.says("joe", "secret", Err(AuthError::Denied)).await;
            assert!(is_denied(&after.await));
            assert!(is_denied(&stack.knows("joe", "secret")));
            stack.layer.clear();
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn others_are_not_forgotten_with_a_name() {
    within(async {
        let mut stack = remembered();
        for name in ["joe", "jo", "jane"] {
            let identity = Identity::named(name);
            stack.verified(name, "secret", Ok(identity)).await.unwrap();
        }
        stack.layer.forget("joe");
        stack.layer.forget("nobody");
        stack.knows("jo", "secret").unwrap();
        stack.knows("jane", "secret").unwrap();
        assert_eq!(stack.layer.len(), 2);
        assert_pending!(stack.ask("joe", "secret").poll());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn so_many_are_remembered_and_wrong_ones_do_not_displace_right_ones() {
    within(async {
        let mut stack = remembered_by(RememberLayer::new().unwrap().most(3));
        for name in ["a", "b", "c", "d"] {
            let identity = Identity::named(name);
            stack.verified(name, "secret", Ok(identity)).await.unwrap();
        }
        for guess in 0..50 {
            let guess = guess.to_string();
            let denied = stack.verified("b", &guess, Err(AuthError::Denied)).await;
            assert!(is_denied(&denied));
            assert!(stack.layer.len() <= 6);
        }
        for name in ["b", "c", "d"] {
            stack.knows(name, "secret").unwrap();
        }
        assert_pending!(stack.ask("a", "secret").poll());
        // What comes and is forgotten takes no room for good.
        let mut stack = remembered_by(RememberLayer::new().unwrap().most(3));
        for _ in 0..50 {
            stack.verified("a", "secret", Ok(joe())).await.unwrap();
            stack.layer.forget("a");
        }
        for name in ["b", "c", "d"] {
            stack.verified(name, "secret", Ok(joe())).await.unwrap();
        }
        for name in ["b", "c", "d"] {
            stack.knows(name, "secret").unwrap();
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn identities_are_given_back_as_they_expire() {
    within(async {
        let layer = RememberLayer::new().unwrap();
        let mut stack = remembered_by(layer.right_for(Duration::from_secs(10)));
        let held = Arc::new(());
        for n in 0..100 {
            let mut identity = joe();
            identity.extensions_mut().insert(Arc::clone(&held));
            let name = n.to_string();
            stack.verified(&name, "secret", Ok(identity)).await.unwrap();
        }
        assert_eq!(stack.layer.len(), 100);
        assert_eq!(Arc::strong_count(&held), 101);
        advance(Duration::from_secs(10)).await;
        // By the next login, or by who asks.
        assert_pending!(stack.ask("jane", "secret").poll());
        assert_eq!(Arc::strong_count(&held), 1);
        assert_eq!(stack.layer.len(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_was_said_for_one_key_holds_for_no_other() {
    within(async {
        let layer = RememberLayer::new().unwrap();
        let mut stack = remembered_by(
            layer.key_by(|credentials| credentials.peer().ip().to_string().into_bytes()),
        );
        let from = |n, port| {
            let peer = SocketAddr::from(([192, 0, 2, n], port));
            credentials("joe", "secret").with_peer(peer)
        };
        let mut office = stack.ask_with(from(1, 1));
        let mut home = stack.ask_with(from(2, 1));
        assert_pending!(office.poll());
        assert_pending!(home.poll());
        stack.says("joe", "secret", Ok(joe())).await;
        stack.says("joe", "secret", Err(AuthError::Denied)).await;
        office.await.unwrap();
        assert!(is_denied(&home.await));
        assert!(assert_ready!(stack.ask_with(from(1, 2)).poll()).is_ok());
        assert!(is_denied(&assert_ready!(stack.ask_with(from(2, 2)).poll())));
        // All of them are of the name.
        stack.layer.forget("joe");
        assert!(stack.layer.is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_remembered_for_no_time() {
    within(async {
        let layer = RememberLayer::new().unwrap();
        let layer = layer.right_for(Duration::ZERO).wrong_for(Duration::ZERO);
        let mut stack = remembered_by(layer);
        for _ in 0..2 {
            stack.verified("joe", "secret", Ok(joe())).await.unwrap();
            let denied = stack.verified("joe", "wrong", Err(AuthError::Denied)).await;
            assert!(is_denied(&denied));
        }
        assert!(stack.layer.is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_verifier_that_is_not_ready_stops_nobody_who_is_known() {
    within(async {
        let mut stack = remembered();
        stack.verified("joe", "secret", Ok(joe())).await.unwrap();
        stack.asked.allow(0);
        let mut verifier = stack.verifier.clone();
        let ready = task::spawn(std::future::poll_fn(|cx| {
            tower::Service::<Credentials>::poll_ready(&mut verifier, cx)
        }))
        .poll();
        assert!(matches!(ready, Poll::Ready(Ok(()))));
        stack.knows("joe", "secret").unwrap();
        let mut jane = stack.ask("jane", "secret");
        assert_pending!(jane.poll());
        stack.asks_nothing();
        stack.asked.allow(1);
        assert!(jane.is_woken());
        assert_pending!(jane.poll());
        let identity = Identity::named("jane");
        stack.says("jane", "secret", Ok(identity)).await;
        jane.await.unwrap();
    })
    .await;
}

#[test]
fn nothing_of_it_is_shown() {
    let layer = RememberLayer::new().unwrap();
    let verifier = layer.layer(service_fn(async |_: Credentials| Ok::<_, BoxError>(joe())));
    let mut login = task::spawn(verifier.clone().oneshot(credentials("joe", "secret")));
    assert!(assert_ready!(login.poll()).is_ok());
    let shown = format!("{layer:?} {verifier:?} {login:?}");
    assert!(shown.contains("RememberLayer"), "{shown}");
    for secret in ["joe", "secret", "Key", "staff"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn other_times_hold_for_what_is_remembered_already() {
    let mut stack = remembered();
    stack.verified("joe", "secret", Ok(joe())).await.unwrap();
    let wrong = stack.verified("joe", "x", Err(AuthError::Denied)).await;
    assert!(is_denied(&wrong));
    advance(Duration::from_secs(4)).await;
    let second = Duration::from_secs(1);
    let other = RememberLayer::new().unwrap().right_for(300 * second);
    stack.layer.set_like(&other.wrong_for(second));
    // The wrong one is too old by now.
    assert_eq!(stack.layer.len(), 1);
    advance(200 * second).await;
    stack.knows("joe", "secret").unwrap();
    let other = RememberLayer::new().unwrap().right_for(Duration::ZERO);
    stack.layer.set_like(&other);
    assert!(stack.layer.is_empty());
    stack.verified("joe", "secret", Ok(joe())).await.unwrap();
    assert!(stack.layer.is_empty());
}
