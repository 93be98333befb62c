//! The example server under load: reloads, and a drain.

use std::{
    fmt::Write,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use rustix::process::{Resource, Signal, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::support::{
    program::{Server, connect_request, file::File},
    udp::quiet_port,
};

/// A tunnel through the server.
async fn tunnel(server: SocketAddr, target: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(server).await.unwrap();
    client.write_all(b"\x05\x01\x00").await.unwrap();
    client.write_all(&connect_request(target)).await.unwrap();
    let mut answers = [0; 12];
    client.read_exact(&mut answers).await.unwrap();
    assert_eq!(answers[..4], *b"\x05\x00\x05\x00");
    client
}

/// A target that repeats what it hears.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

async fn round_trip(client: &mut TcpStream, number: usize) {
    let said = number.to_be_bytes();
    client.write_all(&said).await.unwrap();
    let mut heard = [0; 8];
    client.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, said);
}

/// What the process occupies, in bytes.
#[cfg(target_os = "linux")]
fn resident(server: &Server) -> usize {
    let path = format!("/proc/{}/statm", server.process.id());
    let numbers = std::fs::read_to_string(path).unwrap();
    let pages: usize = numbers.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size()
}

/// Rules large enough that a thousand of them would be seen.
fn rules(version: usize) -> String {
    let mut text = String::from("[acl]\ndefault = \"allow\"\nallow_private = true\n");
    text.push_str("[[acl.rules]]\naction = \"deny\"\nto = [");
    for number in 0..250 {
        write!(text, "\"198.51.100.{number}\", ").unwrap();
    }
    writeln!(text, "\"v{version}.example\"]").unwrap();
    text
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_reloads_lose_no_connection_and_no_memory() {
    let file = File::new(&rules(0));
    let flags = ["--listen", "127.0.0.1:0", "--config", file.path()];
    let mut server = Server::start(&flags, "warn,server=info");
    let (address, target) = (server.address, echo().await);

    let stop = Arc::new(AtomicBool::new(false));
    let trips = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for number in 0..8 {
        let (stop, trips) = (stop.clone(), trips.clone());
        clients.spawn(async move {
            // Half of them stay, half of them come anew.
            let mut client = tunnel(address, target).await;
            while !stop.load(Ordering::Relaxed) {
                if number % 2 == 0 {
                    client = tunnel(address, target).await;
                }
                round_trip(&mut client, trips.fetch_add(1, Ordering::Relaxed)).await;
            }
        });
    }
    let reload = |server: &mut Server, version: usize| {
        std::fs::write(&file.0, rules(version)).unwrap();
        server.signal(Signal::HUP);
        let line = server.says("reloaded");
        assert!(line.contains("rules=1"), "{line}");
    };
    tokio::task::block_in_place(|| {
        // What the allocator keeps is there after a while.
        for version in 1..=300 {
            reload(&mut server, version);
        }
        let before = resident(&server);
        for version in 301..=1000 {
            reload(&mut server, version);
        }
        // Each of them has some 50 KiB.
        let grown = resident(&server).saturating_sub(before);
        assert!(grown < 8 << 20, "{grown} bytes more than {before}");
    });
    stop.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    assert!(trips.load(Ordering::Relaxed) > 1000);
}

/// Tunnels that are open when the server is told to stop.
const TUNNELS: usize = 1000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_loses_no_byte_of_tunnels_that_end() {
    let mut descriptors = getrlimit(Resource::Nofile);
    descriptors.current = descriptors.maximum;
    setrlimit(Resource::Nofile, descriptors).unwrap();
    let file = File::new("[timeouts]\ndrain = \"10s\"\n[acl]\ndefault = \"allow\"\n");
    // No other test listens there when the server no longer does.
    let listen = format!("127.0.0.1:{}", quiet_port());
    let flags = [
        "--listen",
        &listen,
        "--allow-private",
        "--config",
        file.path(),
    ];
    let mut server = Server::start(&flags, "warn,server=info");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let mut open = Vec::new();
    for _ in 0..TUNNELS {
        let client = tunnel(server.address, target).await;
        open.push((client, listener.accept().await.unwrap().0));
    }

    server.signal(Signal::TERM);
    tokio::task::block_in_place(|| server.says("stopping"));
    // Half of them say a lot from here on, and end. The others are silent.
    let silent = open.split_off(TUNNELS / 2);
    let mut ending = JoinSet::new();
    for (number, (mut client, mut target)) in open.into_iter().enumerate() {
        let said: Vec<u8> = (0..100_000).map(|at| ((at + number) % 251) as u8).collect();
        let expected = said.clone();
        ending.spawn(async move {
            target.write_all(&said).await.unwrap();
            target.shutdown().await.unwrap();
            let mut heard = Vec::new();
            target.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, b"bye");
        });
        ending.spawn(async move {
            let mut heard = Vec::new();
            client.read_to_end(&mut heard).await.unwrap();
            assert!(heard == expected, "{} bytes", heard.len());
            client.write_all(b"bye").await.unwrap();
            client.shutdown().await.unwrap();
        });
    }
    while let Some(ended) = ending.join_next().await {
        ended.unwrap();
    }
    assert!(TcpStream::connect(server.address).await.is_err());
    // The limit ends the others.
    tokio::task::block_in_place(|| {
        let line = server.says("dropping the sessions that did not end in time");
        assert!(
            line.contains(&format!("sessions={}", TUNNELS / 2)),
            "{line}"
        );
        assert!(server.ends().success());
    });
    for (mut client, _target) in silent {
        let ended = client.read(&mut [0; 1]).await;
        assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    }
}
