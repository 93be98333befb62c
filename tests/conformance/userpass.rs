//! U: names and passwords.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
};
use tower::{Service, ServiceExt, service_fn};
use tower_socks::{
    BoxError, Connector, Credentials, Identity, UserPass, Users, server::Listener,
    session::Accepted,
};
use tracing::Level;

use crate::{
    case::{Miss, Outcome, Scope},
    selection::prefixed,
    server::{Login, Server, ours, ours_with, server_with_users, users},
    support::{log::Log, stack, texts},
    talk::{CONNECT, Talk, arrival, echo, target},
};

cases! {
    U1 u1_names_and_passwords_of_any_octets, "1929, 2", Scope::Any,
        "Names and passwords are 1 to 255 octets each, whatever they are.",
        "NUL, colon, not UTF-8, 255 + 255, octet by octet (another server: its user gets in, these get a status).";
    U2 u2_status_00_only_behind_verification, "1929, 2", Scope::Any,
        "Status 00 comes once the password is found right; any other status is followed by the end.",
        "Right, wrong, unknown, prefixes; ours: a verifier that is held up.";
    U3 u3_another_version_is_never_a_success, "1929, 2", Scope::Any,
        "Right credentials in a frame of another version than 01 do not get in.",
        "Versions 00, 02, 05 and FF.";
    U4 u4_empty_names_and_passwords_fail, "1929, 2", Scope::Any,
        "An empty name or password fails, unless an option lets it pass.",
        "Empty name, empty password, both; ours: for users who have such, with and without the option.";
    U5 u5_nothing_behind_wrong_credentials_is_executed, "1929, 2", Scope::Any,
        "A request that was sent along with wrong credentials is not executed.",
        "Wrong credentials, a request, right credentials and a request in one write; nobody connects to the target.";
    U6 u6_passwords_are_kept_and_compared_in_constant_time, "+", Scope::Ours("it looks at logs, errors and the verifier's time"),
        "Comparing tells nothing by its time, and no log, error or Debug shows a password.",
        "All logs of sessions over sockets at TRACE, their errors and Debug; the least time of each kind of attempt.";
}

/// What a server answers to these credentials.
async fn status(server: &Server, frame: &[u8]) -> Result<(Vec<u8>, TcpStream), Miss> {
    let mut client = server.connect().await?;
    client.say(b"\x05\x01\x02").await?;
    client.hear(b"\x05\x02").await?;
    client.say(frame).await?;
    let status = client.octets(2).await?;
    Ok((status, client))
}

/// They do not get in, and the server closes.
async fn denied(server: &Server, frame: &[u8]) -> Outcome {
    let (status, mut client) = status(server, frame).await?;
    ensure!(
        status[0] == 1 && status[1] != 0,
        "status {:02x} {:02x}",
        status[0],
        status[1]
    );
    client.closes().await
}

/// They get in, as far as a target.
async fn gets_in(server: &Server, frame: &[u8]) -> Outcome {
    let (status, mut client) = status(server, frame).await?;
    ensure!(
        status == [1, 0],
        "status {:02x} {:02x}",
        status[0],
        status[1]
    );
    let (listener, dst) = target().await;
    client.say(&[&[5, CONNECT, 0], &*dst].concat()).await?;
    client.bound().await?;
    let (mut peer, _) = arrival(&listener).await?;
    echo(&mut client, &mut peer).await
}

/// Names and passwords that try a server.
fn odd() -> [Login; 5] {
    [
        Login::new([0xa7; 255], [0x3a; 255]),
        Login::new("x", "y"),
        Login::new("nul\0", "\0"),
        Login::new("joe:smith", ":::"),
        Login::new(*b"\xff\xfe\x80", *b"\xc3\x28"),
    ]
}

async fn u1_names_and_passwords_of_any_octets() -> Outcome {
    let server = server_with_users().await?;
    let frame = server.login.as_ref().unwrap().frame();
    gets_in(&server, &frame).await?;

    // Of others S1 asks that.
    if server.is_ours() {
        let mut client = server.connect().await?;
        client.say_bytewise(&server.hello()).await?;
        client.hear(server.welcome()).await?;
    }

    for odd in odd() {
        let what = format!("{} + {} octets", odd.name.len(), odd.password.len());
        let outcome = match server.is_ours() {
            true => gets_in(&ours_with(odd.clone()).await, &odd.frame()).await,
            false => denied(&server, &odd.frame()).await,
        };
        prefixed(&what, outcome)?;
    }
    Ok(())
}

async fn u2_status_00_only_behind_verification() -> Outcome {
    let server = server_with_users().await?;
    let Login { name, password } = server.login.clone().unwrap();
    gets_in(&server, &Login::new(&*name, &*password).frame()).await?;
    let shorter = |part: &[u8]| part[..part.len() - 1].to_vec();
    let mut wrong = password.clone();
    *wrong.last_mut().unwrap() ^= 1;
    let mut attempts = vec![
        ("a wrong password", Login::new(&*name, wrong)),
        ("an unknown name", Login::new("nobody", &*password)),
        ("exchanged", Login::new(&*password, &*name)),
    ];
    // Of one octet there is no shorter one, and of 255 no longer one.
    if name.len() > 1 && password.len() > 1 {
        attempts.push(("a shorter password", Login::new(&*name, shorter(&password))));
        attempts.push(("a shorter name", Login::new(shorter(&name), &*password)));
    }
    if name.len() < 255 && password.len() < 255 {
        let longer = |part: &[u8]| [part, b"x"].concat();
        attempts.push(("a longer password", Login::new(&*name, longer(&password))));
        attempts.push(("a longer name", Login::new(longer(&name), &*password)));
    }
    for (what, login) in attempts {
        prefixed(what, denied(&server, &login.frame()).await)?;
    }
    if server.is_ours() {
        held_up().await?;
    }
    Ok(())
}

/// A verifier that takes its time.
async fn held_up() -> Outcome {
    let gate = Arc::new(Semaphore::new(0));
    let (ask, mut asked) = mpsc::unbounded_channel();
    let hold = Arc::clone(&gate);
    let verifier = service_fn(move |_: Credentials| {
        let (ask, hold) = (ask.clone(), Arc::clone(&hold));
        async move {
            ask.send(())?;
            hold.acquire().await?.forget();
            Ok::<_, BoxError>(Identity::named("joe"))
        }
    });
    let server = ours(stack(UserPass::new(verifier), Connector::direct())).await;
    let mut client = server.connect().await?;
    let frame = Login::new("joe", "secret").frame();
    client.say(&[b"\x05\x01\x02", &*frame].concat()).await?;
    client.hear(b"\x05\x02").await?;
    asked.recv().await.unwrap();
    client.is_silent()?;
    gate.add_permits(1);
    client.hear(b"\x01\x00").await
}

async fn u3_another_version_is_never_a_success() -> Outcome {
    let server = server_with_users().await?;
    for version in [0, 2, 5, 0xff] {
        let mut frame = server.login.as_ref().unwrap().frame();
        frame[0] = version;
        // A server may close without a word.
        let Ok((status, mut client)) = status(&server, &frame).await else {
            continue;
        };
        ensure!(status[1] != 0, "version {version:02x} gets status 00");
        client.closes().await?;
    }
    Ok(())
}

async fn u4_empty_names_and_passwords_fail() -> Outcome {
    let server = server_with_users().await?;
    let Login { name, password } = server.login.clone().unwrap();
    for (what, login) in [
        ("no name", Login::new("", &*password)),
        ("no password", Login::new(&*name, "")),
        ("neither", Login::new("", "")),
    ] {
        match status(&server, &login.frame()).await {
            Ok((status, _)) => ensure!(status[1] != 0, "{what} gets status 00"),
            // Another server may close without a word.
            Err(_) if !server.is_ours() => {}
            Err(miss) => return prefixed(what, Err(miss)),
        }
    }
    if server.is_ours() {
        let nameless = users([("", "secret"), ("joe", "")]);
        let auth = UserPass::new(nameless);
        // They would be right.
        let strict = ours(stack(auth.clone(), Connector::direct())).await;
        denied(&strict, &Login::new("", "secret").frame()).await?;
        denied(&strict, &Login::new("joe", "").frame()).await?;
        let server = ours(stack(auth.allow_empty(), Connector::direct())).await;
        gets_in(&server, &Login::new("", "secret").frame()).await?;
        gets_in(&server, &Login::new("joe", "").frame()).await?;
        denied(&server, &Login::new("", "").frame()).await?;
    }
    Ok(())
}

async fn u5_nothing_behind_wrong_credentials_is_executed() -> Outcome {
    let server = server_with_users().await?;
    let login = server.login.as_ref().unwrap();
    let (listener, dst) = target().await;
    let request = [&[5, CONNECT, 0], &*dst].concat();
    let wrong = Login::new(&*login.name, "wrong").frame();
    let mut client = server.connect().await?;
    client.say(b"\x05\x01\x02").await?;
    client.hear(b"\x05\x02").await?;
    let all = [&*wrong, &request, &login.frame(), &request].concat();
    client.say(&all).await?;
    let status = client.octets(2).await?;
    ensure!(status[1] != 0, "wrong credentials get status 00");
    client.closes().await?;
    let nobody = listener.accept().now_or_never().is_none();
    ensure!(nobody, "the target was connected to");
    Ok(())
}

async fn u6_passwords_are_kept_and_compared_in_constant_time() -> Outcome {
    const SECRET: &str = "correct horse battery staple";
    const GUESS: &str = "wrong donkey capacitor nail";
    let mut told = String::new();
    {
        // For this thread, which is that of the sessions as well.
        let (log, _logging) = Log::start(Level::TRACE);
        let auth = UserPass::new(users([("joe", SECRET)]));
        let stack = stack(auth.clone(), Connector::direct());
        for (password, status) in [(SECRET, 0), (GUESS, 1)] {
            let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let local = Listener::start(&mut listener).unwrap();
            let mut client = TcpStream::connect(local).await.unwrap();
            let accepted: Accepted<_> = Listener::accept(&mut listener, local).await.unwrap();
            let session = tokio::spawn(stack.clone().oneshot(accepted));
            let frame = Login::new("joe", password).frame();
            client.say(&[b"\x05\x01\x02", &*frame].concat()).await?;
            client.hear(&[5, 2, 1, status]).await?;
            drop(client);
            told += &texts(&*session.await.unwrap().unwrap_err());
        }
        let credentials = Credentials::new("joe", SECRET).unwrap();
        told += &format!("{auth:?} {credentials:?} {:?}", credentials.password());
        told += &log.text();
    }
    ensure!(told.contains("joe"), "nothing was logged");
    for secret in [SECRET, GUESS] {
        let octets = format!("{:?}", secret.as_bytes());
        let shows = told.contains(secret) || told.contains(octets.trim_matches(['[', ']']));
        ensure!(!shows, "a password is shown");
    }
    same_time()
}

/// The least time of many attempts, which is what the machine can do when nothing disturbs it.
fn same_time() -> Outcome {
    let right = [b'p'; 255];
    let mut known: Users = users([("joe", right)]);
    let attempts = [
        ("joe", &right[..]),
        ("joe", &[b'x'; 255]),
        ("joe", b"x"),
        ("eoj", &right),
        ("eoj", b"x"),
    ];
    let attempts = attempts.map(|(name, password)| Credentials::new(name, password).unwrap());
    let mut least = [Duration::MAX; 5];
    for _ in 0..50 {
        for _ in 0..400 {
            for (credentials, least) in attempts.iter().zip(&mut least) {
                let credentials = credentials.clone();
                let started = Instant::now();
                black_box(known.call(black_box(credentials)).now_or_never().is_some());
                *least = started.elapsed().min(*least);
            }
        }
        if *least.iter().max().unwrap() < *least.iter().min().unwrap() * 2 {
            return Ok(());
        }
    }
    Err(Miss::Fails(format!("attempts take {least:?}")))
}
