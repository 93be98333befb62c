//! What a byte costs that travels inside a security context of Kerberos (RFC 1961), beside what the library takes to
//! wrap and unwrap it.
//!
//! ```text
//! cargo bench --features gssapi --bench gssapi
//! cargo bench --features gssapi --bench gssapi -- --rounds 5 --megabytes 1000
//! ```
//!
//! Needs Debian's `krb5-kdc`, `krb5-admin-server` and `krb5-user`: a KDC on loopback, with files of its own. The proxy, of the whole
//! stack, has a thread of its own, and only that is counted, with what the kernel does on its behalf. Clients and targets are
//! threads that block; a client wraps what it sends, and does not unwrap what it gets. Both take turns, round by round, and the
//! medians are shown.
//!
//! * `library`: seconds of CPU per 10^9 bytes to unwrap (up) or wrap (down) messages of the greatest length, one after the other.
//! * `proxy`: the same of the proxy's thread: sockets, messages, the library.
//! * `times`: the second as a multiple of the first; the last line of a level is for as much up as down.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod harness;
#[path = "../tests/gssapi/realm.rs"]
mod realm;

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    process::ExitCode,
    sync::mpsc,
    thread,
    time::Duration,
};

use tokio::runtime;
use tower::{Layer, ServiceExt};
use tower_socks::{
    AuthLayer, Connector, HandshakeLayer,
    gssapi::{
        Context, Establishment, Initiator, Step,
        kerberos::{KerberosContext, KerberosInitiator, KerberosMechanism},
    },
    layer::auth::Gssapi,
    proto::{Command, ProtectionLevel},
    session::Accepted,
};

use harness::{clock::thread_cpu, median, number, scale};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

fn main() -> ExitCode {
    match realm::program() {
        Some(true) => return ExitCode::SUCCESS,
        Some(false) => return ExitCode::FAILURE,
        None => {}
    }
    let rounds = number("--rounds", scale(5, 1));
    let bytes = number("--megabytes", scale(1000, 2)) * 1_000_000;
    println!(
        "| level | direction | library, CPU s/GB | proxy, CPU s/GB | times |\n|---|---|---|---|---|"
    );
    for (level, name) in [
        (ProtectionLevel::CONFIDENTIALITY, "2, confidentiality"),
        (ProtectionLevel::INTEGRITY, "1, integrity"),
    ] {
        let mut all = [const { Vec::new() }; 4];
        for _ in 0..rounds {
            let (unwrap, wrap) = library(level, bytes);
            let up = proxy(level, Direction::Up, bytes);
            let down = proxy(level, Direction::Down, bytes);
            for (all, one) in all.iter_mut().zip([unwrap, wrap, up, down]) {
                all.push(one.as_secs_f64() / (bytes as f64 / 1e9));
            }
        }
        let [unwrap, wrap, up, down] = all.map(median);
        for (direction, library, proxy) in [
            ("up", unwrap, up),
            ("down", wrap, down),
            ("both", unwrap + wrap, up + down),
        ] {
            let times = proxy / library;
            println!("| {name} | {direction} | {library:.3} | {proxy:.3} | {times:.2} |");
        }
    }
    ExitCode::SUCCESS
}

fn is_confidential(level: ProtectionLevel) -> bool {
    level == ProtectionLevel::CONFIDENTIALITY
}

/// What unwrapping and wrapping take.
fn library(level: ProtectionLevel, bytes: usize) -> (Duration, Duration) {
    let (mut client, mut server) = realm::established(Command::CONNECT);
    let confidential = is_confidential(level);
    let longest = client.longest_message(confidential, u16::MAX).unwrap();
    let message = vec![7; longest];
    let (mut unwrap, mut wrap) = (Duration::ZERO, Duration::ZERO);
    let mut left = bytes;
    while left > 0 {
        let message = &message[..left.min(longest)];
        let before = thread_cpu();
        let token = server.wrap(confidential, message).unwrap();
        let between = thread_cpu();
        let got = client.unwrap(&token).unwrap();
        unwrap += thread_cpu() - between;
        wrap += between - before;
        assert_eq!(got.message.len(), message.len());
        left -= message.len();
    }
    (unwrap, wrap)
}

/// What the proxy's thread takes for a session in which so many bytes go in a direction.
fn proxy(level: ProtectionLevel, direction: Direction, bytes: usize) -> Duration {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let destination = target.local_addr().unwrap();
    let peer = thread::spawn(move || {
        let (mut io, _) = target.accept().unwrap();
        match direction {
            Direction::Up => assert_eq!(drain(&mut io), bytes),
            Direction::Down => fill(&mut io, bytes),
        }
    });
    let (tell, told) = mpsc::channel();
    let server = thread::spawn(move || serve_one(level, &tell));
    let mut io = TcpStream::connect(told.recv().unwrap()).unwrap();
    let mut context = log_in(&mut io, level, destination);
    match direction {
        Direction::Up => {
            let confidential = is_confidential(level);
            let longest = context.longest_message(confidential, u16::MAX).unwrap();
            let message = vec![7; longest];
            let mut left = bytes;
            while left > 0 {
                let message = &message[..left.min(longest)];
                let token = context.wrap(confidential, message).unwrap();
                io.write_all(&framed(3, &token)).unwrap();
                left -= message.len();
            }
            io.shutdown(Shutdown::Write).unwrap();
            drain(&mut io);
        }
        Direction::Down => {
            io.shutdown(Shutdown::Write).unwrap();
            assert!(drain(&mut io) > bytes);
        }
    }
    peer.join().unwrap();
    server.join().unwrap()
}

/// One session, on this thread alone.
fn serve_one(level: ProtectionLevel, tell: &mpsc::Sender<SocketAddr>) -> Duration {
    let method = Gssapi::new(KerberosMechanism::service("socks")).levels([level]);
    let stack = AuthLayer::new(method).layer(Connector::direct());
    let stack = HandshakeLayer::new().layer(stack);
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let local = listener.local_addr().unwrap();
        tell.send(local).unwrap();
        let (io, peer) = listener.accept().await.unwrap();
        let before = thread_cpu();
        stack.oneshot(Accepted::new(io, peer, local)).await.unwrap();
        thread_cpu() - before
    })
}

/// Establishes a context, and has the proxy connect to the target.
fn log_in(io: &mut TcpStream, level: ProtectionLevel, target: SocketAddr) -> KerberosContext {
    let initiator = KerberosInitiator::service_on("socks", "localhost");
    io.write_all(b"\x05\x01\x01").unwrap();
    let mut selected = [0; 2];
    io.read_exact(&mut selected).unwrap();
    let begun = initiator.initiate(Command::CONNECT).unwrap().step(b"");
    let Step::Continue { token, next } = begun.unwrap() else {
        panic!("one token of two");
    };
    io.write_all(&framed(1, &token)).unwrap();
    let Step::Done { mut context, .. } = next.step(&heard(io)).unwrap() else {
        panic!("two tokens");
    };
    let asked = context.wrap(false, &[level.0]).unwrap();
    io.write_all(&framed(2, &asked)).unwrap();
    assert_eq!(context.unwrap(&heard(io)).unwrap().message, [level.0]);
    let port = target.port().to_be_bytes();
    let request = [&b"\x05\x01\0\x01\x7f\0\0\x01"[..], &port].concat();
    let request = context.wrap(is_confidential(level), &request).unwrap();
    io.write_all(&framed(3, &request)).unwrap();
    assert_eq!(context.unwrap(&heard(io)).unwrap().message[..2], [5, 0]);
    context
}

fn framed(kind: u8, token: &[u8]) -> Vec<u8> {
    let len = u16::try_from(token.len()).unwrap().to_be_bytes();
    [&[1, kind][..], &len, token].concat()
}

fn heard(io: &mut TcpStream) -> Vec<u8> {
    let mut head = [0; 4];
    io.read_exact(&mut head).unwrap();
    let mut token = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
    io.read_exact(&mut token).unwrap();
    token
}

fn drain(io: &mut TcpStream) -> usize {
    let mut room = vec![0; 1 << 17];
    let mut all = 0;
    loop {
        match io.read(&mut room).unwrap() {
            0 => return all,
            read => all += read,
        }
    }
}

fn fill(io: &mut TcpStream, bytes: usize) {
    let octets = vec![7; 1 << 17];
    let mut left = bytes;
    while left > 0 {
        let some = left.min(octets.len());
        io.write_all(&octets[..some]).unwrap();
        left -= some;
    }
    io.shutdown(Shutdown::Write).unwrap();
    drain(io);
}
