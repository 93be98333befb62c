//! CPU per connection over TCP.

use std::{
    net::{SocketAddr, SocketAddrV4, TcpListener},
    sync::mpsc,
    thread,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::TcpStream,
    runtime,
};
use tower_socks::{
    Client, Connector,
    connector::upstream::{HttpUpstream, Socks5Upstream},
};

use crate::harness::{
    clock::ProcessCpu,
    median, number,
    peers::{start_echo, visit},
    progress,
    proxy::run_stack,
    scale,
};

const CLIENTS: usize = 4;

#[derive(Clone, Copy)]
enum Subject {
    Direct,
    Socks,
    Optimistic,
    Http,
}

const SUBJECTS: [(Subject, &str); 4] = [
    (Subject::Direct, "straight to the target"),
    (Subject::Socks, "through SOCKS5"),
    (Subject::Optimistic, "through SOCKS5, optimistic"),
    (Subject::Http, "through HTTP CONNECT"),
];

pub(crate) fn run() {
    let connections = scale(number("--connections", 4_000), 20);
    let rounds = scale(number("--rounds", 9), 1);
    let target = start_echo();
    let (socks, _) = start(|listener| async {
        run_stack(listener, Connector::direct()).await.unwrap();
    });
    let (http, _) = start(serve_http);
    let servers = SUBJECTS.map(|(subject, _)| match subject {
        Subject::Direct => start(|listener| async {
            run_stack(listener, Connector::direct()).await.unwrap();
        }),
        Subject::Socks => start(move |listener| async move {
            let upstream = Socks5Upstream::new(socks);
            run_stack(listener, Connector::upstream(upstream))
                .await
                .unwrap();
        }),
        Subject::Optimistic => start(move |listener| async move {
            let upstream = Socks5Upstream::new(socks).client(Client::new().optimistic());
            run_stack(listener, Connector::upstream(upstream))
                .await
                .unwrap();
        }),
        Subject::Http => start(move |listener| async move {
            let connector = Connector::direct().with_connect(HttpUpstream::new(http));
            run_stack(listener, connector).await.unwrap();
        }),
    });
    let mut samples = [const { Vec::new() }; SUBJECTS.len()];
    for (server, _) in servers {
        visit_all(server, target, connections / 10);
    }
    for round in 0..rounds {
        for ((server, thread), samples) in servers.into_iter().zip(&mut samples) {
            progress(format_args!("CPU over TCP: round {round} of {rounds}"));
            let before = ProcessCpu::of(thread);
            visit_all(server, target, connections);
            let (used, _) = ProcessCpu::of(thread).since(before);
            samples.push(used * 1e6 / connections as f64);
        }
    }
    progress(format_args!(""));
    let medians = samples.map(median);
    println!("CPU per connection over TCP, {rounds} rounds of {connections}, {CLIENTS} at a time");
    println!("{:<28} {:>8} {:>14}", "", "CPU us", "above straight");
    for ((_, name), own) in SUBJECTS.iter().zip(medians) {
        println!("{name:<28} {own:>8.1} {:>14.1}", own - medians[0]);
    }
}

/// A server on a thread of its own: its address, and the thread for its clock.
fn start<F: Future<Output = ()>>(
    serve: impl FnOnce(tokio::net::TcpListener) -> F + Send + 'static,
) -> (SocketAddr, u32) {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        // PID/task/TID
        let own = std::fs::read_link("/proc/thread-self").unwrap();
        let thread = own.file_name().unwrap().to_str().unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        tell.send((listener.local_addr().unwrap(), thread)).unwrap();
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            serve(tokio::net::TcpListener::from_std(listener).unwrap()).await;
        });
    });
    told.recv().unwrap()
}

fn visit_all(server: SocketAddr, target: SocketAddrV4, connections: usize) {
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                for _ in 0..connections / CLIENTS {
                    visit(server, target);
                }
            });
        }
    });
    // The last sessions end after their clients have gone, and a clock is exact only at rest.
    thread::sleep(Duration::from_millis(20));
}

/// As much of an HTTP proxy as this takes.
async fn serve_http(listener: tokio::net::TcpListener) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        tokio::spawn(connect(BufReader::new(client)));
    }
}

async fn connect(mut client: BufReader<TcpStream>) -> std::io::Result<()> {
    client.get_ref().set_nodelay(true)?;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if client.read_line(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let mut target = TcpStream::connect(head.split(' ').nth(1).unwrap()).await?;
    target.set_nodelay(true)?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut target).await?;
    Ok(())
}
