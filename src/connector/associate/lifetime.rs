//! The end of an association: with its control connection, or with the client's silence.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::time::Instant;

use super::relay::DatagramRelay;
use crate::{
    datagram::DatagramTransport,
    io::{ClientStream, Control, Direction},
    relay::{LazyTimer, RelayError, RelayErrorKind, after},
};

impl<D: DatagramTransport> DatagramRelay<D> {
    /// Ready with the end of the control connection, however that ends. What comes on it means nothing,
    /// and is counted all the same.
    ///
    /// # Errors
    ///
    /// When the client sends too much on it, or more than the meters have room for.
    pub(super) fn poll_control<W: ClientStream>(
        &mut self,
        cx: &mut Context<'_>,
        control: &mut Control,
        stream: &mut W,
    ) -> Poll<io::Result<()>> {
        let meters = &mut self.meters;
        let mut is_refused = false;
        let ended = ready!(control.poll_end(cx, stream, |octets| {
            let admitted = meters.admit(Direction::Up, octets);
            meters.moved(Direction::Up, admitted);
            is_refused = admitted < octets;
            match is_refused {
                true => Err(io::ErrorKind::QuotaExceeded.into()),
                false => Ok(()),
            }
        }));
        Poll::Ready(match ended {
            Err(error) if is_refused => {
                // The meter's own words, if it has any.
                match self.poll_meters(cx, Direction::Up) {
                    Poll::Ready(Err(error)) => Err(error),
                    _ => Err(self.broken(RelayErrorKind::Limit, error)),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(self.broken(RelayErrorKind::Client, error))
            }
            Ok(()) | Err(_) => Ok(()),
        })
    }

    fn broken(&self, kind: RelayErrorKind, error: io::Error) -> io::Error {
        RelayError::broken(kind, self.traffic, error)
    }

    /// Ready once the client has been silent for too long. Looks at the clock when the timer has fired.
    pub(super) fn poll_idle(
        &mut self,
        cx: &mut Context<'_>,
        mut timer: Pin<&mut LazyTimer>,
    ) -> Poll<io::Error> {
        loop {
            let idle = after(self.active, self.options.idle);
            let queue = self.fragments.as_ref().map(|queue| queue.until());
            let next = queue.map_or(idle, |until| until.min(idle));
            let silent = self.client.until();
            let next = silent.map_or(next, |until| until.min(next));
            timer.as_mut().no_later_than(next);
            ready!(timer.as_mut().poll(cx));
            let now = Instant::now();
            if idle <= now {
                return Poll::Ready(RelayError::timed_out(
                    RelayErrorKind::Idle,
                    self.traffic,
                    self.options.idle,
                ));
            }
            if queue.is_some_and(|until| until <= now) {
                self.fragments = None;
            }
            if silent.is_some_and(|until| until <= now) {
                if self.is_held_back {
                    self.client.heard(now);
                } else {
                    self.client.release();
                    if let Err(error) = self.socket.disconnect() {
                        return Poll::Ready(self.broken(RelayErrorKind::Client, error));
                    }
                }
            }
            // The next round makes it earlier, for a queue that is left.
            timer.as_mut().set(idle);
        }
    }
}
