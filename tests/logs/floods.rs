//! What strangers, a dead upstream or our own want of something can write to the log.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::advance,
};
use tower::{Service, ServiceExt, service_fn};
use tower_socks::{
    BoxError, Connector, Credentials, Identity, NoAuth, Refusal, UserPass,
    connector::{Unsupported, upstream::Socks5Upstream},
    error::AuthError,
    layer::handshake::Handshake,
    proto::Address,
    session::{Accepted, Connected},
};
use tracing::Level;

use crate::support::{
    CONNECT, HELLO,
    canned::{Canned, Then},
    log::Log,
    stack,
    targets::failing,
};

/// A client from this address says all of `said`, and waits for the end.
async fn client<M>(stack: &Handshake<M>, peer: &str, said: &[u8])
where
    Handshake<M>: Service<Accepted<tokio::io::DuplexStream>, Error = BoxError> + Clone,
{
    let peer: SocketAddr = peer.parse().unwrap();
    let (mut near, far) = tokio::io::duplex(1024);
    near.write_all(said).await.unwrap();
    let hear = async {
        _ = near.read_to_end(&mut Vec::new()).await;
        drop(near);
    };
    let session = stack.clone().oneshot(Accepted::new(far, peer, peer));
    _ = tokio::join!(session, hear);
}

fn guess(name: &str) -> Vec<u8> {
    let mut said = b"\x05\x01\x02\x01".to_vec();
    said.push(name.len() as u8);
    said.extend(name.as_bytes());
    said.extend(b"\x05guess");
    said
}

/// Takes what has been logged: the lines of ends of sessions, and the other ones.
fn taken(log: &Log) -> (Vec<String>, Vec<String>) {
    let text = log.take();
    let lines = text.lines().map(str::to_owned);
    lines.partition(|line| line.contains("session ended"))
}

/// The field `suppressed` of the only line.
fn suppressed(lines: &[String]) -> usize {
    let [line] = lines else {
        panic!("not one line: {lines:#?}");
    };
    assert!(
        line.contains("more sessions ended like those before"),
        "{line}"
    );
    assert!(line.contains(" within=1"), "{line}");
    let (_, after) = line.split_once("suppressed=").unwrap();
    after.split(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn wrong_logins_of_one_network_are_some_lines_and_a_number() {
    let (log, _guard) = Log::start(Level::INFO);
    let nobody = service_fn(async |_: Credentials| Err::<Identity, _>(AuthError::Denied));
    let stack = stack(UserPass::new(nobody), Unsupported);
    for port in 1..=1000 {
        client(&stack, &format!("192.0.2.1:{port}"), &guess("joe")).await;
    }
    let (ended, others) = taken(&log);
    assert_eq!((ended.len(), others.len()), (20, 0), "{others:#?}");

    // Another network has lines of its own; a /64 is one.
    for host in 1..=100 {
        client(&stack, &format!("[2001:db8::{host:x}]:1"), &guess("joe")).await;
    }
    let (ended, others) = taken(&log);
    assert_eq!((ended.len(), others.len()), (20, 0), "{others:#?}");

    // The next session that ends later says how many there were.
    advance(Duration::from_secs(10)).await;
    client(&stack, "192.0.2.1:1", &guess("joe")).await;
    let (ended, others) = taken(&log);
    assert_eq!(ended.len(), 1);
    assert_eq!(suppressed(&others), 980 + 80);
    // Once.
    advance(Duration::from_secs(10)).await;
    client(&stack, "192.0.2.1:1", &guess("joe")).await;
    assert_eq!(taken(&log).1.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn many_networks_are_no_more_than_all_of_them_may() {
    let (log, _guard) = Log::start(Level::INFO);
    let nobody = service_fn(async |_: Credentials| Err::<Identity, _>(AuthError::Denied));
    let stack = stack(UserPass::new(nobody), Unsupported);
    for network in 0..3000 {
        let peer = format!("[2001:db8:0:{network:x}::1]:1");
        client(&stack, &peer, &guess("joe")).await;
    }
    assert_eq!(taken(&log).0.len(), 100);
    // What is left when the server ends is said then.
    advance(Duration::from_secs(1)).await;
    drop(stack);
    let (_, others) = taken(&log);
    let [line] = &*others else {
        panic!("{others:#?}")
    };
    assert!(line.contains("suppressed=2900"), "{line}");
}

/// The same for requests of clients without a name, whatever became of them.
#[tokio::test(start_paused = true)]
async fn requests_of_strangers_that_fail_are_some_lines() {
    let said = [HELLO, CONNECT].concat();
    for (name, error) in [
        ("refused", BoxError::from as fn(Refusal) -> BoxError),
        ("unreachable", |_| {
            std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into()
        }),
        ("upstream", |_| {
            tower_socks::ClientError::Refused(tower_socks::proto::ReplyCode::GENERAL_FAILURE).into()
        }),
    ] {
        let (log, _guard) = Log::start(Level::INFO);
        let failing = failing(move || error(Refusal::not_allowed("no")));
        let stack = stack(NoAuth, failing);
        for _ in 0..200 {
            client(&stack, "192.0.2.1:1", &said).await;
        }
        let (ended, others) = taken(&log);
        assert_eq!((ended.len(), others.len()), (20, 0), "{name}");
        assert!(
            ended[0].contains(&format!("outcome={name}")),
            "{}",
            ended[0]
        );
    }
}

/// With debug, everything is there.
#[tokio::test(start_paused = true)]
async fn lines_that_exceed_the_bound_are_at_debug() {
    let (log, _guard) = Log::start(Level::DEBUG);
    let stack = stack(NoAuth, failing(|| Refusal::not_allowed("no")));
    for _ in 0..50 {
        client(&stack, "192.0.2.1:1", &[HELLO, CONNECT].concat()).await;
    }
    let (ended, _) = taken(&log);
    let (info, debug): (Vec<_>, Vec<_>) = ended
        .iter()
        .partition(|line| line.trim_start().starts_with("INFO"));
    assert_eq!((info.len(), debug.len()), (20, 30));
}

#[tokio::test(start_paused = true)]
async fn a_client_with_a_name_has_a_line_for_each_session() {
    let (log, _guard) = Log::start(Level::INFO);
    let anyone = service_fn(async |credentials: Credentials| {
        Ok::<_, AuthError>(Identity::named(credentials.name()))
    });
    let refusing = failing(|| Refusal::not_allowed("no"));
    let stack = stack(UserPass::new(anyone), refusing);
    let said = [&*guess("joe"), CONNECT].concat();
    for _ in 0..200 {
        client(&stack, "192.0.2.1:1", &said).await;
    }
    let (ended, others) = taken(&log);
    assert_eq!((ended.len(), others.len()), (200, 0));
    assert!(ended.iter().all(|line| line.contains("user=joe")));
}

#[tokio::test(start_paused = true)]
async fn our_own_failure_is_one_warning_for_each_cause() {
    let (log, _guard) = Log::start(Level::INFO);
    let code = Arc::new(std::sync::atomic::AtomicI32::new(24));
    let this = Arc::clone(&code);
    let exhausted =
        failing(move || std::io::Error::from_raw_os_error(this.load(Ordering::Relaxed)));
    let stack = stack(NoAuth, exhausted);
    let said = [HELLO, CONNECT].concat();
    for _ in 0..1000 {
        client(&stack, "192.0.2.1:1", &said).await;
    }
    let (ended, _) = taken(&log);
    assert_eq!(ended.len(), 1, "{ended:#?}");
    assert!(ended[0].trim_start().starts_with("WARN"), "{}", ended[0]);
    // Another cause is not hidden behind the first.
    code.store(105, Ordering::Relaxed);
    client(&stack, "192.0.2.1:1", &said).await;
    assert_eq!(taken(&log).0.len(), 1);
    advance(Duration::from_secs(10)).await;
    client(&stack, "192.0.2.1:1", &said).await;
    let (ended, others) = taken(&log);
    assert_eq!((ended.len(), suppressed(&others)), (1, 999));
}

#[tokio::test(start_paused = true)]
async fn a_verifier_that_fails_is_one_warning() {
    let (log, _guard) = Log::start(Level::INFO);
    let broken =
        service_fn(async |_: Credentials| Err::<Identity, _>(BoxError::from("database down")));
    let stack = stack(UserPass::new(broken), Unsupported);
    for _ in 0..1000 {
        client(&stack, "192.0.2.1:1", &guess("joe")).await;
    }
    let (ended, _) = taken(&log);
    assert_eq!(ended.len(), 1);
    assert!(ended[0].contains("database down"), "{}", ended[0]);
}

/// For named clients as well: it is the same for all of them.
#[tokio::test(start_paused = true)]
async fn an_upstream_that_is_down_is_one_warning_and_then_a_number() {
    let (log, _guard) = Log::start(Level::INFO);
    let works = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&works);
    let transport = service_fn(move |_: Address| {
        let works = now.load(Ordering::Relaxed);
        async move {
            match works {
                true => {
                    let said = b"\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00";
                    let (stream, _) = Canned::new([said], Then::Ends);
                    Ok(Connected::new(stream, Address::UNSPECIFIED))
                }
                false => Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)),
            }
        }
    });
    let upstream = Socks5Upstream::new("proxy.example:1080").via(transport);
    let anyone = service_fn(async |credentials: Credentials| {
        Ok::<_, AuthError>(Identity::named(credentials.name()))
    });
    let stack = stack(
        UserPass::new(anyone),
        Connector::direct().with_connect(upstream),
    );
    let said = [&*guess("joe"), CONNECT].concat();
    for _ in 0..1000 {
        client(&stack, "192.0.2.1:1", &said).await;
    }
    let (ended, others) = taken(&log);
    assert_eq!(ended.len(), 5, "{ended:#?}");
    assert!(ended.iter().all(|line| line.contains("outcome=upstream")));
    let [line] = &*others else {
        panic!("{others:#?}")
    };
    for part in [
        "WARN",
        "upstream does not work",
        "proxy=proxy.example:1080",
        "refused",
    ] {
        assert!(line.contains(part), "no {part} in {line}");
    }

    works.store(true, Ordering::Relaxed);
    client(&stack, "192.0.2.1:1", &said).await;
    let (_, others) = taken(&log);
    let [line] = &*others else {
        panic!("{others:#?}")
    };
    for part in ["INFO", "upstream works again", "failures=1000"] {
        assert!(line.contains(part), "no {part} in {line}");
    }
}

/// One that comes and goes with each request.
#[tokio::test(start_paused = true)]
async fn an_upstream_that_comes_and_goes_has_few_lines() {
    let (log, _guard) = Log::start(Level::INFO);
    let works = Arc::new(AtomicBool::new(false));
    let transport = service_fn(move |_: Address| {
        let works = works.fetch_xor(true, Ordering::Relaxed);
        async move {
            let said = b"\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00";
            let (stream, _) = Canned::new([said], Then::Ends);
            match works {
                true => Ok(Connected::new(stream, Address::UNSPECIFIED)),
                false => Err(BoxError::from("unplugged")),
            }
        }
    });
    let upstream = Socks5Upstream::new("proxy.example:1080").via(transport);
    for _ in 0..500 {
        _ = upstream.clone().oneshot(Address::UNSPECIFIED).await;
    }
    let lines = log.lines();
    assert_eq!(lines.len(), 8, "{lines:#?}");
}
