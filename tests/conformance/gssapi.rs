//! G: GSS-API, over a mechanism whose tokens are written out.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tower::{Layer, ServiceExt};
use tower_socks::{
    AuthLayer, Connector, HandshakeLayer, Request, layer::auth::Gssapi, proto::ProtectionLevel,
};

use crate::{
    case::{Outcome, Scope},
    server::{Server, ours},
    support::{
        gssapi::{Mock, OVERHEAD, Sealed, TICKET, WELCOME, framed},
        stack,
        udp::{
            address,
            association::{assert_silent, datagram, receive, socket},
        },
    },
    talk::{ASSOCIATE, BIND, CONNECT, Talk, arrival, shown, target, within},
};

const OURS: Scope = Scope::Ours("its mechanism is one of the test's");

cases! {
    G1 g1_frames_and_a_refusal_of_two_octets, "1961, 3.4 and 3.8", OURS,
        "Messages are 01, their type, LEN and a token; a refusal is `01 FF`, nothing else, and the end.",
        "A whole dialogue octet by octet; tickets that are refused, other versions, other types, types that are not due.";
    G2 g2_nothing_left_to_say_is_a_length_of_0, "1961, 3.6", OURS,
        "A server whose context stands and that has no token left sends LEN 0.",
        "Mechanisms with and without a last token.";
    G3 g3_the_level_is_asked_for_and_answered, "1961, 4", OURS,
        "The client asks for a level of protection, and the server answers with what it allows.",
        "Levels 0 to 3 and unknown ones, of servers that allow one, two and three of them.";
    G4 g4_everything_behind_is_encapsulated, "1961, 5", OURS,
        "Request, replies, both of BIND, relayed octets and each datagram are inside messages, encrypted as agreed on.",
        "CONNECT, BIND and UDP ASSOCIATE at levels 1, 2 and 3.";
    G5 g5_in_clear_by_name_only, "+", OURS,
        "Level 0, and a level that is itself unprotected (NEC's), are taken only where they are allowed by name.",
        "Both, allowed and not; a datagram in clear beside a stream that is not.";
    G6 g6_what_does_not_unwrap_ends_the_session, "1961, 5", OURS,
        "A message that was changed, repeated or not encrypted ends the session, and nothing of it reaches the target.",
        "Each behind one that is right.";
    G7 g7_datagrams_cost_themselves_only, "+", OURS,
        "Datagrams that are lost, overtaken, repeated or changed cost no other.",
        "One of each, and others before and behind.";
    G8 g8_rounds_tokens_and_steps_are_bounded, "+", OURS,
        "A client sends 8 tokens at most; steps of the mechanism are bounded in number; one deadline holds for all.",
        "Nine tokens; twenty clients whose steps take 50 ms, with two turns; a token of which one octet comes.";
    G9 g9_the_principal_is_the_identity, "+", OURS,
        "The name that the mechanism has for a client is its identity, as a whole.",
        "A ticket, and what the service for requests sees.";
}

fn levels(levels: &[u8]) -> Gssapi<Mock> {
    let method = Gssapi::new(Mock::default());
    method.levels(levels.iter().copied().map(ProtectionLevel))
}

async fn server(method: Gssapi<Mock>) -> Server {
    ours(stack(method, Connector::direct())).await
}

/// A client with a ticket.
struct Client {
    io: TcpStream,
    context: Sealed,
    encrypts: bool,
}

impl Client {
    /// Has a context that stands, and asks for this level.
    async fn asking(server: &Server, level: u8) -> Result<Self, crate::case::Miss> {
        let mut io = server.connect().await?;
        let mut context = Sealed::of_client();
        io.say(b"\x05\x01\x01").await?;
        io.hear(b"\x05\x01").await?;
        io.say(&framed(1, TICKET)).await?;
        io.hear(&framed(1, WELCOME)).await?;
        io.say(&context.level(level)).await?;
        let encrypts = level != 1;
        Ok(Self {
            io,
            context,
            encrypts,
        })
    }

    /// The level that the server answers with.
    async fn level(&mut self) -> Result<u8, crate::case::Miss> {
        let head = self.io.octets(4).await?;
        let len = 1 + OVERHEAD;
        ensure!(head == [1, 2, 0, 11], "{} for a level", shown(&head));
        let token = self.io.octets(len).await?;
        Ok(self.context.opens(&[head, token].concat(), false)[0])
    }

    /// Behind the level that it asked for.
    async fn at(server: &Server, level: u8) -> Result<Self, crate::case::Miss> {
        let mut client = Self::asking(server, level).await?;
        let answer = client.level().await?;
        ensure!(answer == level, "level {answer} for {level}");
        Ok(client)
    }

    async fn say(&mut self, message: &[u8]) -> Outcome {
        let message = self.context.data(self.encrypts, message);
        self.io.say(&message).await
    }

    /// So many octets, in messages.
    async fn octets(&mut self, len: usize) -> Result<Vec<u8>, crate::case::Miss> {
        let mut octets = Vec::new();
        while octets.len() < len {
            let head = self.io.octets(4).await?;
            ensure!(head[..2] == [1, 3], "{} for data", shown(&head));
            let token = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let token = self.io.octets(token).await?;
            let message = [head, token].concat();
            octets.extend(self.context.opens(&message, self.encrypts));
        }
        ensure!(octets.len() == len, "{} octets, not {len}", octets.len());
        Ok(octets)
    }

    async fn asks(&mut self, command: u8, dst: &[u8]) -> Outcome {
        self.say(&[&[5, command, 0], dst].concat()).await
    }

    /// The port of a reply that is a success.
    async fn port(&mut self) -> Result<u16, crate::case::Miss> {
        let reply = self.octets(10).await?;
        ensure!(reply[..4] == [5, 0, 0, 1], "reply {}", shown(&reply));
        Ok(u16::from_be_bytes([reply[8], reply[9]]))
    }
}

/// What a server refuses behind the greeting.
async fn refused(server: &Server, said: &[u8]) -> Outcome {
    let mut io = server.connect().await?;
    io.say(b"\x05\x01\x01").await?;
    io.hear(b"\x05\x01").await?;
    io.say(said).await?;
    io.hear(b"\x01\xff").await?;
    io.closes().await
}

async fn g1_frames_and_a_refusal_of_two_octets() -> Outcome {
    let server = server(levels(&[2])).await;
    let (target, dst) = target().await;
    let mut client = server.connect().await?;
    let mut context = Sealed::of_client();
    let said = [
        &framed(1, TICKET)[..],
        &context.level(2),
        &context.data(true, &[&[5, CONNECT, 0], &dst[..]].concat()),
    ];
    client
        .say_bytewise(&[b"\x05\x01\x01", &said.concat()[..]].concat())
        .await?;
    client.hear(b"\x05\x01").await?;
    client.hear(b"\x01\x01\x00\x07welcome").await?;
    arrival(&target).await?;
    for bad in [
        framed(1, b"expired"),
        framed(1, b""),
        framed(2, TICKET),
        framed(3, TICKET),
        framed(4, TICKET),
        b"\x01\xff".to_vec(),
        b"\x02\x01\x00\x00".to_vec(),
    ] {
        refused(&server, &bad).await?;
    }
    Ok(())
}

async fn g2_nothing_left_to_say_is_a_length_of_0() -> Outcome {
    for (silent, answer) in [(true, framed(1, b"")), (false, framed(1, WELCOME))] {
        let mock = Mock {
            silent,
            ..Mock::default()
        };
        let mut client = server(Gssapi::new(mock)).await.connect().await?;
        client.say(b"\x05\x01\x01").await?;
        client.hear(b"\x05\x01").await?;
        client.say(&framed(1, TICKET)).await?;
        client.hear(&answer).await?;
    }
    Ok(())
}

async fn g3_the_level_is_asked_for_and_answered() -> Outcome {
    let allowed: [(&[u8], [u8; 5]); 4] = [
        (&[2], [2, 2, 2, 2, 2]),
        (&[2, 1], [2, 1, 2, 2, 2]),
        (&[1, 2], [1, 1, 2, 1, 1]),
        (&[3, 2, 1], [3, 1, 2, 3, 3]),
    ];
    for (allowed, answers) in allowed {
        let server = server(levels(allowed)).await;
        for (asked, expected) in [0, 1, 2, 3, 9].into_iter().zip(answers) {
            let answer = Client::asking(&server, asked).await?.level().await?;
            ensure!(
                answer == expected,
                "{answer} for {asked} where {allowed:?} are allowed"
            );
        }
    }
    Ok(())
}

async fn g4_everything_behind_is_encapsulated() -> Outcome {
    for level in 1..=3 {
        let server = server(levels(&[level])).await;
        let (listener, dst) = target().await;
        let mut client = Client::at(&server, level).await?;
        client.asks(CONNECT, &dst).await?;
        client.port().await?;
        let (mut target, _) = arrival(&listener).await?;
        client.say(b"from the client").await?;
        target.hear(b"from the client").await?;
        target.say(b"from the target").await?;
        let heard = client.octets(15).await?;
        ensure!(heard == b"from the target", "{}", shown(&heard));

        let mut client = Client::at(&server, level).await?;
        client
            .asks(BIND, &address(([127, 0, 0, 1], 0).into()))
            .await?;
        let port = client.port().await?;
        let connect = TcpStream::connect(("127.0.0.1", port));
        let mut peer = within("the peer connects", connect).await?;
        let from = client.port().await?;
        ensure!(
            from == peer.local_addr().unwrap().port(),
            "peer at port {from}"
        );
        peer.say(b"220 hello").await?;
        let heard = client.octets(9).await?;
        ensure!(heard == b"220 hello", "{}", shown(&heard));

        let mut client = Client::at(&server, level).await?;
        client
            .asks(ASSOCIATE, &address(([0, 0, 0, 0], 0).into()))
            .await?;
        let relay = ("127.0.0.1", client.port().await?);
        let (udp, target) = (socket("127.0.0.1").await, socket("127.0.0.1").await);
        let dst = address(target.local_addr().unwrap());
        let encrypts = client.encrypts;
        let sealed = client.context.data(encrypts, &datagram(0, &dst, b"ping"));
        within("sending", udp.send_to(&sealed, relay)).await?;
        let (heard, out) = receive(&target).await;
        ensure!(heard == b"ping", "{}", shown(&heard));
        within("sending", target.send_to(b"pong", out)).await?;
        let (heard, _) = receive(&udp).await;
        let opened = client.context.opens(&heard, encrypts);
        ensure!(opened == datagram(0, &dst, b"pong"), "{}", shown(&opened));
    }
    Ok(())
}

async fn g5_in_clear_by_name_only() -> Outcome {
    let strict = server(levels(&[1, 2])).await;
    let answer = Client::asking(&strict, 0).await?.level().await?;
    ensure!(answer == 1, "level {answer} for 0");
    let mut io = strict.connect().await?;
    io.say(b"\x05\x01\x01").await?;
    io.say(&framed(1, TICKET)).await?;
    io.say(b"\x01\x02\x00\x01\x01").await?;
    io.hear(b"\x05\x01").await?;
    io.hear(&framed(1, WELCOME)).await?;
    io.hear(b"\x01\xff").await?;
    io.closes().await?;

    let lax = server(levels(&[1, 2]).allow_clear().allow_nec()).await;
    let (listener, dst) = target().await;
    let mut client = Client::at(&lax, 0).await?;
    client
        .io
        .say(&[&[5, CONNECT, 0], &dst[..]].concat())
        .await?;
    client.io.bound().await?;
    let (mut target, _) = arrival(&listener).await?;
    crate::talk::echo(&mut client.io, &mut target).await?;
    let mut io = lax.connect().await?;
    io.say(b"\x05\x01\x01").await?;
    io.say(&framed(1, TICKET)).await?;
    io.say(b"\x01\x02\x00\x01\x02").await?;
    io.hear(b"\x05\x01").await?;
    io.hear(&framed(1, WELCOME)).await?;
    io.hear(b"\x01\x02\x00\x01\x02").await?;

    // A datagram that is not protected as the stream is.
    let mut client = Client::at(&strict, 2).await?;
    client
        .asks(ASSOCIATE, &address(([0, 0, 0, 0], 0).into()))
        .await?;
    let relay = ("127.0.0.1", client.port().await?);
    let (udp, target) = (socket("127.0.0.1").await, socket("127.0.0.1").await);
    let dst = address(target.local_addr().unwrap());
    let plain = client.context.data(false, &datagram(0, &dst, b"plain"));
    let sealed = client.context.data(true, &datagram(0, &dst, b"sealed"));
    for octets in [datagram(0, &dst, b"clear"), plain, sealed] {
        within("sending", udp.send_to(&octets, relay)).await?;
    }
    let (heard, _) = receive(&target).await;
    ensure!(heard == b"sealed", "{}", shown(&heard));
    Ok(())
}

async fn g6_what_does_not_unwrap_ends_the_session() -> Outcome {
    let server = server(levels(&[2])).await;
    for kind in ["changed", "repeated", "not encrypted"] {
        let (listener, dst) = target().await;
        let mut client = Client::at(&server, 2).await?;
        client.asks(CONNECT, &dst).await?;
        client.port().await?;
        let (mut target, _) = arrival(&listener).await?;
        let good = client.context.data(true, b"good");
        let mut bad = match kind {
            "repeated" => good.clone(),
            "changed" => client.context.data(true, b"evil"),
            _ => client.context.data(false, b"evil"),
        };
        if kind == "changed" {
            bad[12] ^= 0x20;
        }
        let behind = client.context.data(true, b"behind");
        client.io.say(&[good, bad, behind].concat()).await?;
        target.hear(b"good").await?;
        target.closes().await?;
        client.io.closes().await?;
    }
    Ok(())
}

async fn g7_datagrams_cost_themselves_only() -> Outcome {
    let server = server(levels(&[2])).await;
    let mut client = Client::at(&server, 2).await?;
    client
        .asks(ASSOCIATE, &address(([0, 0, 0, 0], 0).into()))
        .await?;
    let relay = ("127.0.0.1", client.port().await?);
    let (udp, target) = (socket("127.0.0.1").await, socket("127.0.0.1").await);
    let dst = address(target.local_addr().unwrap());
    let mut sealed = |payload: &[u8]| client.context.data(true, &datagram(0, &dst, payload));
    let _lost = sealed(b"lost");
    let (late, early) = (sealed(b"late"), sealed(b"early"));
    let mut changed = sealed(b"changed");
    changed[20] ^= 1;
    let last = sealed(b"last");
    for octets in [&changed, &early, &late, &early, &late, &last] {
        within("sending", udp.send_to(octets, relay)).await?;
    }
    for expected in [&b"early"[..], b"late", b"last"] {
        let (heard, _) = receive(&target).await;
        ensure!(heard == expected, "{}", shown(&heard));
    }
    assert_silent(&target);
    Ok(())
}

async fn g8_rounds_tokens_and_steps_are_bounded() -> Outcome {
    let strict = server(levels(&[2])).await;
    let mut client = strict.connect().await?;
    client.say(b"\x05\x01\x01").await?;
    client.hear(b"\x05\x01").await?;
    for _ in 0..7 {
        client.say(&framed(1, b"more")).await?;
        client.hear(&framed(1, b"go on")).await?;
    }
    client.say(&framed(1, b"more")).await?;
    client.hear(b"\x01\xff").await?;
    client.closes().await?;

    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (running, highest) = (Arc::clone(&now), Arc::clone(&most));
    let slow = Mock {
        hook: Some(Arc::new(move || {
            highest.fetch_max(1 + running.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(50));
            running.fetch_sub(1, Ordering::SeqCst);
        })),
        ..Mock::default()
    };
    let slow = server(Gssapi::new(slow).turns(2)).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = slow.connect().await?;
        client
            .say(&[b"\x05\x01\x01", &framed(1, TICKET)[..]].concat())
            .await?;
        clients.push(client);
    }
    for mut client in clients {
        client.hear(b"\x05\x01").await?;
        client.hear(&framed(1, WELCOME)).await?;
    }
    let most = most.load(Ordering::SeqCst);
    ensure!(most == 2, "{most} steps at once");

    let layer = HandshakeLayer::new().deadline(Duration::from_millis(300));
    let auth = AuthLayer::new(levels(&[2]));
    let hasty = ours(layer.layer(auth.layer(Connector::direct()))).await;
    let mut client = hasty.connect().await?;
    client.say(b"\x05\x01\x01").await?;
    client.hear(b"\x05\x01").await?;
    client.say(b"\x01\x01\xff\xffx").await?;
    sleep(Duration::from_millis(100)).await;
    client.is_silent()?;
    client.closes().await
}

async fn g9_the_principal_is_the_identity() -> Outcome {
    let seen = Arc::new(Mutex::new(None));
    let sees = Arc::clone(&seen);
    let dial = Connector::direct().map_request(move |request: Request| {
        *sees.lock().unwrap() = request.identity.name().map(<[u8]>::to_vec);
        request
    });
    let server = ours(stack(levels(&[2]), dial)).await;
    let (listener, dst): (TcpListener, _) = target().await;
    let mut client = Client::at(&server, 2).await?;
    client.asks(CONNECT, &dst).await?;
    client.port().await?;
    arrival(&listener).await?;
    let name = seen.lock().unwrap().take();
    ensure!(name.as_deref() == Some(b"joe@REALM"), "{name:?}");
    Ok(())
}
