//! `[log]` of the example server: which lines, where they go, and what they tell of clients, users and targets.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::support::program::{Server, complaint, exchange, file::File, program};

/// A server whose level is that of its file.
fn server(file: &File) -> Server {
    let flags = ["--listen", "127.0.0.1:0", "--allow-private", "--config"];
    let mut command = Command::new(program());
    command.args(flags).arg(file.path()).env_remove("RUST_LOG");
    Server::spawn(&mut command)
}

/// A session that fails: the name has no address.
fn fails(server: &Server, name: &str) {
    let mut client = server.connect();
    client
        .write_all(b"\x05\x01\x02\x01\x03joe\x06secret")
        .unwrap();
    exchange(&mut client, b"", 4);
    let length = u8::try_from(name.len()).unwrap();
    let request = [
        b"\x05\x01\x00\x03",
        &[length][..],
        name.as_bytes(),
        b"\x00\x50",
    ]
    .concat();
    let reply = exchange(&mut client, &request, 10);
    assert_ne!(reply[1], 0);
}

const USERS: &str = "[users]\njoe = \"secret\"\n";

#[test]
fn targets_users_and_clients_are_told_as_the_file_says() {
    for format in ["text", "json"] {
        for (targets, shown) in [("none", "-"), ("domain", "example.invalid:80")] {
            let file = File::new(&format!(
                "{USERS}[log]\nformat = \"{format}\"\ntargets = \"{targets}\"\nusers = \"hashed\"\n\
                 clients = \"network\"\n[access_log]\nfile = \"stderr\"\n"
            ));
            let mut server = server(&file);
            fails(&server, "zebra.quagga.example.invalid");
            // The line of the session, and that of the access log.
            let mut all = String::new();
            let (mut session, mut access) = (None, None);
            while session.is_none() || access.is_none() {
                let line = server.says("");
                if line.contains("session ended") {
                    session = Some(line.clone());
                } else if line.contains("event.name") {
                    access = Some(line.clone());
                }
                all += &line;
            }
            for secret in [
                "zebra",
                "quagga",
                "=joe",
                "\"joe",
                "peer=127.0.0.1",
                "127.0.0.1\"",
            ] {
                assert!(!all.contains(secret), "{secret}: {all}");
            }
            let (session, access) = (session.unwrap(), access.unwrap());
            assert!(
                session.contains("u-") && access.contains("u-"),
                "{session}{access}"
            );
            assert!(
                session.contains("127.0.0.0") && access.contains("127.0.0.0"),
                "{all}"
            );
            let field = match format {
                "json" => format!("\"target\":\"{shown}\""),
                _ => format!("target={shown}"),
            };
            assert!(session.contains(&field), "{session}");
            assert!(session.contains("could not be resolved"), "{session}");
        }
    }
}

/// A name of one label reads like any other word.
#[test]
fn targets_of_one_label_are_told_as_the_file_says() {
    for format in ["text", "json"] {
        let file = File::new(&format!(
            "{USERS}[log]\nformat = \"{format}\"\ntargets = \"none\"\n[access_log]\nfile = \"stderr\"\n"
        ));
        let mut server = server(&file);
        fails(&server, "zebraquagga");
        let (mut session, mut access) = (false, false);
        while !(session && access) {
            let line = server.says("");
            session |= line.contains("session ended") && line.contains("could not be resolved");
            access |= line.contains("event.name") && line.contains("could not be resolved");
            assert!(!line.contains("zebra"), "{line}");
        }
    }
}

#[test]
fn a_key_of_ones_own_keeps_the_codes_of_users() {
    let key = File::new("0123456789abcdef");
    let file = File::new(&format!(
        "{USERS}[log]\nusers = \"hashed\"\nusers_key_file = \"{}\"\n",
        key.path()
    ));
    let code = || {
        let mut server = server(&file);
        fails(&server, "example.invalid");
        let line = server.says("session ended");
        let (_, code) = line.split_once("user=").unwrap();
        code.split(' ').next().unwrap().to_owned()
    };
    let first = code();
    assert!(first.starts_with("u-") && first.len() == 14, "{first}");
    assert_eq!(first, code());
    key.write("fedcba9876543210");
    assert_ne!(first, code());
}

#[test]
fn the_level_and_the_file_change_with_a_reload() {
    let path = std::env::temp_dir().join(format!("tower-socks-log-{}.log", std::process::id()));
    let path = Gone(path);
    let file = File::new(USERS);
    let server = server(&file);
    let shown = path.0.display();
    file.write(&format!(
        "{USERS}[log]\nlevel = \"warn,tower_socks=debug\"\nfile = \"{shown}\"\n"
    ));
    server.signal(Signal::HUP);
    let has = |path: &PathBuf, text: &str| {
        let started = Instant::now();
        loop {
            let log = fs::read_to_string(path).unwrap_or_default();
            if log.contains(text) {
                return log;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "{text}: {log}");
            thread::sleep(Duration::from_millis(20));
        }
    };
    // At debug, which is no line by default.
    while !fs::exists(&path.0).unwrap() {
        thread::sleep(Duration::from_millis(10));
    }
    let mut client = server.connect();
    client.write_all(b"garbage").unwrap();
    drop(client);
    has(&path.0, "session ended");

    // logrotate has moved it.
    let moved = Gone(path.0.with_extension("1"));
    fs::rename(&path.0, &moved.0).unwrap();
    server.signal(Signal::HUP);
    while !fs::exists(&path.0).unwrap() {
        thread::sleep(Duration::from_millis(10));
    }
    fails(&server, "example.invalid");
    let log = has(&path.0, "example.invalid");
    assert!(!log.contains("garbage"), "{log}");
}

/// A file that goes with the test.
struct Gone(PathBuf);

impl Drop for Gone {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.0);
    }
}

#[test]
fn mistakes_are_told_at_the_start() {
    for (text, expected) in [
        ("[log]\nlevel = \"tower_socks=loud\"\n", "log, level: "),
        (
            "[log]\nfile = \"/nowhere/server.log\"\n",
            "/nowhere/server.log cannot be opened",
        ),
        (
            "[log]\nusers = \"hashed\"\nusers_key_file = \"/nowhere/key\"\n",
            "users_key_file: /nowhere/key: ",
        ),
        ("[log]\ntargets = \"some\"\n", "some"),
    ] {
        let file = File::new(text);
        let said = complaint(&["--listen", "127.0.0.1:0", "--config", file.path()]);
        assert!(said.contains(expected), "{said}");
    }
    let short = File::new("short");
    let file = File::new(&format!(
        "[log]\nusers = \"hashed\"\nusers_key_file = \"{}\"\n",
        short.path()
    ));
    let said = complaint(&["--listen", "127.0.0.1:0", "--config", file.path()]);
    assert!(said.contains("expected 16 octets or more"), "{said}");
}
