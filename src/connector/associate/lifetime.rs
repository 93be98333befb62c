//! The end of an association: by its client, or for the client's silence.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use tokio::time::Instant;

use super::{client::ClientEnd, relay::DatagramRelay};
use crate::{
    datagram::DatagramTransport,
    relay::{LazyTimer, RelayError, RelayErrorKind, Traffic, after},
};

impl<D: DatagramTransport, C: ClientEnd> DatagramRelay<D, C> {
    /// Moves datagrams until the association ends.
    ///
    /// # Errors
    ///
    /// When it ends for a fault.
    pub(super) async fn run(&mut self) -> io::Result<Traffic> {
        let mut timer = pin!(LazyTimer::new(self.idle));
        poll_fn(|cx| {
            if let Poll::Ready(end) = self.poll_control(cx) {
                return Poll::Ready(end);
            }
            if let Poll::Ready(end) = self.poll(cx) {
                return Poll::Ready(end);
            }
            self.poll_idle(cx, timer.as_mut())
        })
        .await?;
        Ok(self.traffic())
    }

    /// Ready once the client has been silent for too long. Looks at the clock when the timer has fired.
    fn poll_idle(
        &mut self,
        cx: &mut Context<'_>,
        mut timer: Pin<&mut LazyTimer>,
    ) -> Poll<io::Result<()>> {
        loop {
            let idle = after(self.active, self.idle);
            let next = self.client.due().map_or(idle, |due| due.min(idle));
            timer.as_mut().no_later_than(next);
            ready!(timer.as_mut().poll(cx));
            let now = Instant::now();
            if idle <= now {
                return Poll::Ready(Err(RelayError::timed_out(
                    RelayErrorKind::Idle,
                    self.traffic(),
                    self.idle,
                )));
            }
            if let Poll::Ready(end) = self.client.overdue(now, self.is_held_back) {
                return Poll::Ready(end.map_err(|error| {
                    RelayError::broken(RelayErrorKind::Client, self.traffic(), error)
                }));
            }
            // The next round makes it earlier, for what is due before.
            timer.as_mut().set(idle);
        }
    }
}
