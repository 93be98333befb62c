//! A client's sub-negotiation of GSS-API and what comes behind it, beside a model that reads the same octets.
//!
//! The first octet of an input has the size of the pieces in which the client sends, and what is allowed by name. The rest is
//! the client's, behind the selection of the method.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Builder,
    time::timeout,
};
use tower_socks::{
    BoxError,
    gssapi::{Context, Establishment, Mechanism, Step, Unwrapped},
    io::PrefixedStream,
    layer::auth::{Authenticate, Gssapi},
    proto::{Method, ProtectionLevel},
    session::Negotiation,
};

/// Whatever is waited for, longer than that is for ever.
const EVER: Duration = Duration::from_secs(3600);

/// Takes a token by its first octet, and counts steps.
#[derive(Clone, Default)]
struct Toy(Arc<AtomicUsize>);

impl Mechanism for Toy {
    type Establishment = Self;

    fn accept(&self) -> Result<Self, BoxError> {
        Ok(self.clone())
    }
}

impl Establishment for Toy {
    type Context = Sums;

    fn step(self, token: &[u8]) -> Result<Step<Self>, BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let (context, peer) = (Sums, "joe".to_owned());
        match token {
            [0, rest @ ..] => Ok(Step::Continue {
                token: rest.to_vec(),
                next: self,
            }),
            [1, ..] => Ok(Step::Done {
                token: None,
                context,
                peer,
            }),
            [2, rest @ ..] => Ok(Step::Done {
                token: Some(rest.to_vec()),
                context,
                peer,
            }),
            _ => Err("no ticket".into()),
        }
    }
}

/// A token is the sum of the rest, whether it is encrypted, and the message.
struct Sums;

fn sum(octets: &[u8]) -> u8 {
    octets.iter().fold(0, |sum, octet| sum ^ octet)
}

fn wrapped(confidential: bool, message: &[u8]) -> Vec<u8> {
    let rest = [&[u8::from(confidential)], message].concat();
    [&[sum(&rest)], &rest[..]].concat()
}

fn unwrapped(token: &[u8]) -> Option<(bool, &[u8])> {
    let [first, rest @ ..] = token else {
        return None;
    };
    let [confidential, message @ ..] = rest else {
        return None;
    };
    (sum(rest) == *first).then_some((*confidential == 1, message))
}

impl Context for Sums {
    fn can_encrypt(&self) -> bool {
        true
    }

    fn wrap(&mut self, confidential: bool, message: &[u8]) -> Result<Vec<u8>, BoxError> {
        Ok(wrapped(confidential, message))
    }

    fn unwrap(&mut self, token: &[u8]) -> Result<Unwrapped, BoxError> {
        let (confidential, message) = unwrapped(token).ok_or("changed")?;
        Ok(Unwrapped::new(message.to_vec(), confidential))
    }

    fn longest_message(&mut self, _: bool, token: u16) -> Result<usize, BoxError> {
        Ok(usize::from(token) - 2)
    }
}

/// What has to come of it.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    /// What the client hears.
    heard: Vec<u8>,
    steps: usize,
    /// The client is known, and this is read behind that, until the end or until it fails.
    read: Option<(Vec<u8>, bool)>,
}

/// Takes the next message off. `Err(true)` where it is none that is due, `Err(false)` where it is cut off.
fn message<'a>(octets: &mut &'a [u8], due: u8) -> Result<&'a [u8], bool> {
    let [version, kind, rest @ ..] = *octets else {
        return Err(octets.first().is_some_and(|version| *version != 1));
    };
    if *version != 1 || !matches!(kind, 1..=3) {
        return Err(true);
    }
    let [high, low, rest @ ..] = rest else {
        return Err(false);
    };
    if *kind != due {
        return Err(true);
    }
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    let (token, behind) = rest.split_at_checked(len).ok_or(false)?;
    *octets = behind;
    Ok(token)
}

fn framed(kind: u8, token: &[u8]) -> Vec<u8> {
    let len = u16::try_from(token.len()).expect("a short token");
    [&[1, kind], &len.to_be_bytes()[..], token].concat()
}

/// Reads the same by other code.
fn model(mut octets: &[u8], clear: bool, bare: bool) -> Outcome {
    let mut outcome = Outcome::default();
    let ended = negotiated(&mut octets, clear, bare, &mut outcome);
    let level = match ended {
        Ok(level) => level,
        Err(is_refused) => {
            if is_refused {
                outcome.heard.extend(b"\x01\xff");
            }
            return outcome;
        }
    };
    let mut read = Vec::new();
    let fails = loop {
        if level == 0 {
            read.extend(octets);
            break false;
        }
        if octets.is_empty() {
            break false;
        }
        let Ok(token) = message(&mut octets, 3) else {
            break true;
        };
        match unwrapped(token) {
            Some((confidential, message)) if confidential || level != 2 => read.extend(message),
            _ => break true,
        }
    };
    outcome.read = Some((read, fails));
    outcome
}

/// Returns the level, or whether the client is told that it is refused.
fn negotiated(
    octets: &mut &[u8],
    clear: bool,
    bare: bool,
    outcome: &mut Outcome,
) -> Result<u8, bool> {
    loop {
        let token = message(octets, 1)?;
        outcome.steps += 1;
        match token {
            [0, ..] if outcome.steps == 8 => return Err(true),
            [0, rest @ ..] => outcome.heard.extend(framed(1, rest)),
            [1, ..] => {
                outcome.heard.extend(framed(1, b""));
                break;
            }
            [2, rest @ ..] => {
                outcome.heard.extend(framed(1, rest));
                break;
            }
            _ => return Err(true),
        }
    }
    let token = message(octets, 2)?;
    let asked = match token {
        [level] if bare => [*level],
        [_] => return Err(true),
        _ => match unwrapped(token) {
            Some((_, [level])) => [*level],
            _ => return Err(true),
        },
    };
    let level = match asked {
        [level @ 1..=3] => level,
        [0] if clear => 0,
        _ => 2,
    };
    let answer = match token.len() {
        1 => vec![level],
        _ => wrapped(false, &[level]),
    };
    outcome.heard.extend(framed(2, &answer));
    Ok(level)
}

/// The method of a server, and its stream.
pub fn gssapi(data: &[u8]) {
    let Some((first, said)) = data.split_first() else {
        return;
    };
    let size = usize::from(first & 0x3f) + 1;
    let (clear, bare) = (first & 0x40 != 0, first & 0x80 != 0);
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets");
    let found = runtime.block_on(hold(said, size, clear, bare));
    assert_eq!(found, model(said, clear, bare));
}

async fn hold(said: &[u8], size: usize, clear: bool, bare: bool) -> Outcome {
    let toy = Toy::default();
    let steps = Arc::clone(&toy.0);
    let levels = [
        ProtectionLevel::CONFIDENTIALITY,
        ProtectionLevel::INTEGRITY,
        ProtectionLevel::SELECTIVE,
    ];
    let mut method = Gssapi::new(toy).levels(levels);
    if clear {
        method = method.allow_clear();
    }
    if bare {
        method = method.allow_nec();
    }
    let (near, far) = tokio::io::duplex(4096);
    let nowhere = ([203, 0, 113, 5], 50_000).into();
    let offered = Method::GSSAPI.into();
    let negotiation = Negotiation::new(PrefixedStream::new(far), offered, nowhere, nowhere);
    let server = async {
        let authenticated = method.authenticate(Method::GSSAPI, negotiation).await;
        let Ok((mut stream, identity)) = authenticated else {
            return None;
        };
        assert_eq!(identity.name(), Some(&b"joe"[..]));
        let mut read = Vec::new();
        let fails = stream.read_to_end(&mut read).await.is_err();
        Some((read, fails))
    };
    let (mut reads, mut writes) = tokio::io::split(near);
    let reading = async {
        let mut heard = Vec::new();
        let _ = reads.read_to_end(&mut heard).await;
        heard
    };
    let writing = async {
        for piece in said.chunks(size) {
            if writes.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let _ = writes.shutdown().await;
    };
    let all = async { tokio::join!(server, reading, writing) };
    let (read, heard, ()) = timeout(EVER, all).await.expect("the server ends");
    Outcome {
        heard,
        steps: steps.load(Ordering::Relaxed),
        read,
    }
}
