//! A server of a fleet, from outside.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Command, Output},
    time::{Duration, Instant},
};

use crate::{
    server::Server as Redis,
    support::program::{Server, built_with, connect_request, exchange, file::File},
};

/// A program that can do what these tests ask of it.
pub(crate) fn command() -> Command {
    let mut command = Command::new(built_with("redis"));
    command.env("RUST_LOG", "info");
    command
}

/// What it prints for this file.
pub(crate) fn check(text: &str) -> Output {
    let file = File::new(text);
    let flags = ["--config", file.path(), "--check"];
    command().args(flags).output().unwrap()
}

pub(crate) struct Node {
    pub(crate) server: Server,
    pub(crate) file: File,
}

impl Node {
    /// Joins the fleet: `more` stands in its `[redis]`, and what follows that.
    pub(crate) fn join(redis: &Redis, more: &str) -> Self {
        let file = File::new(&text(redis, more));
        let flags = ["--listen", "127.0.0.1:0", "--allow-private", "--config"];
        let server = Server::spawn(command().args(flags).arg(file.path()));
        Self { server, file }
    }

    /// Logs in: whether that is right, and the connection.
    pub(crate) fn log_in(&self, name: &str, password: &str) -> (bool, TcpStream) {
        let mut client = self.server.connect();
        let length = |text: &str| u8::try_from(text.len()).unwrap();
        let login = [
            b"\x05\x01\x02\x01",
            &[length(name)][..],
            name.as_bytes(),
            &[length(password)],
            password.as_bytes(),
        ]
        .concat();
        let verdict = exchange(&mut client, &login, 4);
        (verdict == b"\x05\x02\x01\x00", client)
    }

    /// Asks for a tunnel: the reply code, and the connection.
    pub(crate) fn connect(&self, user: &str, target: SocketAddr) -> (u8, TcpStream) {
        let (right, mut client) = self.log_in(user, "x");
        assert!(right, "{user}");
        let reply = exchange(&mut client, &connect_request(target), 10);
        (reply[1], client)
    }
}

/// The file of a node whose leases are short, so that tests are.
pub(crate) fn text(redis: &Redis, more: &str) -> String {
    let lease = if more.starts_with("lease") {
        ""
    } else {
        "lease = \"1s\"\n"
    };
    format!(
        "[users]\njoe = \"x\"\njane = \"x\"\n[redis]\nurl = \"{}\"\n{lease}{more}",
        redis.url()
    )
}

/// A target that says nothing, and ends with its client.
pub(crate) fn target() -> SocketAddr {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = target.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut client in target.incoming().map_while(Result::ok) {
            std::thread::spawn(move || std::io::copy(&mut client, &mut std::io::sink()));
        }
    });
    address
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
