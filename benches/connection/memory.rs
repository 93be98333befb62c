//! CPU per session without a kernel.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    runtime,
    sync::mpsc,
};
use tower::service_fn;
use tower_socks::{
    BoxError, Connector, Request,
    proto::Address,
    server::Listener,
    session::{Accepted, Connected},
};

use crate::harness::{
    clock::thread_cpu,
    handwritten::{self, Copier},
    median, number,
    peers::{GREETING, connect_request, echo},
    progress,
    proxy::run_stack,
    scale,
};

/// As much as the pipes hold, both for clients and for targets.
const PIPE: usize = 1024;

const NOWHERE: SocketAddr = SocketAddr::V4(std::net::SocketAddrV4::new(
    std::net::Ipv4Addr::LOCALHOST,
    1080,
));

#[derive(Clone, Copy)]
enum Subject {
    Stack,
    Handwritten(Copier),
}

const SUBJECTS: [(Subject, &str); 3] = [
    (Subject::Stack, "stack"),
    (Subject::Handwritten(Copier::Ours), "hand-written, Relay"),
    (
        Subject::Handwritten(Copier::Tokio),
        "hand-written, copy_bidirectional",
    ),
];

pub(crate) fn run() {
    let sessions = scale(number("--sessions", 20_000), 20);
    let rounds = scale(number("--rounds", 11), 1);
    let mut samples = [const { Vec::new() }; SUBJECTS.len()];
    for round in 0..rounds {
        for ((subject, name), samples) in SUBJECTS.iter().zip(&mut samples) {
            progress(format_args!("CPU in memory: {name}, round {round}"));
            samples.push(measure(*subject, sessions).as_secs_f64() * 1e9 / sessions as f64);
        }
    }
    progress(format_args!(""));
    let medians = samples.map(median);
    println!("CPU per session in memory, {rounds} rounds of {sessions}, one after the other");
    println!("{:<34} {:>8} {:>14}", "", "ns", "stack is above");
    for ((_, name), own) in SUBJECTS.iter().zip(medians) {
        println!("{name:<34} {own:>8.0} {:>14.0}", medians[0] - own);
    }
}

/// The CPU that so many sessions use, one after the other.
fn measure(subject: Subject, sessions: usize) -> Duration {
    // Without the driver for sockets, whose system calls would count.
    let runtime = runtime::Builder::new_current_thread().enable_time().build();
    runtime.unwrap().block_on(async {
        let (connect, accept) = mpsc::channel(1);
        match subject {
            Subject::Stack => {
                let connector = Connector::direct().with_connect(service_fn(answer));
                drop(tokio::spawn(run_stack(InMemory(accept), connector)));
            }
            Subject::Handwritten(copier) => drop(tokio::spawn(serve(accept, copier))),
        }
        for _ in 0..sessions / 20 {
            visit(&connect).await;
        }
        let before = thread_cpu();
        for _ in 0..sessions {
            visit(&connect).await;
        }
        thread_cpu() - before
    })
}

/// Connections from within the process.
struct InMemory(mpsc::Receiver<DuplexStream>);

impl Listener for InMemory {
    type Io = DuplexStream;

    async fn accept(&mut self, _: SocketAddr) -> io::Result<Accepted<DuplexStream>> {
        match self.0.recv().await {
            Some(stream) => Ok(Accepted::new(stream, NOWHERE, NOWHERE)),
            None => std::future::pending().await,
        }
    }
}

async fn serve(mut accept: mpsc::Receiver<DuplexStream>, copier: Copier) {
    while let Some(client) = accept.recv().await {
        let connect = async |_| Ok((dial(), NOWHERE));
        tokio::spawn(handwritten::session(client, connect, copier));
    }
}

async fn answer(_: Request) -> Result<Connected<DuplexStream>, BoxError> {
    Ok(Connected::new(dial(), Address::Ip(NOWHERE)))
}

/// A stream to a target that echoes.
fn dial() -> DuplexStream {
    let (near, far) = duplex(PIPE);
    tokio::spawn(echo(far));
    near
}

/// What a client does, to the end of the session.
async fn visit(connect: &mpsc::Sender<DuplexStream>) {
    let (mut near, far) = duplex(PIPE);
    connect.send(far).await.unwrap();
    near.write_all(&GREETING).await.unwrap();
    near.read_exact(&mut [0; 2]).await.unwrap();
    let target = std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 80);
    near.write_all(&connect_request(target)).await.unwrap();
    near.read_exact(&mut [0; 10]).await.unwrap();
    near.write_all(b"!").await.unwrap();
    near.read_exact(&mut [0; 1]).await.unwrap();
    near.shutdown().await.unwrap();
    assert_eq!(near.read(&mut [0; 1]).await.unwrap(), 0, "the end");
}
