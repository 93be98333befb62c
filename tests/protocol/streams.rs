//! The streams that sessions and connectors hand out are the stream underneath: nothing is lost on the
//! way to it, and what it can do, they can.

use std::{
    future::Future,
    io::{self, IoSlice},
    net::SocketAddr,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, duplex};
use tower_socks::{
    io::{BoxStream, ClientStream, PrefixedStream, Sealing},
    proto::Address,
    session::{Accepted, Connected},
};

/// Takes vectored writes, and keeps what they bring apart.
#[derive(Debug, Default)]
struct Sink {
    writes: Vec<Vec<Vec<u8>>>,
}

impl AsyncRead for Sink {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Sink {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let parts: Vec<_> = bufs.iter().map(|part| part.to_vec()).collect();
        let written = parts.iter().map(Vec::len).sum();
        self.writes.push(parts);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl ClientStream for Sink {
    fn sealing(&mut self) -> Sealing {
        Sealing::Clear
    }
}

/// Several pieces in one call.
async fn write_both(stream: &mut (impl AsyncWrite + Unpin)) {
    assert!(stream.is_write_vectored());
    let parts = [IoSlice::new(b"one "), IoSlice::new(b"two")];
    assert_eq!(stream.write_vectored(&parts).await.unwrap(), 7);
}

#[tokio::test]
async fn vectored_writes_stay_in_one_piece() {
    let both = [vec![b"one ".to_vec(), b"two".to_vec()]];

    let mut stream = PrefixedStream::new(Sink::default());
    write_both(&mut stream).await;
    assert_eq!(stream.get_mut().writes, both);

    let mut stream = Connected::new(Sink::default(), Address::UNSPECIFIED);
    write_both(&mut stream).await;
    stream.flush().await.unwrap();
    assert_eq!(stream.get_mut().writes, both);
}

#[tokio::test]
async fn what_was_read_ahead_can_be_taken_along() {
    let (mut client, near) = duplex(64);
    client.write_all(b"\x05\x01\x00GET /").await.unwrap();
    let mut stream = PrefixedStream::new(near);
    let mut greeting = [0; 3];
    stream.read_exact(&mut greeting).await.unwrap();
    assert_eq!(greeting, *b"\x05\x01\x00");
    assert_eq!(stream.buffered(), b"GET /");

    let (mut bare, ahead) = stream.into_parts();
    assert_eq!(ahead, b"GET /");
    client.write_all(b" HTTP/1.1").await.unwrap();
    let mut rest = [0; 9];
    bare.read_exact(&mut rest).await.unwrap();
    assert_eq!(rest, *b" HTTP/1.1");

    let mut stream = PrefixedStream::with_bytes(bare, ahead);
    let mut all = [0; 5];
    stream.read_exact(&mut all).await.unwrap();
    assert_eq!(all, *b"GET /");
}

#[test]
fn a_connection_keeps_its_addresses_when_it_is_wrapped() {
    let peer: SocketAddr = "203.0.113.5:50000".parse().unwrap();
    let local: SocketAddr = "203.0.113.1:1080".parse().unwrap();
    let mut accepted = Accepted::new((), peer, local);
    accepted.extensions.insert("a listener's word");
    let wrapped = accepted.map_io(|()| "a TLS stream");
    assert_eq!(wrapped.io, "a TLS stream");
    assert_eq!((wrapped.peer, wrapped.local), (peer, local));
    assert_eq!(wrapped.extensions.get::<&str>(), Some(&"a listener's word"));
}

#[tokio::test]
async fn a_stream_that_does_not_say_whether_its_client_is_there_is_never_at_its_end() {
    let mut task = tokio_test::task::spawn(());
    let mut silent = Sink::default();
    task.enter(|cx, _| assert!(ClientStream::poll_closed(&mut silent, cx).is_pending()));
    // In a box it is what it was, and a box is put into no other.
    let boxed = ClientStream::boxed(silent);
    let mut boxed: BoxStream = ClientStream::boxed(boxed);
    task.enter(|cx, _| assert!(ClientStream::poll_closed(&mut boxed, cx).is_pending()));
    assert!(boxed.get_ref::<Sink>().is_some());

    let (client, near) = duplex(64);
    let mut talking = ClientStream::boxed(PrefixedStream::new(near));
    task.enter(|cx, _| assert!(ClientStream::poll_closed(&mut talking, cx).is_pending()));
    drop(client);
    task.enter(|cx, _| assert!(ClientStream::poll_closed(&mut talking, cx).is_ready()));
    let mut end = pin!(talking.read_u8());
    task.enter(|cx, _| match end.as_mut().poll(cx) {
        Poll::Ready(Err(error)) => assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof),
        other => panic!("{other:?}"),
    });
}
