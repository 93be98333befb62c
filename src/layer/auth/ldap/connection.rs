//! A connection to a server: one request after the other, with a limit on each answer in time and octets.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::rustls::ClientConfig;

use super::{
    error::{Failure, code},
    message::{self, Entry, Outcome, Response, Search},
    url::{Protection, Url},
};
use crate::{io::BoxStream, proto::Address, tls};

/// Octets of one message: an entry with some thousand groups.
const LONGEST: usize = 256 << 10;

/// Octets of all messages of one answer.
const LONGEST_ANSWER: usize = 1 << 20;

/// How long an answer may take, and a new connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) connect: Duration,
    pub(super) answer: Duration,
}

pub(super) struct Connection {
    io: BoxStream,
    /// What was read of messages that are not complete.
    read: Vec<u8>,
    last_id: u32,
    times: Times,
    pub(super) idle_since: Instant,
}

/// Entries, and how a search ended.
pub(super) struct Found {
    pub(super) entries: Vec<Entry>,
    pub(super) outcome: Outcome,
}

impl Connection {
    /// Connects, with TLS where the server has it.
    pub(super) async fn open(
        url: &Url,
        tls: Option<&Arc<ClientConfig>>,
        times: Times,
    ) -> Result<Self, Failure> {
        let deadline = Instant::now() + times.connect;
        let connecting = async {
            let io = match &url.address {
                Address::Ip(address) => TcpStream::connect(address).await,
                Address::Name(name, port) => TcpStream::connect((name.as_str(), *port)).await,
            };
            let io = io.and_then(|io| io.set_nodelay(true).map(|()| io));
            let io = io.map_err(|error| Failure::Io("connecting", error))?;
            let mut connection = Self {
                io: BoxStream::new(io),
                read: Vec::new(),
                last_id: 0,
                times,
                idle_since: Instant::now(),
            };
            // With protection there is one.
            let (Some(tls), Protection::Tls | Protection::StartTls) = (tls, url.protection) else {
                return Ok(connection);
            };
            if url.protection == Protection::StartTls {
                connection.start_tls().await?;
            }
            let secured = tls::connect(Arc::clone(tls), url.name.clone(), connection.io).await;
            connection.io = BoxStream::new(secured.map_err(Failure::Tls)?);
            Ok(connection)
        };
        let connected = timeout_at(deadline, connecting).await;
        connected.unwrap_or(Err(Failure::Slow("connecting")))
    }

    async fn start_tls(&mut self) -> Result<(), Failure> {
        const DOING: &str = "StartTLS";
        self.ask(&message::start_tls(), DOING).await?;
        match self.response(DOING, &mut 0).await? {
            Response::Extended(outcome) if outcome.code != code::SUCCESS => {
                Err(Failure::Code(DOING, outcome))
            }
            // What came behind the answer in clear text would count as sent inside of TLS.
            Response::Extended(_) if self.read.is_empty() => Ok(()),
            _ => Err(Failure::Malformed),
        }
    }

    /// Binds: says who asks from now on.
    pub(super) async fn bind(
        &mut self,
        dn: &str,
        password: &[u8],
        doing: &'static str,
    ) -> Result<Outcome, Failure> {
        let request = message::bind(dn, password);
        let deadline = Instant::now() + self.times.answer;
        let asking = async {
            self.ask(&request, doing).await?;
            match self.response(doing, &mut 0).await? {
                Response::Bound(outcome) => Ok(outcome),
                _ => Err(Failure::Malformed),
            }
        };
        let answered = timeout_at(deadline, asking).await;
        answered.unwrap_or(Err(Failure::Slow(doing)))
    }

    /// Searches. References to other servers are left out.
    pub(super) async fn search(
        &mut self,
        search: &Search<'_>,
        doing: &'static str,
    ) -> Result<Found, Failure> {
        let request = search.encode();
        let deadline = Instant::now() + self.times.answer;
        let asking = async {
            self.ask(&request, doing).await?;
            let mut entries = Vec::new();
            let mut octets = 0;
            loop {
                match self.response(doing, &mut octets).await? {
                    Response::Entry(entry) => entries.push(entry),
                    Response::Reference => {}
                    Response::Done(outcome) => return Ok(Found { entries, outcome }),
                    Response::Bound(_) | Response::Extended(_) => return Err(Failure::Malformed),
                }
            }
        };
        let answered = timeout_at(deadline, asking).await;
        answered.unwrap_or(Err(Failure::Slow(doing)))
    }

    async fn ask(&mut self, request: &[u8], doing: &'static str) -> Result<(), Failure> {
        self.last_id = self.last_id % 0x7fff_ffff + 1;
        let message = message::message(self.last_id, request);
        let written = async {
            self.io.write_all(&message).await?;
            self.io.flush().await
        };
        written.await.map_err(|error| Failure::Io(doing, error))
    }

    /// Waits for the next message of the answer, which has had so many octets. The caller bounds the time.
    async fn response(
        &mut self,
        doing: &'static str,
        octets: &mut usize,
    ) -> Result<Response, Failure> {
        let fail = |error| Failure::Io(doing, error);
        loop {
            let complete = message::complete(&self.read, LONGEST);
            if let Some(len) = complete.map_err(|()| Failure::Malformed)? {
                let parsed = message::parse(self.read.get(..len).unwrap_or_default());
                self.read.drain(..len);
                if self.read.is_empty() {
                    self.read = Vec::new();
                }
                *octets += len;
                if *octets > LONGEST_ANSWER {
                    return Err(Failure::TooMuch("its answer has more than 1 MiB"));
                }
                return match parsed {
                    Ok((id, response)) if id == self.last_id => Ok(response),
                    // 0 is a notice that the connection ends.
                    Ok(_) | Err(()) => Err(Failure::Malformed),
                };
            }
            // Grows as octets come, not as they are announced.
            self.read.reserve(4096);
            let read = self.io.read_buf(&mut self.read).await.map_err(fail)?;
            if read == 0 {
                return Err(fail(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}
