//! Datagrams of a client that has authenticated by GSS-API (RFC 1961 section 5): each in a message of its own.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UdpSocket,
};
use tower::Layer;
use tower_socks::{
    AuthLayer, Connector, HandshakeLayer, Tunnel,
    io::{BoxStream, ClientStream, MeteredStream, PrefixedStream, Sealing},
    layer::{auth::Gssapi, meter::MeterLayer},
    proto::ProtectionLevel,
    session::{BoxTunnel, TunnelExt},
};

use crate::support::{
    Script,
    gssapi::{Mock, Sealed, TICKET, WELCOME, framed},
    texts,
    udp::{
        Client, address,
        association::{assert_same, assert_silent, datagram, receive, socket},
        ear::Ear,
        within,
    },
};

const LEVELS: [(u8, bool); 3] = [(1, false), (2, true), (3, true)];

/// UDP ASSOCIATE from anywhere.
const ASSOCIATE: &[u8] = b"\x05\x03\x00\x01\0\0\0\0\0\0";

/// An association whose datagrams are sealed.
struct Association {
    control: Client,
    udp: UdpSocket,
    relay: std::net::SocketAddr,
    context: Sealed,
    encrypts: bool,
    ear: Ear,
}

impl Association {
    async fn new(level: u8, encrypts: bool) -> Self {
        Self::of(level, encrypts, Mock::default()).await
    }

    async fn of(level: u8, encrypts: bool, mock: Mock) -> Self {
        let ear = Ear::default();
        let method = Gssapi::new(mock).levels([ProtectionLevel(level)]);
        let metered = MeterLayer::new(ear.clone()).layer(Connector::direct());
        let stack = HandshakeLayer::new().layer(AuthLayer::new(method).layer(metered));
        let mut control = Client::new(stack).await;
        let mut context = Sealed::of_client();
        let said = [
            b"\x05\x01\x01",
            &framed(1, TICKET)[..],
            &context.level(level),
            &context.data(encrypts, ASSOCIATE),
        ];
        control.io.say(&said.concat()).await;
        control.io.hear(b"\x05\x01").await;
        control.io.hear(&framed(1, WELCOME)).await;
        let mut answer = [0; 15];
        control.io.read_exact(&mut answer).await.unwrap();
        assert_eq!(context.opens(&answer, false), [level]);
        let mut reply = [0; 24];
        control.io.read_exact(&mut reply).await.unwrap();
        let reply = context.opens(&reply, encrypts);
        assert_eq!(reply[..4], [5, 0, 0, 1]);
        let port = u16::from_be_bytes([reply[8], reply[9]]);
        Self {
            control,
            udp: socket("127.0.0.1").await,
            relay: ([127, 0, 0, 1], port).into(),
            context,
            encrypts,
            ear,
        }
    }

    /// The datagram that brings a payload to a target.
    fn sealed(&mut self, target: &UdpSocket, payload: &[u8]) -> Vec<u8> {
        let target = address(target.local_addr().unwrap());
        self.context
            .data(self.encrypts, &datagram(0, &target, payload))
    }

    async fn send(&self, octets: &[u8]) {
        let sent = self.udp.send_to(octets, self.relay).await.unwrap();
        assert_eq!(sent, octets.len());
    }

    async fn say(&mut self, target: &UdpSocket, payload: &[u8]) {
        let sealed = self.sealed(target, payload);
        self.send(&sealed).await;
    }

    /// The next datagram has to have this payload, from this target, in a message.
    async fn hear(&mut self, target: &UdpSocket, payload: &[u8]) {
        let (heard, source) = receive(&self.udp).await;
        assert_eq!(source, self.relay);
        let opened = self.context.opens(&heard, self.encrypts);
        let target = address(target.local_addr().unwrap());
        assert_same(&opened, &datagram(0, &target, payload));
    }

    async fn echo(&mut self, target: &UdpSocket, payload: &[u8]) {
        self.say(target, payload).await;
        let (heard, source) = receive(target).await;
        assert_same(&heard, payload);
        target.send_to(payload, source).await.unwrap();
        self.hear(target, payload).await;
    }
}

#[tokio::test]
async fn g4_each_datagram_is_a_message_with_its_header() {
    for (level, encrypts) in LEVELS {
        within(async {
            let mut association = Association::new(level, encrypts).await;
            let target = socket("127.0.0.1").await;
            // 65,507 octets less the message, what it adds, and the header.
            for size in [0, 1, 1200, 1200, 9000, 65_482, 65_483] {
                association.echo(&target, &vec![7; size]).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn many_at_once_are_sealed_each_by_itself() {
    within(async {
        let mut association = Association::new(2, true).await;
        let target = socket("127.0.0.1").await;
        for round in 0..5_u8 {
            for number in 0..40 {
                association.say(&target, &[round, number, 7]).await;
            }
            let mut out = None;
            for number in 0..40 {
                let (heard, source) = receive(&target).await;
                assert_eq!(heard, [round, number, 7]);
                out = Some(source);
            }
            for number in 0..40 {
                target
                    .send_to(&[number, round], out.unwrap())
                    .await
                    .unwrap();
            }
            for number in 0..40 {
                association.hear(&target, &[number, round]).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_travels_in_clear_and_nothing_in_clear_is_taken() {
    for (level, encrypts) in LEVELS {
        within(async {
            let mut association = Association::new(level, encrypts).await;
            let target = socket("127.0.0.1").await;
            let clear = datagram(0, &address(target.local_addr().unwrap()), b"clear");
            association.send(&clear).await;
            association.echo(&target, b"ping").await;
            assert_silent(&target);
            assert_eq!(association.ear.drops(), [("unprotected", 1)]);
        })
        .await;
    }
}

#[tokio::test]
async fn g7_datagrams_that_are_lost_late_or_changed_cost_themselves_only() {
    for sequence in [false, true] {
        within(async {
            let mock = Mock {
                sequence,
                ..Mock::default()
            };
            let mut association = Association::of(2, true, mock).await;
            let target = socket("127.0.0.1").await;
            let _lost = association.sealed(&target, b"lost");
            let late = association.sealed(&target, b"late");
            let early = association.sealed(&target, b"early");
            let mut changed = association.sealed(&target, b"evil");
            changed[20] ^= 1;
            association.encrypts = false;
            let plain = association.sealed(&target, b"evil");
            association.encrypts = true;
            let beyond = [&late[..], b"x"].concat();
            let own = Sealed::new(false, &Mock::default()).data(true, b"evil");
            let bad = [
                &changed[..],
                &plain,
                &beyond,
                &own,
                b"",
                b"\x01\x03\x00\x00",
            ];
            for bad in bad {
                association.send(bad).await;
            }
            for good in [&early, &late, &early, &late] {
                association.send(good).await;
            }
            for expected in [&b"early"[..], b"late"] {
                let (heard, _) = receive(&target).await;
                assert_eq!(heard, expected);
            }
            association.echo(&target, b"last").await;
            assert_silent(&target);
            assert_eq!(association.ear.drops(), [("unprotected", 8)]);
            assert!(!association.control.is_over());
        })
        .await;
    }
}

#[tokio::test]
async fn what_is_too_large_once_it_is_sealed_is_dropped_and_counted() {
    within(async {
        let mut association = Association::new(2, true).await;
        let target = socket("127.0.0.1").await;
        association.say(&target, b"ping").await;
        let (_, out) = receive(&target).await;
        // It would fit, were it not sealed.
        for size in [65_484, 65_497, 65_507] {
            target.send_to(&vec![1; size], out).await.unwrap();
            association.echo(&target, b"ping").await;
        }
        assert_eq!(association.ear.drops(), [("unsendable", 3)]);
    })
    .await;
}

#[tokio::test]
async fn a_datagram_that_does_not_open_takes_no_port() {
    within(async {
        let mut association = Association::new(1, false).await;
        let target = socket("127.0.0.1").await;
        let stranger = socket("127.0.0.1").await;
        let clear = datagram(0, &address(target.local_addr().unwrap()), b"clear");
        let relay = association.relay;
        stranger.send_to(&clear, relay).await.unwrap();
        association.echo(&target, b"ping").await;
        assert_silent(&stranger);
        assert_silent(&target);
    })
    .await;
}

#[tokio::test]
async fn fragments_are_put_together_behind_the_seal() {
    within(async {
        let mut association = Association::new(2, true).await;
        let target = socket("127.0.0.1").await;
        let to = address(target.local_addr().unwrap());
        for (fragment, part) in [(1, &b"one "[..]), (2, b"two "), (0x83, b"three")] {
            let sealed = association
                .context
                .data(true, &datagram(fragment, &to, part));
            association.send(&sealed).await;
        }
        let (heard, _) = receive(&target).await;
        assert_eq!(heard, b"one two three");
    })
    .await;
}

#[tokio::test]
async fn a_changed_message_on_the_control_connection_ends_the_association() {
    within(async {
        let mut association = Association::new(2, true).await;
        let target = socket("127.0.0.1").await;
        association.echo(&target, b"ping").await;
        let mut bad = association.context.data(true, b"anything");
        bad[12] ^= 1;
        association.control.io.say(&bad).await;
        association.control.outcome().await.unwrap_err();
    })
    .await;
}

#[tokio::test]
async fn at_level_0_datagrams_travel_in_clear_by_name() {
    within(async {
        let method = Gssapi::new(Mock::default()).allow_clear();
        let stack = HandshakeLayer::new().layer(AuthLayer::new(method).layer(Connector::direct()));
        let mut control = Client::new(stack).await;
        let mut context = Sealed::of_client();
        let said = [
            b"\x05\x01\x01",
            &framed(1, TICKET)[..],
            &context.level(0),
            ASSOCIATE,
        ];
        control.io.say(&said.concat()).await;
        control.io.hear(b"\x05\x01").await;
        control.io.hear(&framed(1, WELCOME)).await;
        control.io.read_exact(&mut [0; 15]).await.unwrap();
        let mut reply = [0; 10];
        control.io.read_exact(&mut reply).await.unwrap();
        let port = u16::from_be_bytes([reply[8], reply[9]]);
        let relay = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        let (udp, target) = (socket("127.0.0.1").await, socket("127.0.0.1").await);
        let clear = datagram(0, &address(target.local_addr().unwrap()), b"clear");
        udp.send_to(&clear, relay).await.unwrap();
        assert_eq!(receive(&target).await.0, b"clear");
    })
    .await;
}

/// A client's stream that says so much of its datagrams.
struct Says(tokio::io::DuplexStream, fn() -> Sealing);

impl ClientStream for Says {
    fn sealing(&mut self) -> Sealing {
        (self.1)()
    }
}

macro_rules! forward {
    ($stream:ident) => {
        impl tokio::io::AsyncRead for $stream {
            fn poll_read(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::pin::Pin::new(&mut self.0).poll_read(cx, buf)
            }
        }

        impl tokio::io::AsyncWrite for $stream {
            fn poll_write(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                std::pin::Pin::new(&mut self.0).poll_write(cx, buf)
            }

            fn poll_flush(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::pin::Pin::new(&mut self.0).poll_flush(cx)
            }

            fn poll_shutdown(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::pin::Pin::new(&mut self.0).poll_shutdown(cx)
            }
        }
    };
}

forward!(Says);

#[tokio::test]
async fn what_a_stream_says_of_its_datagrams_is_seen_through_every_wrapper() {
    let says = || Says(tokio::io::duplex(64).0, || Sealing::Impossible);
    let is_seen = |sealing: Sealing| assert!(matches!(sealing, Sealing::Impossible));
    let metered = || says().metered(Ear::default());
    is_seen(says().boxed().sealing());
    is_seen(metered().sealing());
    is_seen(metered().metered(Ear::default()).boxed().sealing());
    is_seen(BoxStream::new(says().boxed()).sealing());
    is_seen(
        BoxStream::new(metered())
            .boxed()
            .metered(Ear::default())
            .sealing(),
    );
    is_seen(PrefixedStream::new(says().boxed()).sealing());
    is_seen(PrefixedStream::new(metered()).sealing());
    is_seen(
        PrefixedStream::new(says().boxed())
            .boxed()
            .metered(Ear::default())
            .sealing(),
    );
    is_seen(BoxStream::new(PrefixedStream::new(says().boxed())).sealing());
    let plain = PrefixedStream::new(tokio::io::duplex(64).0);
    let mut plain: MeteredStream = plain.metered(Ear::default());
    assert!(matches!(plain.sealing(), Sealing::Clear));
}

#[tokio::test]
async fn where_datagrams_cannot_be_sealed_there_are_none() {
    use tower::ServiceExt;
    use tower_socks::{
        Request,
        proto::{Address, Command},
    };

    within(async {
        let request = || {
            let mut request = Request::new(Command::UDP_ASSOCIATE, Address::UNSPECIFIED);
            request.peer = ([127, 0, 0, 1], 5).into();
            request.local = ([127, 0, 0, 1], 6).into();
            request
        };
        let tunnel = async || Connector::direct().oneshot(request()).await.unwrap();
        let says = || Says(tokio::io::duplex(64).0, || Sealing::Impossible);
        let error = tunnel().await.run(says()).await.unwrap_err();
        assert!(texts(&error).contains("cannot be sealed"), "{error}");
        // Behind what layers put around a tunnel and a stream.
        let wrapped = BoxTunnel::new(tunnel().await.metered(Ear::default()));
        let error = wrapped.run(says()).await.unwrap_err();
        assert!(texts(&error).contains("cannot be sealed"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn udp_over_tcp_stays_in_the_stream() {
    use tower_socks::{layer::udp_over_tcp::UdpOverTcpLayer, proto::UdpOverTcp};

    within(async {
        let method = Gssapi::new(Mock::default());
        let inner = UdpOverTcpLayer::new().layer(Connector::direct());
        let stack = HandshakeLayer::new().layer(AuthLayer::new(method).layer(inner));
        let mut client = Client::new(stack).await;
        let mut context = Sealed::of_client();
        let target = socket("127.0.0.1").await;
        let asks = crate::support::udp_over_tcp::asks_for(UdpOverTcp::V1);
        let said = [
            b"\x05\x01\x01",
            &framed(1, TICKET)[..],
            &context.level(2),
            &context.data(true, asks),
        ];
        client.io.say(&said.concat()).await;
        client.io.hear(b"\x05\x01").await;
        client.io.hear(&framed(1, WELCOME)).await;
        client.io.read_exact(&mut [0; 15]).await.unwrap();
        let mut reply = [0; 24];
        client.io.read_exact(&mut reply).await.unwrap();
        let port = target.local_addr().unwrap().port().to_be_bytes();
        let frame = [&b"\x00\x7f\x00\x00\x01"[..], &port, b"\x00\x04ping"].concat();
        client.io.say(&context.data(true, &frame)).await;
        let (heard, out) = receive(&target).await;
        assert_eq!(heard, b"ping");
        target.send_to(b"pong", out).await.unwrap();
        let mut back = vec![0; 4 + 10 + frame.len()];
        client.io.read_exact(&mut back).await.unwrap();
        context.unwraps_up_to(2);
        let frame = [&b"\x00\x7f\x00\x00\x01"[..], &port, b"\x00\x04pong"].concat();
        assert_eq!(context.opens(&back, true), frame);
        client.io.shutdown().await.unwrap();
    })
    .await;
}
