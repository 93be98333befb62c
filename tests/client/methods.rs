//! Methods of one's own, which may encapsulate the stream.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tower::ServiceExt;
use tower_socks::{
    BoxError, Client, ClientError, Identity,
    client::{ClientAuth, ClientFault, DefaultAuth},
    error::{AuthError, Step, reply_code},
    io::{ClientStream, Sealing},
    layer::auth::Authenticate,
    proto::{Address, Command, Credentials, Method, MethodSet, ReplyCode},
    session::{Accepted, Negotiation},
};

use crate::support::{
    CONNECT, CONNECTED, HELLO_OK, Script,
    canned::{Canned, Event, Then},
    stack,
    targets::targets,
    within,
};

fn target() -> Address {
    "192.0.2.1:80".parse().unwrap()
}

/// A stream on which every octet is the other way round.
#[derive(Debug)]
struct Flipped<Io>(Io);

impl<Io: AsyncRead + Unpin> AsyncRead for Flipped<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.0).poll_read(cx, buf))?;
        for octet in &mut buf.filled_mut()[before..] {
            *octet = !*octet;
        }
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Flipped<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, &flipped(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl<Io: ClientStream> ClientStream for Flipped<Io> {
    fn sealing(&mut self) -> Sealing {
        Sealing::Impossible
    }
}

fn flipped(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|octet| !octet).collect()
}

/// Says a word, hears one octet, says it again, and goes on encapsulated. Both sides of it.
#[derive(Clone)]
struct Flip;

const FLIP: Method = Method(0x90);

impl<Io: AsyncRead + AsyncWrite + Unpin + Send> ClientAuth<Io> for Flip {
    type Stream = Flipped<Io>;

    fn methods(&self) -> MethodSet {
        FLIP.into()
    }

    fn first_message(&self, method: Method) -> Vec<u8> {
        assert_eq!(method, FLIP);
        b"hello".to_vec()
    }

    async fn finish(
        &self,
        method: Method,
        _: Command,
        mut io: Io,
    ) -> Result<(Flipped<Io>, Sealing), BoxError> {
        assert_eq!(method, FLIP);
        let octet = io.read_u8().await?;
        if octet == 0 {
            return Err(AuthError::Denied.into());
        }
        if octet == 1 {
            return Err("one is not a number".into());
        }
        io.write_all(&[octet]).await?;
        Ok((Flipped(io), Sealing::Impossible))
    }
}

impl<Io: ClientStream> Authenticate<Io> for Flip {
    type Stream = Flipped<Io>;

    fn select(&self, negotiation: &Negotiation<Io>) -> Option<Method> {
        Some(FLIP).filter(|method| negotiation.offered.contains(*method))
    }

    async fn authenticate(
        &self,
        _: Method,
        Negotiation { mut io, .. }: Negotiation<Io>,
    ) -> Result<(Flipped<Io>, Identity), BoxError> {
        io.hear(b"hello").await;
        io.say(&[7]).await;
        io.hear(&[7]).await;
        Ok((Flipped(io), Identity::named("flip")))
    }
}

#[tokio::test]
async fn a_method_may_replace_the_stream() {
    let said = [b"\x05\x90\x07", &*flipped(&[CONNECTED, b"first"].concat())].concat();
    let (io, log) = Canned::new([said], Then::Ends);
    let mut connected = Client::with(Flip).connect(io, target()).await.unwrap();
    let mut rest = Vec::new();
    connected.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"first");
    let writes: Vec<_> = log
        .events()
        .into_iter()
        .filter(|event| matches!(event, Event::Wrote(_)))
        .collect();
    let expected = [b"\x05\x01\x90", &b"hello"[..], b"\x07", &flipped(CONNECT)];
    assert_eq!(writes, expected.map(|bytes| Event::Wrote(bytes.to_vec())));
}

#[tokio::test]
async fn both_sides_of_a_method_agree() {
    within(async {
        let (dialer, mut dialled) = targets();
        let (near, far) = tokio::io::duplex(4096);
        let nowhere = ([127, 0, 0, 1], 0).into();
        tokio::spawn(stack(Flip, dialer).oneshot(Accepted::new(far, nowhere, nowhere)));
        let mut connected = Client::with(Flip).connect(near, target()).await.unwrap();
        let (request, mut target) = dialled.recv().await.unwrap();
        assert_eq!(request.identity.name(), Some(&b"flip"[..]));
        connected.say(b"ping").await;
        target.hear(b"ping").await;
        target.say(b"pong").await;
        connected.hear(b"pong").await;
    })
    .await;
}

/// It does not seal datagrams, and its stream is not in clear.
#[tokio::test]
async fn where_datagrams_cannot_be_sealed_there_is_no_association() {
    let bound = crate::support::success("127.0.0.1:9".parse().unwrap());
    let said = [b"\x05\x90\x07", &*flipped(&bound)].concat();
    let (io, log) = Canned::new([said], Then::Waits);
    let client = Client::with(Flip).any_relay();
    let error = client.associate(io).await.unwrap_err();
    assert!(matches!(error, ClientError::Socket(_)), "{error:?}");
    assert!(crate::support::texts(&error).contains("cannot seal datagrams"));
    assert!(log.is_dropped());
}

#[tokio::test]
async fn a_method_of_several_rounds_is_not_pipelined() {
    let said = [b"\x05\x90\x07", &*flipped(CONNECTED)].concat();
    let (io, log) = Canned::says(&said);
    let client = Client::with(Flip).optimistic();
    client.connect(io, target()).await.unwrap();
    assert_eq!(log.written().1, 4);
}

#[tokio::test]
async fn the_failure_of_a_method_is_told_apart() {
    for (says, fault) in [
        (&b"\x05\x90\x00"[..], ClientFault::Refused),
        (b"\x05\x90\x01", ClientFault::Refused),
        (b"\x05\x90", ClientFault::Proxy),
    ] {
        let (io, log) = Canned::says(says);
        let error = Client::with(Flip).connect(io, target()).await.unwrap_err();
        match says.last() {
            Some(0) => assert!(matches!(error, ClientError::Denied)),
            Some(1) => assert!(matches!(error, ClientError::Authentication(_))),
            _ => assert!(
                matches!(error, ClientError::Closed { step } if step == Step::Authentication)
            ),
        }
        assert_eq!(error.fault(), fault);
        assert_eq!(reply_code(&error), ReplyCode::GENERAL_FAILURE);
        assert!(log.is_dropped());
    }
}

/// One message, no answer.
#[derive(Clone)]
struct Token;

impl<Io: AsyncRead + AsyncWrite + Unpin + Send> ClientAuth<Io> for Token {
    type Stream = Io;

    fn methods(&self) -> MethodSet {
        [Method(0x80), Method(0x81)].into_iter().collect()
    }

    fn first_message(&self, method: Method) -> Vec<u8> {
        vec![method.0; 2]
    }

    async fn finish(&self, _: Method, _: Command, io: Io) -> Result<(Io, Sealing), BoxError> {
        Ok((io, Sealing::Clear))
    }

    fn early(&self) -> Option<Method> {
        Some(Method(0x81))
    }
}

#[tokio::test]
async fn a_pair_offers_the_methods_of_both() {
    let joe = Credentials::new("joe", "secret").unwrap();
    let client = Client::with((DefaultAuth::new().credentials(joe), Token));
    for (selected, answer, expected) in [
        (0, &b""[..], &b""[..]),
        (2, b"\x01\x00", b"\x01\x03joe\x06secret"),
        (0x80, b"", b"\x80\x80"),
        (0x81, b"", b"\x81\x81"),
    ] {
        let (io, log) = Canned::says(&[&[5, selected], answer, CONNECTED].concat());
        client.connect(io, target()).await.unwrap();
        let greeting = b"\x05\x04\x00\x02\x80\x81";
        assert_eq!(log.written().0, [greeting, expected, CONNECT].concat());
    }
    let (io, _) = Canned::says(b"\x05\x82");
    let error = client.connect(io, target()).await.unwrap_err();
    assert!(matches!(error, ClientError::NotOffered { .. }));
}

#[tokio::test]
async fn a_method_may_be_pipelined() {
    let (io, log) = Canned::says(&[b"\x05\x81", CONNECTED].concat());
    let client = Client::with(Token).optimistic();
    client.connect(io, target()).await.unwrap();
    assert_eq!(
        log.written(),
        ([b"\x05\x01\x81\x81\x81", CONNECT].concat(), 1)
    );
    // The first of a pair that can be.
    let (io, log) = Canned::says(&[HELLO_OK, CONNECTED].concat());
    let client = Client::with((DefaultAuth::new(), Token)).optimistic();
    client.connect(io, target()).await.unwrap();
    assert_eq!(log.written(), ([b"\x05\x01\x00", CONNECT].concat(), 1));
}

#[test]
fn clients_and_what_they_do_can_be_sent() {
    fn sent<T: Send + Sync + Clone>(_: &T) {}
    fn future<T: Send + 'static>(_: T) {}
    let client = Client::with((DefaultAuth::new(), Token));
    sent(&client);
    let (io, _) = tokio::io::duplex(1);
    future(async move { client.connect(io, target()).await.map(|_| ()) });
    let (io, _) = tokio::io::duplex(1);
    future(async move { Client::with(Flip).bind(io, target()).await?.accept().await });
    let (io, _) = tokio::io::duplex(1);
    future(async move { Client::new().associate(io).await });
}
