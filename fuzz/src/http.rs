//! CONNECT through an HTTP proxy that says anything.
//!
//! The first octet of an input says whether we have credentials (bit 0) and whether the target's
//! name comes next, behind its length (bit 1); then an octet for how what the proxy says is cut, and
//! what it says. Then it closes.

use std::sync::{Arc, Mutex};

use tokio::{io::AsyncReadExt, runtime::Builder};
use tower::{ServiceExt, service_fn};
use tower_socks::{
    BoxError,
    connector::upstream::{BasicAuth, HttpUpstream},
    proto::{Address, DomainName},
    session::Connected,
};

use crate::{pieces::pieces, script::Input, stream::Scripted};

/// The response to CONNECT.
pub fn http(data: &[u8]) {
    let mut input = Input::new(data);
    let octet = input.octet();
    let named = (octet & 2 != 0).then(|| {
        let len = input.octet().into();
        DomainName::new(&String::from_utf8_lossy(input.take(len))).ok()
    });
    let target = match named {
        None => Address::Name(DomainName::new("example.com").expect("a name"), 443),
        Some(Some(name)) => Address::Name(name, 443),
        Some(None) => return,
    };
    let credentials = octet & 1 != 0;
    let seed = input.octet();
    let said = input.rest();
    let (outcome, heard) = ask(&target, credentials, said, 0);
    let again = ask(&target, credentials, said, seed);
    // Of two things that are wrong with a head, one may be seen first.
    assert_eq!(
        again.0.as_ref().ok(),
        outcome.as_ref().ok(),
        "cut by {seed}"
    );
    assert_eq!(again.1, heard, "cut by {seed}");

    assert!(heard.is_ascii());
    let heard = String::from_utf8(heard).expect("ASCII");
    if heard.is_empty() {
        assert!(outcome.is_err());
        return;
    }
    // Whatever the name is, it has not become another line.
    let target = target.canonical().expect("an address or a name");
    let lines: Vec<&str> = heard.split("\r\n").collect();
    assert_eq!(lines.len(), 4 + usize::from(credentials), "{heard:?}");
    assert_eq!(lines[0], format!("CONNECT {target} HTTP/1.1"));
    assert_eq!(lines[1], format!("Host: {target}"));
    assert!(heard.ends_with("\r\n\r\n") && !lines.concat().contains(['\r', '\n']));

    match outcome {
        Ok(rest) => {
            let at = said.len() - rest.len();
            assert_eq!(&said[at..], rest);
            let heads = heads(&said[..at]);
            let (last, interim) = heads.split_last().expect("a head");
            assert!((200..300).contains(last), "{heads:?}");
            assert!(
                interim
                    .iter()
                    .all(|status| (100..200).contains(status) && *status != 101)
            );
        }
        Err(error) => {
            for sure in [
                "HTTP/1.1 200 OK\r\n\r\n",
                "HTTP/1.0 200 x\r\nVia: y\r\n\r\n",
            ] {
                assert!(!said.starts_with(sure.as_bytes()), "{error}");
            }
        }
    }
}

/// What follows the head, or why nothing does; and what the proxy heard.
fn ask(
    target: &Address,
    credentials: bool,
    said: &[u8],
    seed: u8,
) -> (Result<Vec<u8>, String>, Vec<u8>) {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets");
    let (stream, book) = Scripted::says(pieces(said, seed));
    let outcome = runtime.block_on(async {
        let stream = Arc::new(Mutex::new(Some(stream)));
        let way = service_fn(move |_: Address| {
            let stream = stream.lock().ok().and_then(|mut stream| stream.take());
            async move {
                let stream = stream.ok_or("dialled twice")?;
                Ok::<_, BoxError>(Connected::new(stream, Address::UNSPECIFIED))
            }
        });
        let proxy = Address::Ip(([192, 0, 2, 9], 3128).into());
        let mut upstream = HttpUpstream::new(proxy).via(way);
        if credentials {
            upstream = upstream.credentials(BasicAuth::new("joe", "secret").expect("no colon"));
        }
        let mut stream = upstream.oneshot(target.clone()).await?;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await?;
        Ok(rest)
    });
    let outcome = outcome.map_err(|error: BoxError| {
        let texts = format!("{error} {error:?}");
        assert!(
            !texts.contains("secret") && !texts.contains("c2VjcmV0"),
            "{texts}"
        );
        error.to_string()
    });
    let heard = book.open().written.clone();
    (outcome, heard)
}

/// The status of each head in `said`, which ends with one.
fn heads(said: &[u8]) -> Vec<u16> {
    let mut heads = Vec::new();
    let mut start = 0;
    for at in 1..=said.len() {
        let head = &said[start..at];
        if head.ends_with(b"\n\n") || head.ends_with(b"\n\r\n") {
            assert!(head.starts_with(b"HTTP/1."), "{}", head.escape_ascii());
            let status = str::from_utf8(&head[9..12]).expect("digits");
            heads.push(status.parse().expect("digits"));
            start = at;
        }
    }
    assert_eq!(start, said.len(), "a head that does not end");
    heads
}
