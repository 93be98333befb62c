use std::{future::Future, io, sync::Arc, time::Duration};

use super::{
    client::{ClientFrames, ClientPort, ClientSocket, Fragmentation},
    filtering::OneDestination,
    relay::DatagramRelay,
};
use crate::{
    admission::Place,
    connector::port_range::TakenPort,
    datagram::{BatchSocket, DatagramTransport, OwnRelay},
    io::{ClientStream, MeteredStream, Meters, Sealer, Sealing, shut},
    proto::{Address, UdpOverTcp},
    relay::{RelayError, RelayErrorKind, Traffic},
    session::{Tunnel, UserOrClient, record::Destinations},
};

/// Relays the datagrams of one client: the tunnel of UDP ASSOCIATE.
///
/// Its parts are boxed, so that a connector that knows all commands does not make every CONNECT as
/// large as this.
#[derive(Debug)]
pub struct AssociateTunnel<D> {
    parts: Box<Parts<D>>,
}

#[derive(Debug)]
pub(super) struct Parts<D> {
    pub(super) client: Client,
    pub(super) transport: D,
    pub(super) bound: Address,
    /// Where datagrams go, for who asks.
    pub(super) destinations: Option<Destinations>,
    pub(super) idle: Duration,
    pub(super) place: Place<UserOrClient>,
}

/// How the client sends and receives datagrams.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "in a box with all parts")]
pub(super) enum Client {
    Socket {
        socket: BatchSocket,
        port: ClientPort,
        fragmentation: Fragmentation,
        /// Its addresses are known as ours for as long as the socket is there.
        own: OwnRelay,
        taken: Option<TakenPort>,
    },
    Stream {
        protocol: UdpOverTcp,
        backlog: usize,
        one_destination: OneDestination,
    },
}

impl<D> AssociateTunnel<D> {
    pub(super) fn new(parts: Parts<D>) -> Self {
        Self {
            parts: Box::new(parts),
        }
    }
}

impl<D: DatagramTransport> Tunnel for AssociateTunnel<D> {
    fn bound(&self) -> Address {
        self.parts.bound.clone()
    }

    fn run<W: ClientStream>(
        self,
        mut stream: W,
    ) -> impl Future<Output = io::Result<Traffic>> + Send {
        Box::pin(async move {
            let meters = MeteredStream::take(&mut stream);
            // No `await` in there: an association would keep room for what it was made of.
            let (mut relays, place) = Relays::new(self.parts, &mut stream, meters);
            let ended = relays.run().await;
            // The place is free once the socket is gone, and before the client hears of it.
            drop(relays);
            drop(place);
            shut(&mut stream);
            ended
        })
    }
}

/// The relay of an association, by how its client sends and receives.
enum Relays<'a, D, W> {
    Socket {
        relay: DatagramRelay<D, ClientSocket<'a, W>>,
        _held: (OwnRelay, Option<TakenPort>),
    },
    Stream(DatagramRelay<D, ClientFrames<'a, W>>),
    Impossible(Option<io::Error>),
}

impl<'a, D: DatagramTransport, W: ClientStream> Relays<'a, D, W> {
    #[expect(clippy::boxed_local, reason = "the caller keeps no room for the parts")]
    fn new(parts: Box<Parts<D>>, stream: &'a mut W, meters: Meters) -> (Self, Place<UserOrClient>) {
        let Parts {
            client,
            transport,
            destinations,
            idle,
            place,
            ..
        } = *parts;
        let relays = match client {
            Client::Socket {
                socket,
                port,
                fragmentation,
                own,
                taken,
            } => match sealer(stream) {
                Ok(sealer) => {
                    let client = ClientSocket::new(stream, sealer, socket, port, fragmentation);
                    let mut relay = DatagramRelay::new(transport, client, idle, meters);
                    relay.destinations = destinations;
                    Self::Socket {
                        relay,
                        _held: (own, taken),
                    }
                }
                Err(error) => Self::Impossible(Some(error)),
            },
            Client::Stream {
                protocol,
                backlog,
                one_destination,
            } => {
                let client = ClientFrames::new(stream, protocol, backlog, one_destination);
                let mut relay = DatagramRelay::new(transport, client, idle, meters);
                relay.destinations = destinations;
                Self::Stream(relay)
            }
        };
        (relays, place)
    }

    async fn run(&mut self) -> io::Result<Traffic> {
        match self {
            Self::Socket { relay, .. } => relay.run().await,
            Self::Stream(relay) => relay.run().await,
            Self::Impossible(error) => match error.take() {
                Some(error) => Err(error),
                None => Ok(Traffic::default()),
            },
        }
    }
}

/// Returns what protects the datagrams beside a stream.
///
/// # Errors
///
/// They have to be protected, and cannot be.
fn sealer(stream: &mut impl ClientStream) -> io::Result<Option<Arc<dyn Sealer>>> {
    match stream.sealing() {
        Sealing::Clear => Ok(None),
        Sealing::Sealed(sealer) => Ok(Some(sealer)),
        Sealing::Impossible => {
            let error = io::Error::other("datagrams beside this stream cannot be sealed");
            let traffic = Traffic::default();
            Err(RelayError::broken(RelayErrorKind::Client, traffic, error))
        }
    }
}
