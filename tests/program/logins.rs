//! Logins of the example server: hashes that cost memory and time, and passwords that change.

use std::{
    fs,
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use rustix::process::Signal;
use tokio::net::TcpSocket;

use crate::support::program::{Server, complaint, connect_request, exchange, file::File};

/// A hash of `s3cret` with these costs: memory in KiB, and passes over it.
pub(crate) fn hash(memory: u32, passes: u32) -> String {
    let params = Params::new(memory, passes, 1, None).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password(b"s3cret").unwrap().to_string()
}

fn credentials(name: &str, password: &str) -> Vec<u8> {
    let mut said = vec![1, name.len() as u8];
    said.extend(name.as_bytes());
    said.push(password.len() as u8);
    said.extend(password.as_bytes());
    said
}

pub(crate) fn log_in(server: &Server, name: &str, password: &str) -> (bool, TcpStream) {
    let mut client = server.connect();
    assert_eq!(exchange(&mut client, b"\x05\x01\x02", 2), b"\x05\x02");
    let status = exchange(&mut client, &credentials(name, password), 2);
    (status == b"\x01\x00", client)
}

/// A number of `/proc/PID/status`: KiB, or threads.
#[cfg(target_os = "linux")]
fn status(server: &Server, what: &str) -> usize {
    let text = fs::read_to_string(format!("/proc/{}/status", server.process.id())).unwrap();
    let line = text.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Says its credentials, and does not wait for an answer.
fn attempt(server: &Server, from: IpAddr, name: &str) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let stream = runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from, 0)).unwrap();
        socket.connect(server.address).await.unwrap().into_std()
    });
    let mut stream = stream.unwrap();
    stream.set_nonblocking(false).unwrap();
    let said = [b"\x05\x01\x02".to_vec(), credentials(name, "wrong")].concat();
    stream.write_all(&said).unwrap();
    stream
}

/// Clients come, and are cut at the deadline of the handshake, which is shorter than a hash.
#[cfg(target_os = "linux")]
#[test]
fn hashes_take_no_more_memory_than_they_have_turns() {
    const BLOCKS: usize = 16 * 1024;
    let file = File::new(&format!(
        "[password_hashes]\njoe = \"{}\"\n[timeouts]\nhandshake = \"100ms\"\n[logins]\nhashes_at_once = 2\n",
        hash(BLOCKS as u32, 8)
    ));
    let server = file.server();
    // Threads of the runtime begin a moment after it listens.
    let mut threads = 0;
    while status(&server, "Threads") != threads {
        threads = status(&server, "Threads");
        std::thread::sleep(Duration::from_millis(100));
    }
    let memory = status(&server, "VmRSS");
    for wave in 0..30 {
        let clients: Vec<_> = (1..9)
            .map(|n| attempt(&server, [127, 1, wave, n].into(), &format!("nobody{n}")))
            .collect();
        for mut client in clients {
            // Until the deadline cuts it.
            _ = client.read_to_end(&mut Vec::new());
        }
    }
    let peak = status(&server, "VmHWM") - memory;
    assert!(peak < 3 * BLOCKS, "{peak} KiB");
    assert!(status(&server, "Threads") <= threads + 2);

    // All of it is given back.
    let started = Instant::now();
    while status(&server, "VmRSS") > memory + BLOCKS / 2 {
        assert!(started.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn no_name_stands_out_by_the_time_that_it_takes() {
    let file = File::new(&format!(
        "[users]\njane = \"plain\"\n[password_hashes]\njoe = \"{}\"\n",
        hash(1024, 4)
    ));
    let fastest = |name: &str| {
        // Each time a new server, since failures are slowed down.
        let times = (0..3).map(|n| {
            let server = file.server();
            let started = Instant::now();
            assert!(!log_in(&server, name, &format!("wrong{n}")).0);
            started.elapsed()
        });
        times.min().unwrap()
    };
    let hashed = fastest("joe");
    for name in ["jane", "nobody"] {
        let took = fastest(name);
        assert!(took > hashed / 3, "{name}: {took:?}, joe: {hashed:?}");
    }
}

#[test]
fn a_right_password_costs_one_hash_in_a_while() {
    let file = File::new(&format!(
        "[users]\njane = \"plain\"\n[password_hashes]\njoe = \"{}\"\n",
        hash(4096, 4)
    ));
    let mut server = file.server();
    for (name, password) in [("joe", "s3cret"), ("jane", "plain")] {
        let timed = |password: &str| {
            let started = Instant::now();
            (log_in(&server, name, password).0, started.elapsed())
        };
        let (right, hashed) = timed(password);
        assert!(right);
        let again = (0..3).map(|_| {
            let (right, took) = timed(password);
            assert!(right);
            took
        });
        let again = again.min().unwrap();
        assert!(again < hashed / 2, "{name}: {again:?} after {hashed:?}");
        assert!(!timed("wrong").0);
    }
    // Not the passwords of before a reload.
    fs::write(
        &file.0,
        format!(
            "[users]\njane = \"other\"\n[password_hashes]\njoe = \"{}\"\n",
            hash(1024, 1).replace('\n', "")
        ),
    )
    .unwrap();
    server.signal(Signal::HUP);
    server.says("reloaded");
    assert!(!log_in(&server, "jane", "plain").0);
    assert!(log_in(&server, "jane", "other").0);
    assert!(log_in(&server, "joe", "s3cret").0);
}

#[test]
fn one_name_has_one_password() {
    let file = File::new(&format!(
        "[users]\njoe = \"plain\"\n[password_hashes]\njoe = \"{}\"\n",
        hash(64, 1)
    ));
    let said = complaint(&["--config", file.path()]);
    assert!(
        said.contains("user \"joe\" has a password and a hash"),
        "{said}"
    );
    assert!(said.contains(file.path()), "{said}");

    let file = File::new(&format!("[password_hashes]\njoe = \"{}\"\n", hash(64, 1)));
    let said = complaint(&["--config", file.path(), "--user", "joe:plain"]);
    assert!(
        said.contains("user \"joe\" has a password and a hash"),
        "{said}"
    );
}

#[test]
fn another_password_closes_the_tunnels_of_the_old_one() {
    let old = hash(64, 1);
    let text = |joe: &str, jack: &str| {
        format!(
            "[users]\njane = \"plain\"\njoe = \"{joe}\"\n\
             [password_hashes]\njack = \"{jack}\"\njill = \"{old}\"\n"
        )
    };
    let file = File::new(&text("before", &old));
    let mut server = file.server();
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let request = connect_request(target.local_addr().unwrap());
    let connect = |server: &Server, name, password| {
        let (right, mut client) = log_in(server, name, password);
        assert!(right, "{name}");
        assert_eq!(exchange(&mut client, &request, 10)[1], 0);
        (client, target.accept().unwrap().0)
    };
    let joe = connect(&server, "joe", "before");
    let jack = connect(&server, "jack", "s3cret");
    let jane = connect(&server, "jane", "plain");
    let jill = connect(&server, "jill", "s3cret");
    let (_, mut idle) = log_in(&server, "joe", "before");

    // The same password once more is another hash, with another salt.
    fs::write(&file.0, text("after", &hash(64, 1))).unwrap();
    server.signal(Signal::HUP);
    server.says("reloaded");
    for (mut client, _target) in [joe, jack] {
        // An end or a reset.
        assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
    }
    for (mut client, mut target) in [jane, jill] {
        target.write_all(b"!").unwrap();
        client.read_exact(&mut [0]).unwrap();
    }
    assert_eq!(exchange(&mut idle, &request, 10)[1], 2);

    // A reload that changes nothing closes nothing.
    let (mut client, mut target) = connect(&server, "joe", "after");
    server.signal(Signal::HUP);
    server.says("reloaded");
    target.write_all(b"!").unwrap();
    client.read_exact(&mut [0]).unwrap();
}

#[test]
fn a_file_with_passwords_that_everybody_can_read_is_warned_about() {
    let mode = |file: &File, mode| {
        fs::set_permissions(&file.0, fs::Permissions::from_mode(mode)).unwrap();
    };
    let hashed = format!("[password_hashes]\njoe = \"{}\"\n", hash(64, 1));
    let secrets = [
        "[users]\njoe = \"s3cret\"\n",
        "upstream = \"socks5h://joe:s3cret@127.0.0.1:1\"\n",
        &hashed,
    ];
    for text in secrets {
        let file = File::new(text);
        mode(&file, 0o644);
        let mut server = file.server();
        let line = server.says("everybody on this machine can read it");
        assert!(
            line.contains("WARN") && line.contains(file.path()),
            "{line}"
        );
        // And no more, once that is mended.
        mode(&file, 0o640);
        server.signal(Signal::HUP);
        server.silent_until("reloaded", "can read it");
        mode(&file, 0o604);
        server.signal(Signal::HUP);
        server.says("can read it");
    }
    // Without passwords it does not matter.
    let file = File::new("[limits]\ntunnels_per_user = 2\n");
    mode(&file, 0o644);
    let mut server = file.server();
    server.signal(Signal::HUP);
    server.silent_until("reloaded", "can read it");
}

#[test]
fn a_new_password_for_the_upstream_is_in_force_after_a_reload() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = upstream.local_addr().unwrap();
    let text = |password: &str| format!("upstream = \"socks5h://joe:{password}@{at}\"\n");
    let file = File::new(&text("before"));
    let mut server = file.server();
    assert_eq!(asked_with(&server, &upstream), b"before");
    fs::write(&file.0, text("another")).unwrap();
    server.signal(Signal::HUP);
    server.silent_until("reloaded", "another");
    assert_eq!(asked_with(&server, &upstream), b"another");
}

/// The password that a server has for an upstream.
fn asked_with(server: &Server, upstream: &TcpListener) -> Vec<u8> {
    let mut client = server.connect();
    exchange(&mut client, b"\x05\x01\x00", 2);
    client
        .write_all(b"\x05\x01\x00\x03\x0bexample.com\x00\x50")
        .unwrap();
    let (mut asked, _) = upstream.accept().unwrap();
    let mut greeting = [0; 4];
    let offered = asked.read(&mut greeting).unwrap();
    assert!(greeting[..offered].ends_with(&[2]), "{greeting:?}");
    asked.write_all(b"\x05\x02").unwrap();
    let mut named = [0; 2 + 3 + 1];
    asked.read_exact(&mut named).unwrap();
    let mut password = vec![0; named[5].into()];
    asked.read_exact(&mut password).unwrap();
    password
}
