use std::{
    future::{Future, poll_fn},
    time::Duration,
};

use tokio::time::timeout;
use tower_socks::{
    client::{ClientError, ProxySocket},
    proto::{Address, Framing, UdpOverTcp},
};

use super::{
    frames::{End, Frames, frame, slow},
    mark,
    socket::target,
    timeless,
};
use crate::{
    pieces::pieces,
    script::{Input, Read, Script, Stall},
    stream::Scripted,
};

/// Our client's socket over a stream in which a proxy says anything.
///
/// The first octet of an input has the protocol (bits 0 and 1), the second and third in what pieces the stream is
/// read and written. Then come datagrams that are sent: an octet for how many (bits 0 to 2), and for each one of
/// length, and the payload. The proxy says the rest.
pub fn framed_socket(data: &[u8]) {
    let mut input = Input::new(data);
    let terms = input.octet();
    let [reads, writes] = [input.octet(), input.octet()];
    let sends: Vec<_> = (0..input.octet() & 7)
        .map(|_| {
            let len = input.octet();
            input.take(len.into()).to_vec()
        })
        .collect();
    let said = input.rest();
    let mut script = Script::default();
    for piece in pieces(said, reads) {
        script.reads.push_back(Read::Says(piece));
        script.reads.push_back(Read::Stalls(Stall::Once));
    }
    script.reads.push_back(Read::Ends);
    slow(&mut script, writes);
    timeless().block_on(async { exchange(terms, sends, said, script).await });
}

async fn exchange(terms: u8, sends: Vec<Vec<u8>>, said: &[u8], script: Script) {
    let (stream, book) = Scripted::new(script);
    let (mut socket, framing, request) = match terms & 3 {
        0 => {
            let socket = ProxySocket::over_stream(stream, UdpOverTcp::V1);
            (socket, Framing::Addressed, &b""[..])
        }
        1 => {
            let socket = ProxySocket::over_stream(stream, UdpOverTcp::V2);
            (socket, Framing::Addressed, &b"\0\x01\0\0\0\0\0\0"[..])
        }
        2 => {
            let socket = ProxySocket::over_stream(stream, UdpOverTcp::ForwardUdp);
            (socket, Framing::ForwardUdp, &b""[..])
        }
        _ => {
            let socket = ProxySocket::over_stream_to(stream, mark());
            (
                socket,
                Framing::Connected,
                &b"\x01\x01\xc0\0\x02\x63\0\x09"[..],
            )
        }
    };
    let connected = (framing == Framing::Connected).then(mark);
    let mut written = request.to_vec();
    for payload in sends {
        let to = connected.clone().unwrap_or_else(|| target(&payload));
        let sent = soon(socket.send_to(&payload, &to)).await;
        // HDRLEN of FWD UDP has no room for the longest names.
        match frame(framing, &to, &payload) {
            Some(frame) => {
                sent.expect("room");
                written.extend(frame);
            }
            None => assert!(sent.is_err(), "{to} fits into no header"),
        }
    }
    soon(poll_fn(|cx| socket.poll_flush(cx)))
        .await
        .expect("a stream that takes it");
    assert_eq!(book.open().written, written);

    let Frames { frames, end } = Frames::read(framing, connected.as_ref(), said);
    let mut room = vec![0; 65_536];
    for (source, payload) in frames {
        let Some(Ok(source)) = source.map(Address::canonical) else {
            continue;
        };
        let (len, from) = soon(socket.recv_from(&mut room)).await.expect("a datagram");
        assert_eq!((from, &room[..len]), (source, &*payload));
    }
    let error = soon(socket.recv_from(&mut room)).await;
    let error = error.expect_err("something behind the end");
    let inner = error.get_ref().and_then(|error| error.downcast_ref());
    match (end, inner) {
        (End::Whole, Some(ClientError::Closed { .. }))
        | (End::Cut | End::Either, Some(ClientError::Io { .. }))
        | (End::Malformed | End::Either, Some(ClientError::BadFrame { .. })) => {}
        other => panic!("{other:?}"),
    }
    // And it stays so.
    assert!(soon(socket.recv_from(&mut room)).await.is_err());
    assert!(soon(socket.send_to(b"late", mark())).await.is_err());
}

/// What takes no time.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), future)
        .await
        .expect("something that nobody wakes")
}
