//! A server of RADIUS: one question to it, and its answer.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    net::{UdpSocket, lookup_host},
    time::{Instant, timeout_at},
};

use super::{
    super::availability::Availability,
    error::Failure,
    packet::{Answer, Authenticator, LONGEST},
    place::Place,
};
use crate::admission::LogBudget;

/// How long one waits, and how often one asks again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// For the answer to each packet.
    pub(super) timeout: Duration,
    pub(super) retries: u32,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(2),
            retries: 1,
        }
    }
}

pub(super) struct Server {
    pub(super) place: Place,
    pub(super) secret: Box<[u8]>,
    pub(super) availability: Availability,
    answered: Mutex<Option<Instant>>,
    lines: LogBudget,
}

/// A packet that was sent.
pub(super) struct Sent {
    pub(super) octets: Vec<u8>,
    pub(super) identifier: u8,
    pub(super) authenticator: Authenticator,
}

/// The octets of an answer, which is authentic.
pub(super) struct Received(Vec<u8>);

impl Received {
    pub(super) fn answer(&self) -> Option<Answer<'_>> {
        Answer::read(&self.0)
    }
}

/// Which answers are taken.
#[derive(Clone, Copy)]
pub(super) struct Expected {
    pub(super) codes: &'static [u8],
    /// Those without a Message-Authenticator are not.
    pub(super) signed: bool,
}

impl Server {
    pub(super) fn new(place: Place, secret: &[u8]) -> Self {
        Self {
            availability: Availability::new(format!("RADIUS server {place}")),
            place,
            secret: secret.into(),
            answered: Mutex::new(None),
            lines: LogBudget::new(4, Duration::from_secs(60)),
        }
    }

    /// Asks, and asks again where no answer comes. Each question has a socket of its own: so there are as many
    /// identifiers as it takes, the system keeps out what comes from elsewhere, and who guesses has to guess the port.
    ///
    /// It counts as failed where it has said nothing to anybody meanwhile.
    pub(super) async fn ask(
        &self,
        times: Times,
        expected: Expected,
        mut packet: impl FnMut() -> Result<Sent, Failure> + Send,
    ) -> Result<Received, Failure> {
        if !self.availability.may_be_asked() {
            return Err(Failure::Away);
        }
        let began = Instant::now();
        let asked = self.exchange(times, expected, &mut packet).await;
        match &asked {
            Ok(_) => {
                *self.answered() = Some(Instant::now());
                self.availability.answered();
            }
            Err(failure) => {
                if !self.has_answered_since(began) {
                    self.availability.failed(failure);
                }
            }
        }
        asked
    }

    /// Whether it has answered anybody since then.
    pub(super) fn has_answered_since(&self, began: Instant) -> bool {
        self.answered().is_some_and(|answered| answered >= began)
    }

    async fn exchange(
        &self,
        times: Times,
        expected: Expected,
        packet: &mut (impl FnMut() -> Result<Sent, Failure> + Send),
    ) -> Result<Received, Failure> {
        let deadline = Instant::now() + times.timeout;
        let connecting = timeout_at(deadline, self.connect());
        let socket = connecting.await.unwrap_or(Err(Failure::Slow))?;
        let mut all: Vec<Sent> = Vec::new();
        let mut seen = Seen::default();
        for _ in 0..=times.retries {
            let sent = packet()?;
            let failed = |error| Failure::Io("sending", error);
            socket.send(&sent.octets).await.map_err(failed)?;
            all.push(sent);
            let receiving = self.receive(&socket, expected, &all, &mut seen);
            match timeout_at(Instant::now() + times.timeout, receiving).await {
                Ok(received) => return received,
                Err(_elapsed) => {}
            }
        }
        Err(seen.failure())
    }

    async fn connect(&self) -> Result<UdpSocket, Failure> {
        let failed = |error| Failure::Io("looking its name up", error);
        let mut found = lookup_host((&*self.place.host, self.place.port))
            .await
            .map_err(failed)?;
        let nothing = || failed(io::Error::other("the name has no address"));
        let server = found.next().ok_or_else(nothing)?;
        let any: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let failed = |error| Failure::Io("opening a socket", error);
        let socket = UdpSocket::bind((any, 0)).await.map_err(failed)?;
        socket.connect(server).await.map_err(failed)?;
        Ok(socket)
    }

    async fn receive(
        &self,
        socket: &UdpSocket,
        expected: Expected,
        all: &[Sent],
        seen: &mut Seen,
    ) -> Result<Received, Failure> {
        let mut octets = vec![0; LONGEST];
        loop {
            let failed = |error| Failure::Io("receiving", error);
            let len = socket.recv(&mut octets).await.map_err(failed)?;
            let Some(answer) = octets.get(..len).and_then(Answer::read) else {
                seen.forged = true;
                continue;
            };
            let fitting = all.iter().rev();
            let mut fitting = fitting.filter(|sent| sent.identifier == answer.identifier);
            let secret = &self.secret;
            let Some(sent) = fitting.find(|sent| answer.is_authentic(&sent.authenticator, secret))
            else {
                seen.forged = true;
                self.say_what_is_wrong(&Failure::Forged);
                continue;
            };
            match answer.is_signed(&sent.authenticator, secret) {
                Some(true) => {}
                None if !expected.signed => {}
                None => {
                    seen.unsigned = true;
                    self.say_what_is_wrong(&Failure::Unsigned);
                    continue;
                }
                Some(false) => {
                    seen.forged = true;
                    self.say_what_is_wrong(&Failure::Forged);
                    continue;
                }
            }
            if expected.codes.contains(&answer.code) {
                octets.truncate(len);
                return Ok(Received(octets));
            }
            tracing::debug!(
                "RADIUS server {}: an answer of code {} was none that was asked for",
                self.place,
                answer.code
            );
        }
    }

    /// Somebody may forge many.
    fn say_what_is_wrong(&self, failure: &Failure) {
        if let Some(suppressed) = self.lines.take() {
            tracing::warn!(
                suppressed = suppressed.field(),
                "RADIUS server {}: {failure}",
                self.place
            );
        }
    }

    fn answered(&self) -> MutexGuard<'_, Option<Instant>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came that is no answer.
#[derive(Default)]
struct Seen {
    forged: bool,
    unsigned: bool,
}

impl Seen {
    const fn failure(&self) -> Failure {
        match (self.unsigned, self.forged) {
            (true, _) => Failure::Unsigned,
            (false, true) => Failure::Forged,
            (false, false) => Failure::Slow,
        }
    }
}

/// Octets that nobody can foretell.
pub(super) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let random = ring::rand::SystemRandom::new();
    let octets = ring::rand::generate(&random);
    octets
        .map(ring::rand::Random::expose)
        .map_err(|_| Failure::Io("random numbers", io::Error::other("the system has none")))
}
