//! A name server that takes its time: it knows no name, and says so of the oldest question once more wait than it
//! is to hold. So there are always as many lookups in flight, however fast they come and go.

use std::{
    collections::{HashSet, VecDeque},
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{net::UdpSocket, time::sleep};

use crate::between::make_room;

/// A lookup of the server has 15 s: none is to end by that.
const OLDEST: Duration = Duration::from_secs(12);

/// The length of the header of a message (RFC 1035, section 4.1.1).
const HEADER: usize = 12;
const A: u16 = 1;
const NO_ERROR: u8 = 0;
const NAME_ERROR: u8 = 3;

/// The name server, which works on the runtime that started it.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddrV4,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    /// Questions that are to wait.
    hold: AtomicUsize,
    /// Those that do.
    held: AtomicUsize,
}

impl NameServer {
    pub(crate) async fn start(at: Ipv4Addr) -> io::Result<Self> {
        let socket = UdpSocket::bind((at, 0)).await?;
        make_room(&socket)?;
        let SocketAddr::V4(address) = socket.local_addr()? else {
            unreachable!("bound to an IPv4 address");
        };
        let counts = Arc::new(Counts::default());
        tokio::spawn(serve(socket, Arc::clone(&counts)));
        Ok(Self { address, counts })
    }

    /// Lets so many questions wait from now on.
    pub(crate) fn hold(&self, questions: usize) {
        self.counts.hold.store(questions, Relaxed);
    }

    /// Questions that wait.
    pub(crate) fn held(&self) -> usize {
        self.counts.held.load(Relaxed)
    }
}

/// A question that waits.
struct Waiting {
    answer: Vec<u8>,
    to: SocketAddr,
    since: Instant,
}

async fn serve(socket: UdpSocket, counts: Arc<Counts>) {
    let mut waiting: VecDeque<Waiting> = VecDeque::new();
    // Those who wait ask again: each name is asked about by one lookup only.
    let mut known: HashSet<Vec<u8>> = HashSet::new();
    let mut datagram = [0; 512];
    loop {
        tokio::select! {
            received = socket.recv_from(&mut datagram) => {
                // What comes back by ICMP from servers that have gone is no reason to end.
                if let Ok((len, to)) = received
                    && let Some(question) = Question::read(&datagram[..len])
                {
                    if question.kind != A {
                        // Of the other family there is nothing, which is known at once.
                        let _ = socket.send_to(&question.answer(NO_ERROR), to).await;
                    } else if known.insert(question.name.to_vec()) {
                        let (answer, since) = (question.answer(NAME_ERROR), Instant::now());
                        waiting.push_back(Waiting { answer, to, since });
                    }
                }
            }
            () = sleep(Duration::from_millis(20)) => {}
        }
        while let Some(oldest) = waiting.front()
            && (waiting.len() > counts.hold.load(Relaxed) || oldest.since.elapsed() > OLDEST)
        {
            let _ = socket.send_to(&oldest.answer, oldest.to).await;
            waiting.pop_front();
        }
        counts.held.store(waiting.len(), Relaxed);
        if counts.hold.load(Relaxed) == 0 {
            known.clear();
        }
    }
}

/// The one question of a message.
struct Question<'a> {
    id: &'a [u8],
    name: &'a [u8],
    kind: u16,
    /// With name, type and class.
    whole: &'a [u8],
}

impl<'a> Question<'a> {
    fn read(message: &'a [u8]) -> Option<Self> {
        let section = message.get(HEADER..)?;
        let mut end = 0;
        // Names of questions are not compressed.
        while *section.get(end)? != 0 {
            end += 1 + usize::from(*section.get(end)?);
        }
        let kind = section.get(end + 1..end + 3)?;
        Some(Self {
            id: message.get(..2)?,
            name: section.get(..end)?,
            kind: u16::from_be_bytes([kind[0], kind[1]]),
            whole: section.get(..end + 5)?,
        })
    }

    /// An answer without records.
    fn answer(&self, code: u8) -> Vec<u8> {
        let mut message = self.id.to_vec();
        // QR and RD; RA; one question.
        message.extend([0x81, 0x80 | code, 0, 1, 0, 0, 0, 0, 0, 0]);
        message.extend(self.whole);
        message
    }
}
