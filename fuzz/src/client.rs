//! Our client and a proxy that says anything.
//!
//! The first octet of an input has the client's terms, the second how what the proxy says is cut;
//! the rest is what it says, and then it closes.

use tokio::{io::AsyncReadExt, runtime::Builder};
use tower_socks::{
    Client,
    client::{ClientError, ClientFault},
    proto::{Address, Credentials},
};

use crate::{pieces::pieces, script::Input, stream::Scripted};

/// What the client is to do.
#[derive(Clone, Copy, Debug)]
struct Terms {
    credentials: bool,
    optimistic: bool,
    binds: bool,
    target: u8,
}

/// How it went: where the stream's own octets begin and what they are, or why there are none; and
/// what the proxy heard.
type Outcome = (Result<Vec<u8>, (String, ClientFault)>, Vec<u8>);

/// CONNECT and BIND through a proxy.
pub fn client(data: &[u8]) {
    let mut input = Input::new(data);
    let octet = input.octet();
    let terms = Terms {
        credentials: octet & 1 != 0,
        optimistic: octet & 2 != 0,
        binds: octet & 4 != 0,
        target: (octet >> 3) & 3,
    };
    let seed = input.octet();
    let said = input.rest();
    let (outcome, heard) = ask(terms, said, 0);
    assert_eq!(
        ask(terms, said, seed),
        (outcome.clone(), heard.clone()),
        "cut by {seed}"
    );

    let (expected, replied) = dialogue(terms, said);
    match outcome {
        Ok(rest) => {
            assert_eq!(replied.map(|at| &said[at..]), Some(&*rest));
            assert_eq!(heard, expected);
        }
        Err(error) => {
            assert!(replied.is_none(), "{error:?}");
            assert!(expected.starts_with(&heard));
        }
    }
}

fn ask(terms: Terms, said: &[u8], seed: u8) -> Outcome {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets");
    let (stream, book) = Scripted::says(pieces(said, seed));
    let outcome = runtime.block_on(async {
        let mut client = Client::new();
        if terms.credentials {
            let credentials = Credentials::new("joe", "secret").expect("short enough");
            client = client.credentials(credentials);
        }
        if terms.optimistic {
            client = client.optimistic();
        }
        let target = target(terms.target);
        let mut stream = if terms.binds {
            let listener = client.bind(stream, target).await?;
            listener.accept().await?.0
        } else {
            client.connect(stream, target).await?
        };
        let mut rest = Vec::new();
        stream
            .read_to_end(&mut rest)
            .await
            .expect("a script without failures");
        Ok(rest)
    });
    let outcome = outcome.map_err(|error: ClientError| {
        let texts = format!("{error} {error:?}");
        assert!(!texts.contains("secret"), "{texts}");
        (error.to_string(), error.fault())
    });
    let heard = book.open().written.clone();
    (outcome, heard)
}

fn target(kind: u8) -> Address {
    match kind {
        0 => Address::Ip(([192, 0, 2, 1], 80).into()),
        1 => Address::Ip(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 443).into()),
        2 => Address::new("example.com", 443).expect("a name"),
        _ => Address::new(&"x".repeat(255), 65_535).expect("the longest name"),
    }
}

/// What a client has to say that is let in, and where its stream begins, if the proxy has let it in
/// and has done what it was asked for. Without a decoder of the crate's.
fn dialogue(terms: Terms, said: &[u8]) -> (Vec<u8>, Option<usize>) {
    let offered: &[u8] = match (terms.credentials, terms.optimistic) {
        (true, true) => &[2],
        (true, false) => &[0, 2],
        (false, _) => &[0],
    };
    let mut expected = vec![5, offered.len() as u8];
    expected.extend_from_slice(offered);
    let selected = match said {
        [5, method, ..] if offered.contains(method) => Some(*method),
        _ => None,
    };
    let login = match (selected, terms.optimistic) {
        (Some(method), _) => method == 2,
        (None, optimistic) => optimistic && terms.credentials,
    };
    if login {
        expected.extend_from_slice(b"\x01\x03joe\x06secret");
    }
    let command = if terms.binds { 2 } else { 1 };
    expected.extend_from_slice(&[5, command, 0]);
    match target(terms.target) {
        Address::Ip(std::net::SocketAddr::V4(address)) => {
            expected.push(1);
            expected.extend_from_slice(&address.ip().octets());
        }
        Address::Ip(std::net::SocketAddr::V6(address)) => {
            expected.push(4);
            expected.extend_from_slice(&address.ip().octets());
        }
        Address::Name(name, _) => {
            expected.extend_from_slice(&[3, name.len() as u8]);
            expected.extend_from_slice(name.as_bytes());
        }
    }
    expected.extend_from_slice(&target(terms.target).port().to_be_bytes());

    let replied = selected.and_then(|_| {
        let mut at = 2;
        if login {
            if said.get(at..at + 2)? != [1, 0] {
                return None;
            }
            at += 2;
        }
        for _ in 0..command {
            let [5, 0, _, kind] = said.get(at..at + 4)? else {
                return None;
            };
            at += 4;
            at += match kind {
                1 => 4,
                3 => 1 + usize::from(*said.get(at)?),
                4 => 16,
                _ => return None,
            };
            at += 2;
        }
        (at <= said.len()).then_some(at)
    });
    (expected, replied)
}
