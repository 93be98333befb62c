//! What UDP ASSOCIATE costs, and UDP over TCP beside it.
//!
//! ```text
//! cargo bench --bench udp
//! cargo bench --bench udp -- echoes memory --rounds 9
//! ```
//!
//! The proxy is a stack of all layers in a process of its own. Clients and target are in this one,
//! with a thread each, on plain sockets that move one datagram with each system call. There are
//! four parts, which can be named on the command line:
//!
//! 1. **echoes.** Datagrams of 512 octets go to a target that echoes, through four associations at
//!    once. Each has a window of datagrams in flight: with the last answer of one window the next
//!    one is sent. The proxy has one thread. `CPU us` is what its process used per echo, two
//!    datagrams, with what the kernel does on its behalf; `user us` is the part of it outside the
//!    kernel, as the kernel's clock tick sampled it. `echoes/s` is by the clock; clients and target
//!    share the CPUs with the proxy. The larger a window, the more a batch can hold. Half of the rows are
//!    UDP over TCP, version 2 with an address in each frame, through the same proxy in turn: its clients write one
//!    frame with each system call and read what there is.
//! 2. **memory.** What the resident memory of a proxy with two threads (`VmRSS`) grows by with each
//!    of 1,000 more associations that have echoed and are quiet now; what the kernel keeps for
//!    sockets is not part of it.
//! 3. **burst.** 2,000 datagrams through one association, 10,000 a second, and how many of them came
//!    back.
//! 4. **connects.** The time from the first packet of a CONNECT to its reply, through a server of
//!    one thread: at rest, with four associations at work that have 32 datagrams in flight each, and
//!    with four into which a client sends as much as it can, answered or not. In the last row the
//!    sender alone takes all of a CPU: it says more about the proxy where there are CPUs to spare.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]
#![allow(clippy::expect_used, clippy::print_stderr)]

mod harness;

use std::{
    io::{self, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use harness::{
    child::{ProxyProcess, serve_if_child},
    clock::{ProcessCpu, resident},
    median, number,
    peers::{self, GREETING},
    progress,
    proxy::Proxy,
    raise_descriptor_limit, scale, wanted,
};

const PARTS: [&str; 4] = ["echoes", "memory", "burst", "connects"];

/// Octets of a datagram, without the header in front of it.
const PAYLOAD: usize = 512;

const ASSOCIATIONS: usize = 4;

const WINDOWS: [usize; 3] = [1, 8, 32];

/// As many as a client address may have by default, and some room.
const PER_CLIENT: usize = 50;

/// For an answer.
const PATIENCE: Duration = Duration::from_secs(2);

fn main() {
    serve_if_child();
    raise_descriptor_limit();
    let target = start_echo();
    for part in PARTS {
        if wanted(part, &PARTS) {
            match part {
                "echoes" => echoes(target),
                "memory" => memory(target),
                "burst" => burst(target),
                _ => connects(target),
            }
            println!();
        }
    }
}

/// CPU and speed by window.
fn echoes(target: SocketAddrV4) {
    let count = scale(number("--echoes", 40_960), 256);
    let rounds = scale(number("--rounds", 5), 1);
    let process = ProxyProcess::start(Proxy::UdpOverTcp, 0);
    let kinds = [
        ("ASSOCIATE", open(&process, target, ASSOCIATIONS)),
        ("over TCP", open_frames(&process, target, ASSOCIATIONS)),
    ];
    for (_, clients) in &kinds {
        exchange(clients, 32, count / 10);
    }
    let mut samples = [const { [const { Vec::new() }; WINDOWS.len()] }; 2];
    for round in 0..rounds {
        for (at, window) in WINDOWS.into_iter().enumerate() {
            for ((name, clients), samples) in kinds.iter().zip(&mut samples) {
                progress(format_args!(
                    "echoes: {name}, {window} in flight, round {round}"
                ));
                let before = ProcessCpu::of(process.id());
                let started = Instant::now();
                let count = exchange(clients, window, count) as f64;
                let clock = started.elapsed().as_secs_f64();
                // The clock of a process is exact only at rest.
                thread::sleep(Duration::from_millis(20));
                let (all, user) = ProcessCpu::of(process.id()).since(before);
                let each = 1e6 / count;
                samples[at].push((all * each, user * each, count / clock));
            }
        }
    }
    progress(format_args!(""));
    println!(
        "echoes of {PAYLOAD} octets, {rounds} rounds of {count}, {ASSOCIATIONS} associations, \
         1 proxy thread"
    );
    println!(
        "{:<32} {:>8} {:>8} {:>10}",
        "", "CPU us", "user us", "echoes/s"
    );
    let mut last = Vec::new();
    for ((name, _), samples) in kinds.iter().zip(&samples) {
        let cpu = samples.each_ref().map(|samples| {
            let cpu = samples.iter().map(|(all, ..)| *all);
            median(cpu)
        });
        for ((window, cpu), samples) in WINDOWS.into_iter().zip(cpu).zip(samples) {
            // The ticks of all rounds: there are too few of them in one.
            let user: f64 = samples.iter().map(|(_, user, _)| user).sum();
            println!(
                "{:<32} {cpu:>8.2} {:>8.2} {:>10.0}",
                format!("{name}, in flight on each: {window}"),
                user / samples.len() as f64,
                median(samples.iter().map(|(.., speed)| *speed)),
            );
        }
        let [first, .., most] = cpu;
        println!("{:<32} {:>7.2}x", "  the first to the last", first / most);
        last.push(most);
    }
    if let [associate, over_tcp] = last[..] {
        println!(
            "{:<32} {:>7.2}x",
            "over TCP to ASSOCIATE, the last",
            over_tcp / associate
        );
    }
}

/// Memory per association.
fn memory(target: SocketAddrV4) {
    const THREADS: usize = 2;
    let associations = scale(number("--associations", 1_000), 20);
    let rounds = scale(3, 1);
    // After one datagram, and after so many that there were batches.
    let uses = [("one echo each", 1), ("32 echoes each at once", 32)];
    let mut samples = [const { Vec::new() }; 2];
    for round in 0..rounds {
        for ((name, window), samples) in uses.into_iter().zip(&mut samples) {
            progress(format_args!("memory: {name}, round {round}"));
            let process = ProxyProcess::start(Proxy::Stack, THREADS);
            let mut kept = Vec::new();
            let mut grow = |count: usize| {
                for _ in 0..count {
                    let client = Client::open(process.address, target, kept.len());
                    exchange(std::slice::from_ref(&client), window, window);
                    kept.push(client);
                }
                // The proxy may still be busy with the last of them.
                thread::sleep(Duration::from_millis(200));
                resident(process.id())
            };
            let before = grow(associations / 5);
            let after = grow(associations);
            samples.push((after - before) / associations as f64);
        }
    }
    progress(format_args!(""));
    println!("memory: {associations} associations, {THREADS} proxy threads, {rounds} rounds");
    println!("{:<24} {:>24}", "", "bytes per association");
    for ((name, _), samples) in uses.into_iter().zip(samples) {
        println!("{name:<24} {:>24.0}", median(samples));
    }
}

/// Losses at a steady pace.
fn burst(target: SocketAddrV4) {
    const PACE: f64 = 10_000.0;
    let count = scale(number("--burst", 2_000), 50);
    let rounds = scale(3, 1);
    let process = ProxyProcess::start(Proxy::Stack, 0);
    let client = Client::open(process.address, target, 0);
    exchange(std::slice::from_ref(&client), 1, 1);
    println!("burst: {count} datagrams at {PACE} a second through one association");
    for _ in 0..rounds {
        let (came, lasted) = thread::scope(|scope| {
            let counting = scope.spawn(|| {
                let mut answers = 0;
                while answers < count && client.receive().is_ok() {
                    answers += 1;
                }
                answers
            });
            let started = Instant::now();
            let mut sent = 0;
            while sent < count {
                let due = (started.elapsed().as_secs_f64() * PACE) as usize;
                let now = due.min(count) - sent;
                (0..now).for_each(|_| client.send());
                sent += now;
                thread::sleep(Duration::from_micros(50));
            }
            let lasted = started.elapsed();
            (counting.join().unwrap(), lasted)
        });
        println!(
            "  sent in {:.0} ms, came back: {came}, lost: {}",
            lasted.as_secs_f64() * 1e3,
            count - came
        );
    }
}

/// What other clients of the same server notice.
fn connects(target: SocketAddrV4) {
    let count = scale(number("--connects", 1_000), 10);
    let destination = peers::start_echo();
    let process = ProxyProcess::start(Proxy::Stack, 0);
    let clients = open(&process, target, ASSOCIATIONS);
    println!("connects: {count} one after the other, 1 proxy thread");
    println!(
        "{:<24} {:>10} {:>10} {:>10}",
        "", "p50 ms", "p99 ms", "max ms"
    );
    let loads: [(&str, Option<Load>); 3] = [
        ("at rest", None),
        ("with 32 in flight", Some(keep_in_flight)),
        ("with a flood", Some(flood)),
    ];
    for (name, load) in loads {
        progress(format_args!("connects: {name}"));
        let enough = AtomicBool::new(false);
        let mut times = thread::scope(|scope| {
            if let Some(load) = load {
                let (clients, enough) = (&clients, &enough);
                scope.spawn(move || load(clients, enough));
                thread::sleep(Duration::from_millis(100));
            }
            let times: Vec<_> = (0..count)
                .map(|_| connect(process.address, destination).as_secs_f64() * 1e3)
                .collect();
            enough.store(true, Ordering::Relaxed);
            times
        });
        times.sort_by(f64::total_cmp);
        let percentile = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)];
        progress(format_args!(""));
        println!(
            "{name:<24} {:>10.2} {:>10.2} {:>10.2}",
            percentile(50),
            percentile(99),
            percentile(100)
        );
    }
}

/// What happens on the associations until it is enough.
type Load = fn(&[Client], &AtomicBool);

fn keep_in_flight(clients: &[Client], enough: &AtomicBool) {
    while !enough.load(Ordering::Relaxed) {
        let _ = exchange(clients, 32, 1_000);
    }
}

/// Nobody reads the answers: what does not fit into the sockets of the clients is lost.
fn flood(clients: &[Client], enough: &AtomicBool) {
    while !enough.load(Ordering::Relaxed) {
        for client in clients {
            for _ in 0..32 {
                client.send();
            }
        }
    }
}

/// How long it takes until the proxy says that it is connected.
fn connect(proxy: SocketAddr, target: SocketAddrV4) -> Duration {
    let started = Instant::now();
    let mut stream = TcpStream::connect(proxy).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(&GREETING).unwrap();
    stream.read_exact(&mut [0; 2]).unwrap();
    stream.write_all(&peers::connect_request(target)).unwrap();
    let mut reply = [0; 10];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(reply[..4], [5, 0, 0, 1], "a reply that says yes");
    started.elapsed()
}

/// A target for datagrams that sends them back, on a thread of its own.
fn start_echo() -> SocketAddrV4 {
    let socket = bind(Ipv4Addr::LOCALHOST);
    let SocketAddr::V4(address) = socket.local_addr().unwrap() else {
        unreachable!("bound to an IPv4 address");
    };
    thread::spawn(move || {
        let mut datagram = [0; 2048];
        loop {
            // Errors are about clients that have gone.
            if let Ok((len, source)) = socket.recv_from(&mut datagram) {
                let _ = socket.send_to(&datagram[..len], source);
            }
        }
    });
    address
}

/// A socket with room for what a benchmark has in flight: losses are to be the proxy's.
fn bind(address: Ipv4Addr) -> UdpSocket {
    let socket = UdpSocket::bind((address, 0)).unwrap();
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20);
    socket
}

/// The client of one association.
struct Client {
    carrier: Carrier,
    /// What goes out and comes back.
    datagram: Vec<u8>,
}

/// What a client's datagrams travel in.
enum Carrier {
    Udp {
        socket: UdpSocket,
        /// The association ends with it.
        _control: TcpStream,
    },
    Stream {
        writes: TcpStream,
        reads: Mutex<BufReader<TcpStream>>,
    },
}

impl Client {
    /// Opens an association. There are several client addresses, since each may have a few only.
    fn open(proxy: SocketAddr, target: SocketAddrV4, index: usize) -> Self {
        let own = Ipv4Addr::new(127, 0, 0, 1 + (index / PER_CLIENT) as u8);
        let mut control = greeted(proxy, own);
        control.write_all(&[5, 3, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        let [.., a, b, c, d, high, low] = replied(&mut control);
        let relay = SocketAddrV4::new([a, b, c, d].into(), u16::from_be_bytes([high, low]));

        let socket = bind(own);
        socket.connect(relay).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let [a, b, c, d] = target.ip().octets();
        let [high, low] = target.port().to_be_bytes();
        let mut datagram = vec![0, 0, 0, 1, a, b, c, d, high, low];
        datagram.resize(datagram.len() + PAYLOAD, b'.');
        Self {
            carrier: Carrier::Udp {
                socket,
                _control: control,
            },
            datagram,
        }
    }

    /// Opens one whose datagrams travel in the stream.
    fn open_frames(proxy: SocketAddr, target: SocketAddrV4, index: usize) -> Self {
        let own = Ipv4Addr::new(127, 0, 0, 1 + (index / PER_CLIENT) as u8);
        let mut stream = greeted(proxy, own);
        let request = b"\x05\x01\0\x03\x17sp.v2.udp-over-tcp.arpa\0\0";
        stream.write_all(request).unwrap();
        replied(&mut stream);
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // Each frame has an address, and that of the request means nothing.
        stream.write_all(&[0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        let [a, b, c, d] = target.ip().octets();
        let [high, low] = target.port().to_be_bytes();
        let [much, little] = (PAYLOAD as u16).to_be_bytes();
        let mut datagram = vec![0, a, b, c, d, high, low, much, little];
        datagram.resize(datagram.len() + PAYLOAD, b'.');
        Self {
            carrier: Carrier::Stream {
                writes: stream.try_clone().unwrap(),
                reads: BufReader::with_capacity(64 * 1024, stream).into(),
            },
            datagram,
        }
    }

    fn send(&self) {
        match &self.carrier {
            Carrier::Udp { socket, .. } => {
                socket.send(&self.datagram).unwrap();
            }
            Carrier::Stream { writes, .. } => {
                let mut writes = writes;
                writes.write_all(&self.datagram).unwrap();
            }
        }
    }

    /// Waits for an answer.
    fn receive(&self) -> io::Result<()> {
        let mut answer = [0; 2048];
        let len = match &self.carrier {
            Carrier::Udp { socket, .. } => socket.recv(&mut answer)?,
            Carrier::Stream { reads, .. } => {
                let len = self.datagram.len();
                reads.lock().unwrap().read_exact(&mut answer[..len])?;
                len
            }
        };
        assert_eq!(answer[..len], self.datagram, "what was sent");
        Ok(())
    }
}

/// A connection from this address, up to the request.
fn greeted(proxy: SocketAddr, own: Ipv4Addr) -> TcpStream {
    let stream = socket2::Socket::new(
        socket2::Domain::IPV4,
        socket2::Type::STREAM,
        Some(socket2::Protocol::TCP),
    )
    .unwrap();
    stream.bind(&SocketAddr::from((own, 0)).into()).unwrap();
    stream.connect(&proxy.into()).unwrap();
    let mut stream = TcpStream::from(stream);
    stream.write_all(&GREETING).unwrap();
    stream.read_exact(&mut [0; 2]).unwrap();
    stream
}

/// The reply, which has to say yes.
fn replied(stream: &mut TcpStream) -> [u8; 10] {
    let mut reply = [0; 10];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(reply[..4], [5, 0, 0, 1], "a reply that says yes");
    reply
}

fn open_frames(process: &ProxyProcess, target: SocketAddrV4, count: usize) -> Vec<Client> {
    (0..count)
        .map(|index| Client::open_frames(process.address, target, index))
        .collect()
}

fn open(process: &ProxyProcess, target: SocketAddrV4, count: usize) -> Vec<Client> {
    (0..count)
        .map(|index| Client::open(process.address, target, index))
        .collect()
}

/// Sends at least `count` datagrams through all clients together, and waits for the answers. Each
/// client has `window` of them in flight. Says how many there were.
fn exchange(clients: &[Client], window: usize, count: usize) -> usize {
    let windows = count.div_ceil(window * clients.len());
    let send = |client: &Client| (0..window).for_each(|_| client.send());
    clients.iter().for_each(send);
    for left in (0..windows).rev() {
        for client in clients {
            for _ in 0..window {
                client.receive().expect("an answer");
            }
            if left > 0 {
                send(client);
            }
        }
    }
    windows * window * clients.len()
}
