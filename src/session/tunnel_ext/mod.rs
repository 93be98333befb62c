mod hold;
mod metered;
mod on_close;

use std::io;

pub use self::{hold::HoldTunnel, metered::MeteredTunnel, on_close::OnCloseTunnel};
use super::{BoxTunnel, Tunnel};
use crate::{io::Meter, relay::Traffic};

/// Wraps tunnels: what a layer does for as long as bytes flow, without a type of its own.
///
/// Every [`Tunnel`] has these methods, and nothing else can implement them. The wrappers are plain structs:
/// they allocate nothing but where it says so, and the relay sees through all of them, so bulk data
/// still moves by `splice(2)`.
///
/// ```
/// use std::{io, sync::{Arc, atomic::{AtomicU64, Ordering}}};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use tower_socks::{TunnelExt, io::PrefixedStream, proto::Address, session::Connected};
/// # use tower_socks::Tunnel;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// # let (mut client, near) = tokio::io::duplex(64);
/// # let (far, mut target) = tokio::io::duplex(64);
/// # let tunnel = Connected::new(far, Address::UNSPECIFIED);
/// let open = Arc::new(());
/// let bytes = Arc::new(AtomicU64::new(0));
/// let total = Arc::clone(&bytes);
/// let tunnel = tunnel
///     .hold(Arc::clone(&open)) // dropped with the tunnel
///     .on_close(move |outcome| {
///         if let Ok(traffic) = outcome {
///             total.fetch_add(traffic.up + traffic.down, Ordering::Relaxed);
///         }
///     });
///
/// assert_eq!(Arc::strong_count(&open), 2);
/// # let running = tokio::spawn(tunnel.run(PrefixedStream::new(near)));
/// // .. which the stack runs between a client and a target:
/// client.write_all(b"ping").await?;
/// target.read_exact(&mut [0; 4]).await?;
/// drop((client, target));
/// # running.await??;
/// assert_eq!(bytes.load(Ordering::Relaxed), 4);
/// assert_eq!(Arc::strong_count(&open), 1);
/// # Ok(())
/// # }
/// ```
///
/// What these do not cover is an `impl Tunnel` of about ten lines: see [`Tunnel`].
pub trait TunnelExt: Tunnel {
    /// Keeps a value until the tunnel has ended or is dropped, and drops it then: a permit, a gauge, an entry
    /// in a list.
    ///
    /// That happens in every case: when the relay is done, when it fails, when a drain or a time limit
    /// drops it in between, and when the tunnel is dropped before it ever ran, since the client had
    /// gone by the time of the reply. The sockets of the tunnel are closed first.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tokio::sync::Semaphore;
    /// use tower_socks::{TunnelExt, proto::Address, session::Connected};
    ///
    /// let free = Arc::new(Semaphore::new(2));
    /// # let tunnel = Connected::new(tokio::io::empty(), Address::UNSPECIFIED);
    /// let tunnel = tunnel.hold(Arc::clone(&free).try_acquire_owned()?);
    /// assert_eq!(free.available_permits(), 1);
    /// drop(tunnel);
    /// assert_eq!(free.available_permits(), 2);
    /// # Ok::<_, tokio::sync::TryAcquireError>(())
    /// ```
    fn hold<G: Send>(self, guard: G) -> HoldTunnel<Self, G> {
        HoldTunnel::new(self, guard)
    }

    /// Calls a closure with the outcome once the relay has ended.
    ///
    /// A tunnel that is dropped has no outcome, and the closure is dropped uncalled, as the hooks of
    /// [`TraceLayer`](crate::layer::trace::TraceLayer) are and those of tower-http for a body that
    /// is dropped. What has to happen then too is the `Drop` of a value that the closure owns, or
    /// of one to [`hold`](Self::hold).
    ///
    /// Of a relay that failed, [`RelayError`](crate::relay::RelayError) inside the error has the
    /// bytes that were moved before.
    fn on_close<F>(self, on_close: F) -> OnCloseTunnel<Self, F>
    where
        F: FnOnce(&io::Result<Traffic>) + Send,
    {
        OnCloseTunnel::new(self, on_close)
    }

    /// Puts a [meter](Meter) on the tunnel, which counts its bytes or holds them back.
    ///
    /// It costs what [`ClientStream::metered`](crate::io::ClientStream::metered) costs: a box for
    /// the client's stream, and one for each meter.
    ///
    /// ```
    /// use std::{io, sync::{Arc, atomic::{AtomicUsize, Ordering}}};
    /// # use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// use tower_socks::{
    ///     TunnelExt, io::{Direction, Meter, PrefixedStream}, proto::Address,
    ///     session::Connected,
    /// };
    /// # use tower_socks::Tunnel;
    ///
    /// /// Counts while the tunnel is open.
    /// struct Count(Arc<AtomicUsize>);
    ///
    /// impl Meter for Count {
    ///     fn moved(&mut self, _: Direction, bytes: usize) {
    ///         self.0.fetch_add(bytes, Ordering::Relaxed);
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> io::Result<()> {
    /// # let (mut client, near) = tokio::io::duplex(64);
    /// # let (far, mut target) = tokio::io::duplex(64);
    /// # let tunnel = Connected::new(far, Address::UNSPECIFIED);
    /// let bytes = Arc::new(AtomicUsize::new(0));
    /// let tunnel = tunnel.metered(Count(Arc::clone(&bytes)));
    /// # let running = tokio::spawn(tunnel.run(PrefixedStream::new(near)));
    /// client.write_all(b"ping").await?;
    /// target.read_exact(&mut [0; 4]).await?;
    /// assert_eq!(bytes.load(Ordering::Relaxed), 4);
    /// # running.abort();
    /// # Ok(())
    /// # }
    /// ```
    fn metered<M: Meter>(self, meter: M) -> MeteredTunnel<Self, M> {
        MeteredTunnel::new(self, meter)
    }

    /// Boxes the tunnel, so that it is of one type whatever it is. It costs two allocations.
    ///
    /// ```
    /// use tower_socks::{TunnelExt, proto::Address, session::{BoxTunnel, Connected}};
    ///
    /// let tunnels: [BoxTunnel; 2] = [
    ///     Connected::new(tokio::io::duplex(64).0, Address::UNSPECIFIED).boxed(),
    ///     Connected::new(tokio::io::empty(), Address::UNSPECIFIED).hold("a guard").boxed(),
    /// ];
    /// # _ = tunnels;
    /// ```
    fn boxed(self) -> BoxTunnel
    where
        Self: 'static,
    {
        BoxTunnel::new(self)
    }
}

impl<T: Tunnel> TunnelExt for T {}
