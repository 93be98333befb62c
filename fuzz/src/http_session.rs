//! A connection of an HTTP client: what reaches origins, whatever clients and origins say.
//!
//! The first octet of an input has the size of the pieces in which the client sends. What follows up to a line with `---`
//! is the client's, and the rest is what every origin says.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Builder,
    time::timeout,
};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_socks::{
    AuthLayer, BoxError, NoAuth, Request,
    layer::http::HttpLayer,
    proto::Address,
    session::{Accepted, Connected},
};

/// What each origin has got.
type Got = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// Whatever is waited for, longer than that is for ever.
const EVER: Duration = Duration::from_secs(3600);

/// A connection from the first octet to the last.
pub fn http_session(data: &[u8]) {
    let Some((size, rest)) = data.split_first() else {
        return;
    };
    let size = usize::from(*size).max(1);
    let line = rest.windows(5).position(|octets| octets == b"\n---\n");
    let (client, origin) = match line {
        Some(at) => (&rest[..at], &rest[at + 5..]),
        None => (rest, &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"[..]),
    };
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets");
    let got = runtime.block_on(hold(client, origin.to_vec(), size));
    // Tunnels are none of our business.
    let has = |word: &[u8]| {
        client
            .windows(word.len())
            .any(|octets| octets.eq_ignore_ascii_case(word))
    };
    if !has(b"CONNECT") && !has(b"upgrade") {
        for (target, octets) in got {
            look(&target, &octets);
        }
    }
}

async fn hold(client: &[u8], origin: Vec<u8>, size: usize) -> Vec<(String, Vec<u8>)> {
    let got = Got::default();
    let seen = Arc::clone(&got);
    let dialer = service_fn(move |request: Request| {
        let (seen, origin) = (Arc::clone(&seen), origin.clone());
        async move {
            let (near, mut far) = tokio::io::duplex(1024);
            tokio::spawn(async move {
                let index = {
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.push((request.target.to_string(), Vec::new()));
                    seen.len() - 1
                };
                let mut said = false;
                let mut room = [0; 512];
                while let Ok(read @ 1..) = far.read(&mut room).await {
                    note(&seen, index, &room[..read]);
                    if !std::mem::replace(&mut said, true) {
                        let _ = far.write_all(&origin).await;
                        let _ = far.shutdown().await;
                    }
                }
            });
            Ok::<_, BoxError>(Connected::new(near, Address::UNSPECIFIED))
        }
    });
    let stack = ServiceBuilder::new()
        .layer(HttpLayer::new())
        .layer(AuthLayer::new(NoAuth))
        .service(dialer);
    let (mut near, far) = tokio::io::duplex(4096);
    let nowhere = ([203, 0, 113, 5], 50_000).into();
    let session = tokio::spawn(stack.oneshot(Accepted::new(far, nowhere, nowhere)));
    let (mut reads, mut writes) = tokio::io::split(&mut near);
    let reading = async {
        let mut heard = Vec::new();
        let _ = reads.read_to_end(&mut heard).await;
    };
    let writing = async {
        for piece in client.chunks(size) {
            if writes.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let _ = writes.shutdown().await;
    };
    timeout(EVER, async { tokio::join!(reading, writing) })
        .await
        .expect("the server closes");
    let _ = timeout(EVER, session)
        .await
        .expect("the session ends")
        .expect("nothing panics");
    let got = got.lock().unwrap_or_else(PoisonError::into_inner);
    got.clone()
}

fn note(got: &Got, index: usize, octets: &[u8]) {
    let mut got = got.lock().unwrap_or_else(PoisonError::into_inner);
    got[index].1.extend_from_slice(octets);
}

/// An origin has got one request at most, which can be read in one manner.
fn look(target: &str, octets: &[u8]) {
    let Some(end) = octets.windows(4).position(|octets| octets == b"\r\n\r\n") else {
        return;
    };
    let (head, body) = octets.split_at(end + 4);
    let lines: Vec<&[u8]> = head[..end].split(|octet| *octet == b'\n').collect();
    let count = |name: &str| {
        let begins = |line: &&&[u8]| {
            line.get(..name.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(name.as_bytes()))
        };
        lines.iter().filter(begins).count()
    };
    for line in &lines[..lines.len() - 1] {
        assert!(line.ends_with(b"\r"), "a line ends in LF alone");
    }
    let inside = |line: &&[u8]| line.strip_suffix(b"\r").unwrap_or(line).to_vec();
    assert!(
        lines
            .iter()
            .map(inside)
            .all(|line| line.iter().all(|octet| !matches!(octet, b'\r' | 0))),
        "CR or NUL in a line"
    );
    assert_eq!(count("host:"), 1, "one host");
    let host = format!("host: {}\r", target.strip_suffix(":80").unwrap_or(target));
    assert!(
        lines.contains(&host.as_bytes()),
        "{host:?} is not the one that was judged"
    );
    assert_eq!(count("proxy-"), 0, "fields of the proxy");
    assert_eq!(count("connection:"), 1);
    let (lengths, codings) = (count("content-length:"), count("transfer-encoding:"));
    assert!(lengths + codings <= 1, "two framings");
    if codings == 0 {
        let length = lines.iter().find_map(|line| {
            let text = str::from_utf8(line).ok()?.to_ascii_lowercase();
            text.strip_prefix("content-length:")?.trim().parse().ok()
        });
        assert!(
            body.len() as u64 <= length.unwrap_or(0_u64),
            "octets behind the request"
        );
    } else if let Some(last) = body.windows(5).position(|octets| octets == b"0\r\n\r\n") {
        assert!(lines.iter().any(|line| line.starts_with(b"trailer")) || last + 5 <= body.len());
    }
}
