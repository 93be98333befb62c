//! A mechanism of GSS-API whose tokens are written out, on both sides.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use tower_socks::{
    BoxError,
    error::AuthError,
    gssapi::{Context, Establishment, Initiator, Mechanism, Step, Unwrapped},
    proto::Command,
};

/// What a client says of itself, and what it has to hear.
pub const TICKET: &[u8] = b"ticket joe@REALM";
pub const WELCOME: &[u8] = b"welcome";

/// The mechanism. A server takes `more` any number of times, and then `ticket NAME`; `expired` is refused, and at `keytab` it
/// finds that it has none.
#[derive(Clone, Default)]
pub struct Mock {
    /// The context cannot encrypt.
    pub plain: bool,
    /// Messages out of turn are told.
    pub sequence: bool,
    /// Nothing is left to say to a client with a ticket.
    pub silent: bool,
    /// A client sends so many tokens before its ticket.
    pub more: usize,
    /// A client has no ticket.
    pub penniless: bool,
    /// Called at each step of the server.
    pub hook: Option<Arc<dyn Fn() + Send + Sync>>,
    /// What contexts of clients were asked for.
    pub commands: Arc<Mutex<Vec<Command>>>,
}

/// A context that is being established.
pub struct Half {
    mock: Mock,
    is_initiator: bool,
    left: usize,
}

impl Mechanism for Mock {
    type Establishment = Half;

    fn accept(&self) -> Result<Half, BoxError> {
        Ok(Half {
            mock: self.clone(),
            is_initiator: false,
            left: 0,
        })
    }
}

impl Initiator for Mock {
    type Establishment = Half;

    fn initiate(&self, command: Command) -> Result<Half, BoxError> {
        self.commands.lock().unwrap().push(command);
        if self.penniless {
            return Err("no ticket: run kinit".into());
        }
        Ok(Half {
            mock: self.clone(),
            is_initiator: true,
            left: self.more,
        })
    }
}

impl Half {
    fn done(self, token: Option<&[u8]>, peer: &str) -> Step<Self> {
        Step::Done {
            token: token.map(<[u8]>::to_vec),
            context: Sealed::new(self.is_initiator, &self.mock),
            peer: peer.to_owned(),
        }
    }

    fn next(self, token: &[u8]) -> Step<Self> {
        Step::Continue {
            token: token.to_vec(),
            next: self,
        }
    }

    fn initiate(mut self, token: &[u8]) -> Result<Step<Self>, BoxError> {
        match (token, self.left) {
            (b"" | b"go on", 0) if self.mock.silent => Ok(self.done(Some(TICKET), "socks@proxy")),
            (b"" | b"go on", 0) => Ok(self.next(TICKET)),
            (b"" | b"go on", _) => {
                self.left -= 1;
                Ok(self.next(b"more"))
            }
            (WELCOME, _) => Ok(self.done(None, "socks@proxy")),
            _ => Err("proxy has not proven who it is".into()),
        }
    }

    fn accept(self, token: &[u8]) -> Result<Step<Self>, BoxError> {
        if let Some(hook) = &self.mock.hook {
            hook();
        }
        match token {
            b"more" => Ok(self.next(b"go on")),
            b"expired" => Err("ticket expired".into()),
            b"keytab" => Err(AuthError::Verifier("no key in /etc/krb5.keytab".into()).into()),
            b"panic" => panic!("at the disco"),
            _ => {
                let peer = token.strip_prefix(b"ticket ").ok_or("no ticket")?;
                let peer = str::from_utf8(peer)?.to_owned();
                let token = (!self.mock.silent).then_some(WELCOME);
                Ok(self.done(token, &peer))
            }
        }
    }
}

impl Establishment for Half {
    type Context = Sealed;

    fn step(self, token: &[u8]) -> Result<Step<Self>, BoxError> {
        match self.is_initiator {
            true => self.initiate(token),
            false => self.accept(token),
        }
    }
}

/// A context. A token is `[of the initiator, encrypted, number (4), message, sum (4)]`: it shows who made it, replay,
/// loss and change.
pub struct Sealed {
    is_initiator: bool,
    plain: bool,
    sequence: bool,
    sent: u32,
    due: u32,
    seen: HashSet<u32>,
}

/// Octets that a token has besides its message.
pub const OVERHEAD: usize = 10;

impl Sealed {
    pub fn new(is_initiator: bool, mock: &Mock) -> Self {
        Self {
            is_initiator,
            plain: mock.plain,
            sequence: mock.sequence,
            sent: 0,
            due: 0,
            seen: HashSet::new(),
        }
    }

    /// The context of a client, by hand.
    pub fn of_client() -> Self {
        Self::new(true, &Mock::default())
    }

    /// Notes that the peer has sent so many messages.
    pub fn unwraps_up_to(&mut self, sent: u32) {
        self.seen.extend(0..sent);
        self.due = sent;
    }

    /// A message of data.
    pub fn data(&mut self, confidential: bool, message: &[u8]) -> Vec<u8> {
        framed(3, &self.wrap(confidential, message).unwrap())
    }

    /// The message with a level.
    pub fn level(&mut self, level: u8) -> Vec<u8> {
        framed(2, &self.wrap(false, &[level]).unwrap())
    }

    /// What the server has to send, as this end unwraps it.
    pub fn opens(&mut self, frame: &[u8], confidential: bool) -> Vec<u8> {
        let len = u16::from_be_bytes([frame[2], frame[3]]);
        assert_eq!(usize::from(len), frame.len() - 4);
        let unwrapped = self.unwrap(&frame[4..]).unwrap();
        assert_eq!(unwrapped.confidential, confidential);
        unwrapped.message
    }
}

/// A message of the sub-negotiation, or of data.
pub fn framed(kind: u8, token: &[u8]) -> Vec<u8> {
    let len = u16::try_from(token.len()).unwrap().to_be_bytes();
    [&[1, kind][..], &len, token].concat()
}

fn sum(octets: &[u8]) -> [u8; 4] {
    let fold = |sum: u32, octet: &u8| (sum ^ u32::from(*octet)).wrapping_mul(0x0100_0193);
    octets.iter().fold(0x811c_9dc5, fold).to_be_bytes()
}

fn masked(message: &[u8]) -> impl Iterator<Item = u8> + '_ {
    message.iter().map(|octet| octet ^ 0x5a)
}

impl Context for Sealed {
    fn can_encrypt(&self) -> bool {
        !self.plain
    }

    fn wrap(&mut self, confidential: bool, message: &[u8]) -> Result<Vec<u8>, BoxError> {
        if confidential && self.plain {
            return Err("cannot encrypt".into());
        }
        let mut token = vec![u8::from(self.is_initiator), u8::from(confidential)];
        token.extend(self.sent.to_be_bytes());
        match confidential {
            true => token.extend(masked(message)),
            false => token.extend(message),
        }
        token.extend(sum(&token));
        self.sent += 1;
        Ok(token)
    }

    fn unwrap(&mut self, token: &[u8]) -> Result<Unwrapped, BoxError> {
        let (rest, end) = token.split_last_chunk::<4>().ok_or("short token")?;
        if sum(rest) != *end {
            return Err("changed token".into());
        }
        let (head, message) = rest.split_first_chunk::<6>().ok_or("short token")?;
        let [of_initiator, confidential, a, b, c, d] = *head;
        if (of_initiator == 1) == self.is_initiator {
            return Err("token of our own".into());
        }
        let number = u32::from_be_bytes([a, b, c, d]);
        if !self.seen.insert(number) {
            return Err("duplicate token".into());
        }
        let in_turn = number == self.due || !self.sequence;
        self.due = number + 1;
        let message = match confidential {
            1 => masked(message).collect(),
            _ => message.to_vec(),
        };
        let unwrapped = Unwrapped::new(message, confidential == 1);
        Ok(if in_turn {
            unwrapped
        } else {
            unwrapped.out_of_turn()
        })
    }

    fn longest_message(&mut self, _: bool, token: u16) -> Result<usize, BoxError> {
        Ok(usize::from(token).saturating_sub(OVERHEAD))
    }
}
