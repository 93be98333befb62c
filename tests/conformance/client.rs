//! C: our client, with proxies that do as they like.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tower_socks::{
    Client, ClientError, Connector, NoAuth,
    client::{ClientAuth, Gssapi, Socks4Client},
    error::Fault,
    layer::auth,
    proto::{Address, Command, Credentials, InvalidName, Method, ReplyCode},
};

use crate::{
    association::reaches,
    case::{Miss, Outcome, Scope},
    server::ours,
    support::udp::{address, association::socket},
    support::{
        gssapi::{Mock, Sealed, TICKET, WELCOME, framed},
        has_ipv6, stack,
    },
    talk::{leave, name, shown, within},
};

const OURS: Scope = Scope::Ours("it is about our client");

cases! {
    C1 c1_after_ff_the_client_closes, "1928, 3", OURS,
        "A proxy that takes none of the methods is left.",
        "`05 FF`; the proxy hears the greeting and the end.";
    C2 c2_a_method_that_was_not_offered_is_rejected, "1928, 3", OURS,
        "A proxy that selects a method that was not offered is left.",
        "Each of 01 to FE, for clients with and without a password.";
    C3 c3_long_names_are_refused_early_and_a_bad_status_is_the_end, "1929, 2", OURS,
        "Names and passwords of more than 255 octets are never sent, and a status other than 00 is the end.",
        "256 octets are no credentials, 255 are sent; each status from 01 to FF, and statuses of other versions.";
    C4 c4_replies_of_any_type_and_number_are_taken, "1928, 6", OURS,
        "BND may be a name, and REP a number that nobody knows: it is kept.",
        "Success with each type, names that are none included; every REP from 01 to FF.";
    C5 c5_long_hosts_are_refused_early, "1928, 5", OURS,
        "A host of more than 255 octets is refused before anything is sent.",
        "256 octets are no address; 255 are sent whole.";
    C6 c6_bytes_behind_the_reply_are_kept, "1928, 6", OURS,
        "What comes right behind the reply is the first thing that the stream yields.",
        "Selection, reply and data in one write, and octet by octet.";
    C7 c7_a_wildcard_is_the_proxys_address, "1928, 6", OURS,
        "A BND of zeros means the address at which the proxy was reached.",
        "UDP ASSOCIATE and BIND answered with 0.0.0.0 and ::, over IPv4 and IPv6.";
    C8 c8_the_usable_size_is_told, "1928, 7", OURS,
        "The client says how much fits into a datagram: 65,507 octets less 10, 262 or 22.",
        "For each address type; the most passes a server of ours whole, and one octet more is an error.";
    C9 c9_socks4_is_not_asked_for_what_it_cannot_say, "SOCKS4", OURS,
        "Our SOCKS4 client refuses IPv6 targets, names without 4a and USERIDs that do not fit before an octet is sent.",
        "IPv6, 0.0.0.5 that stands for a name, a name to a proxy without them, a NUL, 256 octets; each hears nothing.";
    C10 c10_codes_about_onion_services_have_names, "Tor's", OURS,
        "Tor's codes F0 to F7 about an onion service have names, and are the target's fault.",
        "Each in reply to CONNECT, and their neighbours, which have none.";
    C11 c11_gssapi_with_a_proxy_that_proves_who_it_is, "1961, 3.2 and 4.4", OURS,
        "Over GSS-API our client goes on only where the proxy has proven who it is, and leaves where it does not accept the level.",
        "A right token, a wrong one, a refusal; levels 0 to 4 in answer to 2; what a context is asked to protect for each command.";
}

/// What the proxy heard, once the client had closed.
type Heard = JoinHandle<Result<Vec<u8>, Miss>>;

/// A connection to a proxy that says all of this at once, whatever it hears.
async fn proxy_saying(says: impl Into<Vec<u8>>) -> Result<(TcpStream, Heard), Miss> {
    proxy_on("127.0.0.1:0", [says.into()]).await
}

/// The same, a write for each piece.
async fn proxy_on(
    listen: &str,
    says: impl IntoIterator<Item = Vec<u8>>,
) -> Result<(TcpStream, Heard), Miss> {
    let listener = TcpListener::bind(listen).await.unwrap();
    let pieces: Vec<_> = says.into_iter().collect();
    let client = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (mut proxy, _) = within("the client comes", listener.accept()).await?;
    proxy.set_nodelay(true).unwrap();
    let heard = tokio::spawn(async move {
        for piece in pieces {
            // The client may have heard enough.
            let _ = proxy.write_all(&piece).await;
            tokio::task::yield_now().await;
        }
        let mut heard = Vec::new();
        let end = within("the end of the client", proxy.read_to_end(&mut heard)).await;
        leave(proxy);
        match end {
            // What the client had not read makes its end a reset.
            Err(Miss::Fails(why)) if !why.contains("reset") => Err(Miss::Fails(why)),
            _ => Ok(heard),
        }
    });
    Ok((client, heard))
}

/// The target of all requests here, and the request for it.
fn there() -> Address {
    "192.0.2.1:80".parse().unwrap()
}

const CONNECT: &[u8] = b"\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50";
const CONNECTED: &[u8] = b"\x05\x00\x00\x01\xc6\x33\x64\x07\x10\xe1";

fn joe() -> Credentials {
    Credentials::new("joe", "secret").unwrap()
}

/// The error, where the proxy has heard this and then the end.
async fn fails<L>(client: &Client<L>, says: &[u8], hears: &[u8]) -> Result<ClientError, Miss>
where
    L: ClientAuth<TcpStream>,
{
    let (io, heard) = proxy_saying(says).await?;
    let Err(error) = client.connect(io, there()).await else {
        return Err(Miss::Fails(format!("{} is a success", shown(says))));
    };
    let heard = heard.await.unwrap()?;
    ensure!(heard == hears, "the proxy hears {}", shown(&heard));
    Ok(error)
}

async fn c1_after_ff_the_client_closes() -> Outcome {
    let error = fails(&Client::new(), b"\x05\xff", b"\x05\x01\x00").await?;
    let right = matches!(error, ClientError::NoAcceptableMethod { .. });
    ensure!(right, "{error}");
    let client = Client::new().credentials(joe());
    let error = fails(&client, b"\x05\xff", b"\x05\x02\x00\x02").await?;
    let right = matches!(error, ClientError::NoAcceptableMethod { .. });
    ensure!(right, "{error}");
    Ok(())
}

async fn c2_a_method_that_was_not_offered_is_rejected() -> Outcome {
    for selected in 1..=0xfe {
        let mut errors = vec![fails(&Client::new(), &[5, selected], b"\x05\x01\x00").await?];
        if selected != 2 {
            let client = Client::new().credentials(joe());
            errors.push(fails(&client, &[5, selected], b"\x05\x02\x00\x02").await?);
        }
        for error in errors {
            let right = matches!(error, ClientError::NotOffered { selected: method, .. }
                if method == Method(selected));
            ensure!(right, "{selected:02x}: {error}");
        }
    }
    let error = fails(&Client::with(joe()), b"\x05\x00", b"\x05\x01\x02").await?;
    ensure!(matches!(error, ClientError::NotOffered { .. }), "{error}");
    Ok(())
}

async fn c3_long_names_are_refused_early_and_a_bad_status_is_the_end() -> Outcome {
    let (longest, longer) = ([0xa7; 255], [0xa7; 256]);
    let long_name = Credentials::new(longer, longest).is_some();
    let long_password = Credentials::new(longest, longer).is_some();
    ensure!(!long_name && !long_password, "256 octets are taken");

    let client = Client::with(Credentials::new(longest, longest).unwrap());
    let (io, heard) = proxy_saying([b"\x05\x02\x01\x00", CONNECTED].concat()).await?;
    drop(connected(&client, io).await?);
    let said = [
        b"\x05\x01\x02\x01\xff",
        &longest[..],
        &[255],
        &longest,
        CONNECT,
    ]
    .concat();
    let heard = heard.await.unwrap()?;
    ensure!(heard == said, "the proxy hears {}", shown(&heard));

    let said = b"\x05\x01\x02\x01\x03joe\x06secret";
    for status in 1..=0xff {
        let error = fails(&Client::with(joe()), &[5, 2, 1, status], said).await?;
        ensure!(
            matches!(error, ClientError::Denied),
            "{status:02x}: {error}"
        );
    }
    for version in [0, 2, 5, 0xff] {
        let error = fails(&Client::with(joe()), &[5, 2, version, 0], said).await?;
        let right = matches!(error, ClientError::NotSocks { .. });
        ensure!(right, "version {version:02x}: {error}");
    }
    Ok(())
}

/// A connection that has to come about.
async fn connected<L>(
    client: &Client<L>,
    io: TcpStream,
) -> Result<tower_socks::session::Connected<L::Stream>, Miss>
where
    L: ClientAuth<TcpStream>,
{
    let connected = async {
        let connected = client.connect(io, there()).await;
        connected.map_err(io::Error::from)
    };
    within("the client", connected).await
}

async fn c4_replies_of_any_type_and_number_are_taken() -> Outcome {
    let longest = "x".repeat(255);
    for (bound, expected) in [
        (
            address("198.51.100.7:4321".parse().unwrap()),
            "198.51.100.7:4321",
        ),
        (
            address("[2001:db8::7]:4321".parse().unwrap()),
            "[2001:db8::7]:4321",
        ),
        (name("proxy.example", 4321), "proxy.example:4321"),
        (name(&longest, 4321), &*format!("{longest}:4321")),
    ] {
        let says = [b"\x05\x00\x05\x00\x00", &*bound].concat();
        let (io, _) = proxy_saying(says).await?;
        let is = connected(&Client::new(), io).await?.bound().to_string();
        ensure!(is == expected, "BND {is} instead of {expected}");
    }
    for odd in [&b""[..], b"a b", b"\0", b"\xff\xfe"] {
        let says = [b"\x05\x00\x05\x00\x00", &*name(odd, 4321)].concat();
        connected(&Client::new(), proxy_saying(says).await?.0).await?;
    }
    let said = [b"\x05\x01\x00", CONNECT].concat();
    for code in 1..=0xff {
        for rest in [&address(([0; 4], 0).into()), &name("proxy.example", 1)] {
            let says = [&[5, 0, 5, code, 0], &**rest].concat();
            let error = fails(&Client::new(), &says, &said).await?;
            let kept = matches!(error, ClientError::Refused(ReplyCode(told)) if told == code);
            ensure!(kept, "{code:02x}: {error}");
        }
    }
    Ok(())
}

async fn c5_long_hosts_are_refused_early() -> Outcome {
    let longer = Address::new(&"x".repeat(256), 80);
    ensure!(longer == Err(InvalidName::TooLong), "{longer:?}");
    let longest = "x".repeat(255);
    let target = Address::new(&longest, 443).unwrap();
    let (io, heard) = proxy_saying([b"\x05\x00", CONNECTED].concat()).await?;
    let connected = Client::new().connect(io, target).await;
    ensure!(connected.is_ok(), "{connected:?}");
    drop(connected);
    let said = [b"\x05\x01\x00\x05\x01\x00", &*name(&longest, 443)].concat();
    let heard = heard.await.unwrap()?;
    ensure!(heard == said, "the proxy hears {}", shown(&heard));
    Ok(())
}

async fn c6_bytes_behind_the_reply_are_kept() -> Outcome {
    let all = [b"\x05\x00", CONNECTED, b"220 hello"].concat();
    let pieces = all.chunks(1).map(<[u8]>::to_vec);
    for says in [vec![all.clone()], pieces.collect()] {
        let (io, _) = proxy_on("127.0.0.1:0", says).await?;
        let mut stream = connected(&Client::new(), io).await?;
        let mut heard = [0; 9];
        within("the greeting", stream.read_exact(&mut heard)).await?;
        ensure!(heard == *b"220 hello", "{}", shown(&heard));
    }
    Ok(())
}

async fn c9_socks4_is_not_asked_for_what_it_cannot_say() -> Outcome {
    let plain = Socks4Client::new;
    let long = [b'u'; 256];
    for (client, target) in [
        (plain(), "[2001:db8::1]:80"),
        (plain(), "0.0.0.5:80"),
        (plain().without_names(), "example.com:80"),
        (plain().user_id("jo\0e"), "192.0.2.1:80"),
        (plain().user_id(long), "192.0.2.1:80"),
    ] {
        let (io, heard) = proxy_saying(b"\x00\x5a\0\0\0\0\0\0").await?;
        let error = client.connect(io, target).await.err();
        let right = matches!(error, Some(ClientError::Unencodable(_)));
        ensure!(right, "{target}: {error:?}");
        let heard = heard.await.unwrap()?;
        ensure!(heard.is_empty(), "the proxy hears {}", shown(&heard));
    }
    Ok(())
}

async fn c7_a_wildcard_is_the_proxys_address() -> Outcome {
    let mut places = vec![("127.0.0.1", "127.0.0.1:0")];
    places.extend(has_ipv6().then_some(("::1", "[::1]:0")));
    for (ip, listen) in places {
        for zeros in ["0.0.0.0:4321", "[::]:4321"] {
            let bound = address(zeros.parse().unwrap());
            let says = [b"\x05\x00\x05\x00\x00", &*bound].concat();
            let proxy = SocketAddr::new(ip.parse().unwrap(), 4321);

            let (io, _proxy) = proxy_on(listen, [says.clone()]).await?;
            let socket = Client::new().associate(io).await;
            let relay = socket.as_ref().map(|socket| socket.relay_addr());
            ensure!(
                relay.as_ref().ok() == Some(&Some(proxy)),
                "UDP at {relay:?}, not {proxy}"
            );

            let (io, _proxy) = proxy_on(listen, [says]).await?;
            let bind = Client::new().bind(io, there()).await;
            let bound = bind.as_ref().map(|bind| bind.bound().to_string());
            let right = bound
                .as_ref()
                .is_ok_and(|bound| *bound == proxy.to_string());
            ensure!(right, "BIND at {bound:?}, not {proxy}");
        }
    }
    Ok(())
}

async fn c8_the_usable_size_is_told() -> Outcome {
    let server = ours(stack(NoAuth, Connector::direct())).await;
    let target = socket("127.0.0.1").await;
    let by_v4 = Address::from(target.local_addr().unwrap());
    let by_v6: Address = "[::1]:80".parse().unwrap();
    let by_name = Address::new("localhost", by_v4.port()).unwrap();
    let socket = Client::new().associate(server.connect().await?).await;
    let mut socket = socket.map_err(|error| Miss::Fails(error.to_string()))?;
    for (to, header) in [(&by_v4, 10), (&by_v6, 22), (&by_name, 262)] {
        let (is, should) = (socket.max_payload(to), 65_507 - header);
        ensure!(is == should, "{is} octets for {to}, not {should}");
    }
    let most = vec![7; 65_497];
    within("sending", socket.send_to(&most, &by_v4)).await?;
    let source = reaches(&target, &most).await?;
    target.send_to(&most, source).await.unwrap();
    let mut room = vec![0; 65_507];
    let (len, from) = within("receiving", socket.recv_from(&mut room)).await?;
    ensure!(
        room[..len] == most && from == by_v4,
        "{len} octets from {from}"
    );

    let error = socket.send_to(&[7; 65_498], &by_v4).await.err();
    let error = error
        .and_then(|error| error.into_inner())
        .map(|error| error.to_string());
    ensure!(error.is_some(), "65,498 octets are sent");
    Ok(())
}

async fn c10_codes_about_onion_services_have_names() -> Outcome {
    let said = [b"\x05\x01\x00", CONNECT].concat();
    let mut names = std::collections::HashSet::new();
    for code in 0xef..=0xf8 {
        let error = fails(&Client::new(), &[5, 0, 5, code], &said).await?;
        let about_onions = (0xf0..=0xf7).contains(&code);
        let name = error.to_string();
        let named = name.starts_with("proxy replied: onion service");
        ensure!(named == about_onions, "{code:02x}: {name}");
        let is_targets = Fault::of(&error) == Fault::Target;
        ensure!(
            is_targets == about_onions,
            "{code:02x}: {:?}",
            Fault::of(&error)
        );
        ensure!(names.insert(name), "{code:02x} has the name of another one");
    }
    Ok(())
}

async fn c11_gssapi_with_a_proxy_that_proves_who_it_is() -> Outcome {
    let client = || Client::with(Gssapi::new(Mock::default()));
    let ticket = [b"\x05\x01\x01", &framed(1, TICKET)[..]].concat();
    for says in [
        framed(1, b"welc0me"),
        b"\x01\xff".to_vec(),
        framed(3, WELCOME),
    ] {
        let says = [b"\x05\x01", &says[..]].concat();
        let error = fails(&client(), &says, &ticket).await?;
        let right = matches!(error, ClientError::Authentication(_) | ClientError::Denied);
        ensure!(right, "{error}");
    }
    let level = Sealed::of_client().level(2);
    for answer in 0..=4 {
        let mut server = Sealed::new(false, &Mock::default());
        let answer_message = server.level(answer);
        let welcome = framed(1, WELCOME);
        let says = [b"\x05\x01", &welcome[..], &answer_message].concat();
        if answer == 1 || answer == 2 {
            let reply = server.data(answer == 2, CONNECTED);
            let (io, _) = proxy_saying([says, reply].concat()).await?;
            drop(connected(&client(), io).await?);
        } else {
            let error = fails(&client(), &says, &[&ticket[..], &level].concat()).await?;
            let right = matches!(error, ClientError::Authentication(_));
            ensure!(right, "level {answer}: {error}");
        }
    }
    // Datagrams overtake each other: the mechanism hears what for.
    let mock = Mock::default();
    let commands = std::sync::Arc::clone(&mock.commands);
    let client = Client::with(Gssapi::new(mock));
    let server = ours(stack(
        auth::Gssapi::new(Mock::default()),
        Connector::direct(),
    ))
    .await;
    let associated = client.associate(server.connect().await?).await;
    ensure!(associated.is_ok(), "{associated:?}");
    let asked = commands.lock().unwrap().clone();
    ensure!(asked == [Command::UDP_ASSOCIATE], "{asked:?}");
    Ok(())
}
