//! Round trips, CPU and allocations without a kernel.

use std::{
    cell::Cell,
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    runtime,
};
use tower::{Service, ServiceExt, service_fn};
use tower_socks::{
    BoxError, Client,
    connector::upstream::{HttpUpstream, Socks5Upstream},
    proto::{Address, Credentials},
    session::Connected,
};

use crate::harness::{
    clock::thread_cpu,
    median, number,
    peers::{GREETING, connect_request},
    progress, scale,
};

const TARGET: std::net::SocketAddrV4 =
    std::net::SocketAddrV4::new(std::net::Ipv4Addr::new(192, 0, 2, 1), 80);

/// Messages of one dialogue: how long ours are, and the proxy's answers.
type Lines = &'static [(usize, &'static [u8])];

const REPLY: &[u8] = &[5, 0, 0, 1, 198, 51, 100, 7, 16, 225];
const OPEN: Lines = &[(3, &[5, 0]), (10, REPLY)];
const PASSWORD: Lines = &[(3, &[5, 2]), (12, &[1, 0]), (10, REPLY)];
const HTTP: Lines = &[(
    b"CONNECT 192.0.2.1:80 HTTP/1.1\r\nHost: 192.0.2.1:80\r\n\r\n".len(),
    b"HTTP/1.1 200 Connection established\r\n\r\n",
)];

#[derive(Clone, Copy)]
enum Subject {
    Handwritten,
    Socks {
        password: bool,
        optimistic: bool,
        hops: usize,
    },
    Http,
}

impl Subject {
    const fn socks(hops: usize, password: bool, optimistic: bool) -> Self {
        Self::Socks {
            password,
            optimistic,
            hops,
        }
    }

    const fn lines(self) -> (Lines, usize) {
        match self {
            Self::Handwritten => (OPEN, 1),
            Self::Socks {
                password: false,
                hops,
                ..
            } => (OPEN, hops),
            Self::Socks {
                password: true,
                hops,
                ..
            } => (PASSWORD, hops),
            Self::Http => (HTTP, 1),
        }
    }
}

const SUBJECTS: [(Subject, &str); 8] = [
    (Subject::Handwritten, "hand-written"),
    (Subject::socks(1, false, false), "SOCKS5"),
    (Subject::socks(1, false, true), "SOCKS5, optimistic"),
    (Subject::socks(1, true, false), "SOCKS5, password"),
    (
        Subject::socks(1, true, true),
        "SOCKS5, password, optimistic",
    ),
    (Subject::Http, "HTTP CONNECT"),
    (Subject::socks(3, true, false), "three SOCKS5, password"),
    (
        Subject::socks(3, true, true),
        "three SOCKS5, password, optimistic",
    ),
];

pub(crate) fn run() {
    let connections = scale(number("--connections", 20_000), 20);
    let rounds = scale(number("--rounds", 11), 1);
    let mut samples = [const { Vec::new() }; SUBJECTS.len()];
    let mut trips = [0.0; SUBJECTS.len()];
    for round in 0..rounds {
        for (((subject, name), samples), trips) in SUBJECTS.iter().zip(&mut samples).zip(&mut trips)
        {
            progress(format_args!("in memory: {name}, round {round}"));
            let before = thread_cpu();
            let turns = visits(*subject, connections);
            let used = (thread_cpu() - before).as_secs_f64();
            samples.push(used * 1e9 / connections as f64);
            *trips = turns as f64 / connections as f64;
        }
    }
    progress(format_args!(""));
    println!("one connection in memory, {rounds} rounds of {connections}, one after the other");
    println!(
        "{:<36} {:>11} {:>8} {:>12} {:>8}",
        "", "round trips", "CPU ns", "allocations", "bytes"
    );
    for (((subject, name), samples), trips) in SUBJECTS.iter().zip(samples).zip(trips) {
        let count = |visited| allocation_counter::measure(|| _ = visits(*subject, visited));
        let (few, many) = (count(10), count(10 + connections));
        let each = |more: u64, less: u64| (more as f64 - less as f64) / connections as f64;
        println!(
            "{name:<36} {trips:>11.2} {:>8.0} {:>12.1} {:>8.0}",
            median(samples),
            each(many.count_total, few.count_total),
            each(many.bytes_total, few.bytes_total),
        );
    }
}

/// So many connections, one after the other. Says how often proxies had to wait for them.
fn visits(subject: Subject, connections: usize) -> usize {
    let address = Address::Ip(TARGET.into());
    let http = HttpUpstream::new(address.clone()).via(Way);
    let password = Client::with(Credentials::new("joe", "secret").unwrap());
    match subject {
        Subject::Handwritten => visit(service_fn(by_hand), subject, connections),
        Subject::Http => visit(http, subject, connections),
        Subject::Socks {
            password: false,
            optimistic,
            ..
        } => {
            let client = paced(Client::new(), optimistic);
            let upstream = Socks5Upstream::new(address).client(client).via(Way);
            visit(upstream, subject, connections)
        }
        Subject::Socks {
            optimistic, hops, ..
        } => {
            let client = paced(password, optimistic);
            let hop = Socks5Upstream::new(address).client(client);
            let first = hop.clone().via(Way);
            match hops {
                1 => visit(first, subject, connections),
                _ => visit(hop.clone().via(hop.via(first)), subject, connections),
            }
        }
    }
}

fn paced<L>(client: Client<L>, optimistic: bool) -> Client<L> {
    match optimistic {
        true => client.optimistic(),
        false => client,
    }
}

fn visit<S>(connector: S, subject: Subject, connections: usize) -> usize
where
    S: Service<Address, Response = Connected<DuplexStream>, Error = BoxError> + Clone,
{
    // Without the driver for sockets, whose system calls would count.
    let runtime = runtime::Builder::new_current_thread().enable_time().build();
    let (lines, hops) = subject.lines();
    let mut turns = 0;
    runtime.unwrap().block_on(async {
        for _ in 0..connections {
            let (near, far) = duplex(1024);
            let proxy = tokio::spawn(proxy(far, lines, hops));
            NEXT.set(Some(near));
            let target = Address::Ip(TARGET.into());
            let mut stream = connector.clone().oneshot(target).await.unwrap();
            stream.write_all(b"!").await.unwrap();
            stream.read_exact(&mut [0; 1]).await.unwrap();
            drop(stream);
            turns += proxy.await.unwrap();
        }
    });
    turns
}

thread_local! {
    /// Where the way to the proxy leads next.
    static NEXT: Cell<Option<DuplexStream>> = const { Cell::new(None) };
}

#[derive(Clone, Copy)]
struct Way;

impl Service<Address> for Way {
    type Response = Connected<DuplexStream>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Address) -> Self::Future {
        let near = NEXT.take().expect("a stream for each connection");
        ready(Ok(Connected::new(near, Address::UNSPECIFIED)))
    }
}

/// The shortest dialogue that there is.
async fn by_hand(_: Address) -> Result<Connected<DuplexStream>, BoxError> {
    let mut stream = NEXT.take().expect("a stream for each connection");
    stream.write_all(&GREETING).await?;
    stream.read_exact(&mut [0; 2]).await?;
    stream.write_all(&connect_request(TARGET)).await?;
    stream.read_exact(&mut [0; REPLY.len()]).await?;
    Ok(Connected::new(stream, Address::UNSPECIFIED))
}

/// Says its lines and then what it hears. Counts how often it had to wait in between.
async fn proxy(mut client: DuplexStream, lines: Lines, hops: usize) -> usize {
    let mut heard = 0;
    let mut turns = 0;
    let mut room = [0; 512];
    for _ in 0..hops {
        for (length, answer) in lines {
            while heard < *length {
                heard += client.read(&mut room).await.unwrap();
                turns += 1;
            }
            heard -= length;
            client.write_all(answer).await.unwrap();
        }
    }
    while let Ok(read @ 1..) = client.read(&mut room).await {
        client.write_all(&room[..read]).await.unwrap();
    }
    turns
}
