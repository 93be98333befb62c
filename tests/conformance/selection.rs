//! S: method selection.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};
use tower_socks::{
    BoxError, Connector, Identity, NoAuth, UserPass, io::ClientStream, layer::auth::Authenticate,
    proto::Method, session::Negotiation,
};

use crate::{
    case::{Miss, Outcome, Scope},
    server::{Login, ours, server, server_with_users, users},
    support::stack,
    support::udp::pass,
    talk::{CONNECT, Talk, arrival, echo, leave, target},
};

cases! {
    S1 s1_greeting_cut_into_bytes, "1928, 3", Scope::Any,
        "A greeting may come octet by octet, and with the request and first data right behind it.",
        "One write for each octet of greeting and request; then all of it and data in one write.";
    S2 s2_other_versions_are_closed_without_an_answer, "1928, 3", Scope::Any,
        "Who begins with anything but 05 hears nothing, and the connection is closed.",
        "Every other first octet (another server: some), and a request of HTTP.";
    S3 s3_no_methods_get_ff, "1928, 3", Scope::Any,
        "A greeting that offers no method is answered with FF, and closed.",
        "`05 00`.";
    S4 s4_one_answer_for_any_number_of_methods, "1928, 3", Scope::Any,
        "Of 1 to 255 methods the server takes one that was offered, its favourite, and says so in two octets.",
        "Every length, the method that is taken last; a dialogue behind the longest; ours: two methods, preferred either way.";
    S5 s5_nothing_acceptable_is_ff_and_the_end, "1928, 3", Scope::Any,
        "Where no method suits, FF is the whole answer, and the connection is closed.",
        "Unassigned methods only; with users, an offer of no authentication.";
    S6 s6_private_methods_are_the_users_own, "1928, 3", Scope::Ours("it takes a method of one's own"),
        "Methods 80 to FE can be anybody's own, and methods that nobody knows do no harm.",
        "An `Authenticate` with a challenge, under each of the 127 numbers and among unknown ones.";
    S7 s7_one_deadline_for_the_whole_handshake, "+", Scope::Any,
        "Greeting, authentication and request share a deadline that dribbling does not put off.",
        "An octet a second in each phase: over after 10 s of a clock that jumps (another server: within 60 s of a real one).";
}

async fn s1_greeting_cut_into_bytes() -> Outcome {
    let server = server().await;
    let (listener, dst) = target().await;
    let request = [&[5, CONNECT, 0], &*dst].concat();

    let mut client = server.connect().await?;
    prefixed(
        "octet by octet",
        async {
            client.say_bytewise(&server.hello()).await?;
            client.hear(server.welcome()).await?;
            client.say_bytewise(&request).await?;
            client.bound().await
        }
        .await,
    )?;
    let (mut peer, _) = arrival(&listener).await?;
    echo(&mut client, &mut peer).await?;

    let mut client = server.connect().await?;
    let all = [&server.hello(), &*request, b"first data"].concat();
    client.say(&all).await?;
    client.hear(server.welcome()).await?;
    client.bound().await?;
    let (mut peer, _) = arrival(&listener).await?;
    peer.hear(b"first data").await?;
    echo(&mut client, &mut peer).await
}

async fn s2_other_versions_are_closed_without_an_answer() -> Outcome {
    let server = server().await;
    // Others may speak SOCKS4 as well.
    let octets: Vec<u8> = match server.is_ours() {
        true => (0..=255).filter(|octet| *octet != 5).collect(),
        false => vec![0, 1, 3, 6, 0x16, 0xff],
    };
    for octet in octets {
        let mut client = server.connect().await?;
        client.say(&[octet, 1, 0]).await?;
        let closes = client.closes().await;
        prefixed(&format!("{octet:02x}"), closes)?;
        leave(client);
    }
    let mut client = server.connect().await?;
    client.say(b"GET / HTTP/1.1\r\n\r\n").await?;
    client.closes().await
}

async fn s3_no_methods_get_ff() -> Outcome {
    let mut client = server().await.connect().await?;
    client.say(b"\x05\x00").await?;
    client.hear(b"\x05\xff").await?;
    client.closes().await
}

async fn s4_one_answer_for_any_number_of_methods() -> Outcome {
    let server = server().await;
    for len in 1..=255_u8 {
        let mut client = server.connect().await?;
        client.say(&greeting(server.method(), len)).await?;
        let heard = client.hear(&[5, server.method()]).await;
        prefixed(&format!("{len} methods"), heard)?;
        leave(client);
    }
    let (listener, dst) = target().await;
    let mut client = server.connect().await?;
    client.say(&greeting(server.method(), 255)).await?;
    client.hear(&[5, server.method()]).await?;
    if let Some(login) = &server.login {
        client.say(&login.frame()).await?;
        client.hear(b"\x01\x00").await?;
    }
    client.say(&[&[5, CONNECT, 0], &*dst].concat()).await?;
    client.bound().await?;
    let (mut peer, _) = arrival(&listener).await?;
    echo(&mut client, &mut peer).await?;

    if server.is_ours() {
        let joe = || UserPass::new(users([("joe", "secret")]));
        let names_first = ours(stack((joe(), NoAuth), Connector::direct())).await;
        let anyone_first = ours(stack((NoAuth, joe()), Connector::direct())).await;
        for (server, favourite) in [(names_first, 2), (anyone_first, 0)] {
            for offer in [b"\x05\x02\x00\x02", b"\x05\x02\x02\x00"] {
                let mut client = server.connect().await?;
                client.say(offer).await?;
                client.hear(&[5, favourite]).await?;
            }
        }
    }
    Ok(())
}

/// A greeting with unassigned methods, and this one behind them.
fn greeting(method: u8, len: u8) -> Vec<u8> {
    let mut greeting = vec![0x66; usize::from(len) + 2];
    greeting[..2].copy_from_slice(&[5, len]);
    *greeting.last_mut().unwrap() = method;
    greeting
}

async fn s5_nothing_acceptable_is_ff_and_the_end() -> Outcome {
    let mut client = server().await.connect().await?;
    client.say(b"\x05\x03\x66\x67\x7f").await?;
    client.hear(b"\x05\xff").await?;
    client.closes().await?;

    if let Ok(server) = server_with_users().await {
        let mut client = server.connect().await?;
        client.say(b"\x05\x01\x00").await?;
        client.hear(b"\x05\xff").await?;
        client.closes().await?;
    }
    Ok(())
}

/// A challenge of two octets, answered by their complement.
struct Complement(Method);

impl<Io: ClientStream> Authenticate<Io> for Complement {
    type Stream = Io;

    fn select(&self, negotiation: &Negotiation<Io>) -> Option<Method> {
        Some(self.0).filter(|method| negotiation.offered.contains(*method))
    }

    async fn authenticate(
        &self,
        _: Method,
        Negotiation { mut io, .. }: Negotiation<Io>,
    ) -> Result<(Io, Identity), BoxError> {
        io.write_all(b"\x0f\xf0").await?;
        match io.read_u16().await? {
            0xf00f => Ok((io, Identity::named("machine"))),
            _ => Err("no complement".into()),
        }
    }
}

async fn s6_private_methods_are_the_users_own() -> Outcome {
    let (listener, dst) = target().await;
    for method in 0x80..=0xfe {
        let own = (Complement(Method(method)), NoAuth);
        let server = ours(stack(own, Connector::direct())).await;

        let mut client = server.connect().await?;
        client.say(&[5, 4, 0x66, 0, 0xff, method]).await?;
        client.hear(&[5, method, 0x0f, 0xf0]).await?;
        client
            .say(&[&[0xf0, 0x0f, 5, CONNECT, 0], &*dst].concat())
            .await?;
        client.bound().await?;
        let (mut peer, _) = arrival(&listener).await?;
        echo(&mut client, &mut peer).await?;
        // Both ends, or the server closes one of them first.
        leave(peer);
        leave(client);

        let mut client = server.connect().await?;
        client.say(&[5, 1, method]).await?;
        client.hear(&[5, method, 0x0f, 0xf0]).await?;
        client.say(&[0, 0]).await?;
        client.closes().await?;
        leave(client);

        let mut client = server.connect().await?;
        client.say(&[5, 3, 0x66, 0x7f, 0]).await?;
        client.hear(&[5, 0]).await?;
        leave(client);
    }
    Ok(())
}

async fn s7_one_deadline_for_the_whole_handshake() -> Outcome {
    let server = match server_with_users().await {
        Ok(server) => server,
        Err(_) => server().await,
    };
    let greeting = greeting(server.method(), 255);
    let hello = server.hello();
    let request = [b"\x05\x01\x00\x03\xff", &[b'x'; 255][..]].concat();
    let mut phases = vec![("greeting", Vec::new(), &*greeting)];
    if let Some(login) = &server.login {
        let long = Login::new([b'x'; 255], login.password.clone()).frame();
        phases.push(("authentication", hello[..3].to_vec(), long.leak()));
    }
    phases.push(("request", hello, &request));

    for (phase, said, dribble) in phases {
        let mut client = server.connect().await?;
        client.say(&said).await?;
        if phase == "request" {
            client.hear(server.welcome()).await?;
        } else if phase == "authentication" {
            client.hear(b"\x05\x02").await?;
        }
        let over = match server.is_ours() {
            true => jumps(client, dribble).await,
            false => dribbles(client, dribble).await,
        };
        prefixed(phase, over)?;
    }
    Ok(())
}

/// An octet for each second of a clock that jumps.
async fn jumps(mut client: TcpStream, dribble: &[u8]) -> Outcome {
    for (second, octet) in dribble[..11].iter().enumerate() {
        if second == 5 {
            client.is_silent()?;
        }
        // From its time on the server may be gone.
        let _ = client.try_write(&[*octet]);
        pass(1).await;
    }
    client.closes().await
}

/// An octet for each second of a minute.
async fn dribbles(mut client: TcpStream, dribble: &[u8]) -> Outcome {
    let started = Instant::now();
    for octet in &dribble[..55] {
        let _ = client.try_write(&[*octet]);
        sleep(Duration::from_secs(1)).await;
        let mut more = [0; 16];
        match client.try_read(&mut more) {
            Ok(0) => return Ok(()),
            Err(error) if crate::talk::is_reset(&error) => return Ok(()),
            _ => {}
        }
    }
    let waited = started.elapsed().as_secs();
    let still = |_| Miss::Fails(format!("still there after {waited} s of dribbling"));
    client.closes().await.map_err(still)
}

/// A reason with the part of the case in front.
pub fn prefixed<T>(part: &str, outcome: Result<T, Miss>) -> Result<T, Miss> {
    outcome.map_err(|miss| match miss {
        Miss::Fails(why) => Miss::Fails(format!("{part}: {why}")),
        skipped @ Miss::Skipped(_) => skipped,
    })
}
