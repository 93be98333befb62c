//! A whole session: handshake, authentication, rules, a dial and a relay, between a client and a
//! target that say anything, in any pieces, when they like, and end or break off wherever they like.
//!
//! The first octet of an input has the methods and how the dial goes, the second the rules; the rest
//! are the steps of the client's stream and of the target's, as `script.rs` has them.

mod expected;
mod terms;

use std::{
    error::Error,
    future::{pending, poll_fn},
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Builder,
    time::{Instant, sleep, timeout},
};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_socks::{
    AclLayer, AuthLayer, BoxError, HandshakeLayer, NoAuth, Refusal, Request, Traffic, UserPass,
    Users,
    io::PrefixedStream,
    layer::auth::Authenticate,
    proto::{Command, ReplyCode},
    relay::{Relay, RelayError},
    session::{Accepted, Connected},
};

use self::{
    expected::Expected,
    terms::{DIAL, Dial, IDLE, LINGER, LOGIN, Login, Terms, address_of},
};
use crate::{
    script::{Input, Read, Script, Write},
    stream::{Book, Scripted},
};

const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 5)), 50_000);
const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)), 1080);

/// For greeting, authentication and request.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// For a reply to leave, and then for the client to close.
const REPLY: Duration = Duration::from_secs(5);
const CLOSE: Duration = Duration::from_secs(2);

/// Timers are exact to a millisecond, and there are a few in a row.
const SLACK: Duration = Duration::from_millis(100);

/// A session from the first octet to the last.
pub fn session(data: &[u8]) {
    let mut input = Input::new(data);
    let terms = Terms::read(&mut input);
    let mut scripts = [Script::default(), Script::default()];
    Script::read(&mut input, &mut scripts);
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets");
    runtime.block_on(async {
        let users = || -> UserPass<Users> { UserPass::new([LOGIN].into_iter().collect()) };
        match terms.login {
            Login::None => hold(NoAuth, &terms, scripts).await,
            Login::Password => hold(users(), &terms, scripts).await,
            Login::PasswordFirst => hold((users(), NoAuth), &terms, scripts).await,
            Login::NoneFirst => hold((NoAuth, users()), &terms, scripts).await,
        }
    });
}

/// Holds the session, and looks at what has come of it.
async fn hold<A>(authenticate: A, terms: &Terms, scripts: [Script; 2])
where
    A: Authenticate<PrefixedStream<Scripted>> + Clone + 'static,
{
    let expected = Expected::of(&scripts[0].said(), terms);
    let case = Case::of(&scripts);
    let [client, target] = scripts;
    let (client, client_book) = Scripted::new(client);
    let (target, target_book) = Scripted::new(target);
    // R12: the whole reply is out before the target hears anything.
    let (heard, answers) = (client_book.clone(), expected.answers.clone());
    let target = target.witnessed(move |_| {
        assert!(
            heard.open().written.starts_with(&answers),
            "relayed before the reply"
        );
    });

    let started = Instant::now();
    let dialled = Arc::new(Mutex::new(None));
    let dial = {
        let (dial, bound) = (terms.dial, terms.bound.clone());
        let target = Arc::new(Mutex::new(Some(target)));
        let dialled = Arc::clone(&dialled);
        service_fn(move |request: Request| {
            *lock(&dialled) = Some(started.elapsed());
            let target = lock(&target).take();
            let bound = bound.clone();
            async move {
                if request.command != Command::CONNECT {
                    let code = ReplyCode::COMMAND_NOT_SUPPORTED;
                    return Err(Refusal::new(code, "not here").into());
                }
                request.approve(address_of(&request.target))?;
                match dial {
                    Dial::Succeeds(after) => sleep(after).await,
                    Dial::Hangs => pending().await,
                    Dial::Fails(ReplyCode::CONNECTION_REFUSED) => {
                        return Err(io::Error::from(io::ErrorKind::ConnectionRefused).into());
                    }
                    Dial::Fails(code) => return Err(Refusal::new(code, "a number").into()),
                }
                let target = target.ok_or("dialled twice")?;
                let relay = Relay::new().idle_timeout(IDLE).half_close_timeout(LINGER);
                Ok::<_, BoxError>(Connected::new(target, bound).with_relay(relay))
            }
        })
    };
    let stack = ServiceBuilder::new()
        .layer(HandshakeLayer::new().deadline(HANDSHAKE))
        .layer(AuthLayer::new(authenticate))
        .timeout(DIAL)
        .layer(AclLayer::new(terms.rules()))
        .service(dial);

    let outcome = {
        let session = bounded_polls(
            stack.oneshot(Accepted::new(client, PEER, LOCAL)),
            case.steps,
        );
        // One after the other, and each at its longest. A tunnel is idle from the last octet on.
        let most = HANDSHAKE + DIAL + REPLY + CLOSE + case.stalls + IDLE + 2 * CLOSE + SLACK;
        timeout(most, session)
            .await
            .expect("a session that does not end")
    };
    assert!(client_book.open().dropped && target_book.open().dropped);
    let dialled = *lock(&dialled);
    assert!(dialled.is_none_or(|at| at <= HANDSHAKE), "{dialled:?}");
    if dialled.is_none() {
        assert!(started.elapsed() <= HANDSHAKE + REPLY + CLOSE + SLACK);
    }
    Ended {
        expected,
        case,
        client: client_book,
        target: target_book,
        outcome,
    }
    .check();
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same future, which makes progress whenever it wants to be polled.
async fn bounded_polls<F: Future>(future: F, steps: usize) -> F::Output {
    let mut future = pin!(future);
    let mut polls = 0;
    poll_fn(move |cx| {
        polls += 1;
        assert!(polls <= 10_000 + 10 * steps, "polled for nothing");
        future.as_mut().poll(cx)
    })
    .await
}

/// What is known of the two scripts beforehand.
#[derive(Debug)]
struct Case {
    steps: usize,
    stalls: Duration,
    client_said: Vec<u8>,
    target_said: Vec<u8>,
    /// Nothing breaks off.
    client_is_sound: bool,
    target_is_sound: bool,
    both_end: bool,
}

impl Case {
    fn of(scripts: &[Script; 2]) -> Self {
        let [client, target] = scripts;
        let is_sound = |script: &Script| {
            let writes = script.writes.iter().chain(&script.closes);
            let mut reads = script.reads.iter();
            !writes
                .into_iter()
                .any(|step| matches!(step, Write::Fails(_)))
                && !reads.any(|step| matches!(step, Read::Fails(_)))
        };
        let ends = |script: &Script| script.reads.contains(&Read::Ends);
        Self {
            steps: client.len() + target.len(),
            stalls: client.stalls() + target.stalls(),
            client_said: client.said(),
            target_said: target.said(),
            client_is_sound: is_sound(client),
            target_is_sound: is_sound(target),
            both_end: ends(client) && ends(target),
        }
    }
}

/// A session that is over.
struct Ended {
    expected: Expected,
    case: Case,
    client: Book,
    target: Book,
    outcome: Result<Traffic, BoxError>,
}

impl Ended {
    fn check(self) {
        let Self {
            expected,
            case,
            client,
            target,
            outcome,
        } = self;
        let (client, target) = (client.open(), target.open());
        let answers = expected.answers.len().min(client.written.len());
        let (answered, relayed) = client.written.split_at(answers);
        assert!(
            expected.answers.starts_with(answered),
            "{answered:02x?} of {expected:02x?}"
        );

        // What was relayed is what was said, as far as it went.
        assert!(
            case.target_said.starts_with(relayed),
            "something else came back"
        );
        let early = &case.client_said[expected.relayed_from.unwrap_or(case.client_said.len())..];
        assert!(early.starts_with(&target.written), "something else went on");
        if expected.relayed_from.is_none() || answered.len() < expected.answers.len() {
            assert!(relayed.is_empty() && target.written.is_empty());
        }
        let traffic = match &outcome {
            Ok(traffic) => Some(*traffic),
            Err(error) => find_traffic(&**error),
        };
        if let Some(traffic) = traffic {
            assert_eq!(traffic.up, target.written.len() as u64);
            assert_eq!(traffic.down, relayed.len() as u64);
        } else {
            assert!(relayed.is_empty() && target.written.is_empty());
        }

        // Between those who are in no hurry and break nothing, nothing is missing.
        let is_prompt = case.stalls < CLOSE;
        if case.client_is_sound && is_prompt {
            assert_eq!(answered, expected.answers);
            assert!(!expected.refused || client.shut_down);
        }
        let relays = expected.relayed_from.is_some();
        if relays && case.client_is_sound && case.target_is_sound && is_prompt {
            assert_eq!(relayed, case.target_said);
            assert_eq!(target.written, early);
            assert_eq!(outcome.is_ok(), case.both_end, "{outcome:?}");
        }
        if outcome.is_ok() {
            assert!(client.ended && target.ended && client.shut_down && target.shut_down);
        }
    }
}

/// What had been moved when a tunnel broke off.
fn find_traffic(error: &(dyn Error + 'static)) -> Option<Traffic> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && let Some(error) = error.get_ref()?.downcast_ref::<RelayError>()
        {
            return Some(error.traffic());
        }
        next = error.source();
    }
    None
}
