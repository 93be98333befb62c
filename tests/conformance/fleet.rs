//! K: several processes that act as one, and a new process in place of another.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    case::{Miss, Outcome, Scope},
    support::program::{Server, connect_request, file::File, http::get},
};

#[cfg(feature = "redis")]
mod shared;

const OURS: Scope = Scope::Ours("it is several of them");

cases! {
    K1 k1_limits_hold_over_all_nodes, "+", OURS,
        "A limit per key holds over all processes, and what a crashed process held is free after its lease.",
        "Three nodes and a Redis; ten tunnels are asked for of four; a node drops nothing and is gone.";
    K2 k2_while_the_store_is_away, "+", OURS,
        "While the store is away each limit does what it was told (local, open, closed), within its time, and says so once.",
        "A Redis that hangs; 15 requests, their time, their replies, and the log.";
    K3 k3_coming_back_counts_nothing_twice, "+", OURS,
        "A store that comes back counts nothing twice, whatever it has forgotten.",
        "A Redis that hangs and goes on, and one that is killed and knows nothing; what two nodes have open, after each.";
    K4 k4_a_hand_over_resets_nobody, "+", OURS,
        "A restart by hand-over resets no connection that completed its handshake, and ends no tunnel before the drain limit.",
        "The example server: 20 connections that wait on either side of `--upgrade`, a tunnel that goes on, and one that a drain of 1 s ends.";
    K5 k5_readiness_is_red_first, "+", OURS,
        "Readiness is red before accept stops.",
        "The example server: `/ready` says 503 while clients are served, and has said so once they are not.";
    K6 k6_the_client_of_the_header_is_the_key, "+", OURS,
        "The client's address of the PROXY protocol (P6) is the key everywhere.",
        "Two nodes behind headers: tunnels, requests and failed logins of two clients, and the keys in Redis.";
}

/// A case that needs `redis-server`, where there is one.
#[cfg(feature = "redis")]
macro_rules! with_redis {
    ($($name:ident)*) => {
        $(async fn $name() -> Outcome {
            let version = std::process::Command::new("redis-server").arg("--version").output();
            match version {
                Ok(_) => shared::$name().await,
                Err(_) => Err(Miss::Skipped("there is no redis-server".into())),
            }
        })*
    };
}

#[cfg(not(feature = "redis"))]
macro_rules! with_redis {
    ($($name:ident)*) => {
        $(async fn $name() -> Outcome {
            Err(Miss::Skipped("this build knows no Redis".into()))
        })*
    };
}

with_redis! {
    k1_limits_hold_over_all_nodes
    k2_while_the_store_is_away
    k3_coming_back_counts_nothing_twice
    k6_the_client_of_the_header_is_the_key
}

/// A directory for the socket where a new process asks, and a file for both.
struct Upgrade {
    directory: PathBuf,
    file: File,
}

impl Upgrade {
    fn new(drain: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let name = format!("tower-socks-conformance-{drain}-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
        let socket = directory.join("upgrade");
        let file = File::new(&format!(
            "listen = \"127.0.0.1:0\"\nupgrade_socket = \"{}\"\n[acl]\ndefault = \"allow\"\n\
             allow_private = true\n[timeouts]\ndrain = \"{drain}\"\n",
            socket.display()
        ));
        Self { directory, file }
    }

    fn start(&self, flags: &[&str]) -> Server {
        let flags = [flags, &["--config", self.file.path()]].concat();
        Server::start(&flags, "info")
    }
}

impl Drop for Upgrade {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.directory);
    }
}

/// A target that says back what it hears.
fn echo() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut octet = [0; 1];
                while stream.read_exact(&mut octet).is_ok() && stream.write_all(&octet).is_ok() {}
            });
        }
    });
    address
}

/// A connection, which has completed its handshake and says nothing.
fn connected(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    let limit = Some(Duration::from_secs(20));
    stream.set_read_timeout(limit).unwrap();
    stream
}

fn tunnel(mut stream: TcpStream, target: SocketAddr) -> Result<TcpStream, Miss> {
    let said = [b"\x05\x01\x00", &*connect_request(target), b"x"].concat();
    let mut heard = [0; 13];
    let done = stream
        .write_all(&said)
        .and_then(|()| stream.read_exact(&mut heard));
    ensure!(
        done.is_ok() && matches!(heard, [5, 0, 5, 0, .., b'x']),
        "no tunnel: {done:?}, {heard:?}"
    );
    Ok(stream)
}

fn is_alive(stream: &mut TcpStream) -> bool {
    let mut heard = [0; 1];
    let done = stream
        .write_all(b"y")
        .and_then(|()| stream.read_exact(&mut heard));
    done.is_ok() && heard == *b"y"
}

async fn k4_a_hand_over_resets_nobody() -> Outcome {
    let target = echo();
    let upgrade = Upgrade::new("5m");
    let mut old = upgrade.start(&[]);
    let mut through_old = tunnel(connected(old.address), target)?;
    let before: Vec<_> = (0..20).map(|_| connected(old.address)).collect();
    let new = upgrade.start(&["--upgrade"]);
    ensure!(new.address == old.address, "another place");
    let after: Vec<_> = (0..20).map(|_| connected(new.address)).collect();
    for stream in before.into_iter().chain(after) {
        tunnel(stream, target)?;
    }
    ensure!(is_alive(&mut through_old), "the tunnel has ended");
    drop(through_old);
    ensure!(old.ends().success(), "the old process fails");

    let upgrade = Upgrade::new("1s");
    let old = upgrade.start(&[]);
    let mut through_old = tunnel(connected(old.address), target)?;
    let started = Instant::now();
    let _new = upgrade.start(&["--upgrade"]);
    let end = through_old.read(&mut [0; 1]);
    let time = started.elapsed();
    ensure!(
        time >= Duration::from_secs(1) && !matches!(end, Ok(1)),
        "{end:?} after {time:?}"
    );
    Ok(())
}

async fn k5_readiness_is_red_first() -> Outcome {
    let target = echo();
    let status = |at| get(at, "/ready").0.split(' ').nth(1).map(str::to_owned);
    for delay in ["1h", "200ms"] {
        let file = File::new(&format!(
            "[metrics]\nlisten = \"127.0.0.1:0\"\n[timeouts]\ndrain_delay = \"{delay}\"\n"
        ));
        let mut server = file.server();
        let line = server.says("metrics at http://");
        let (_, place) = line.trim_end().split_once("http://").unwrap();
        let metrics = place.trim_end_matches('/').parse().unwrap();
        let held = tunnel(connected(server.address), target)?;
        ensure!(
            status(metrics).as_deref() == Some("200"),
            "not ready at all"
        );
        server.signal(Signal::TERM);
        server.says("stopping in");
        let red = status(metrics);
        ensure!(red.as_deref() == Some("503"), "{red:?} in the delay");
        if delay == "1h" {
            drop(tunnel(connected(server.address), target)?);
            server.signal(Signal::INT);
        } else {
            server.says("no clients are accepted any more");
            let red = status(metrics);
            ensure!(red.as_deref() == Some("503"), "{red:?} in the drain");
        }
        drop(held);
        server.ends();
    }
    Ok(())
}
