use crate::{
    io::Meter,
    session::{Admission, Request},
};

/// Makes the meter of each tunnel: [`Bandwidth`](super::Bandwidth), [`ByteQuota`](super::ByteQuota),
/// or one of yours for [`MeterLayer`](super::MeterLayer).
///
/// ```
/// use std::sync::{
///     Arc,
///     atomic::{AtomicUsize, Ordering},
/// };
/// use tower_socks::{
///     Request,
///     io::{Direction, Meter},
///     layer::meter::{Admission, MakeMeter, MeterLayer},
/// };
/// # use tokio::io::AsyncWriteExt;
/// # use tower::{Layer, ServiceExt, service_fn};
/// # use tower_socks::{
/// #     BoxError, Tunnel, io::PrefixedStream, proto::{Address, Command}, session::Connected,
/// # };
///
/// /// Counts what clients upload, in tunnels to port 443.
/// #[derive(Clone, Default)]
/// struct Uploads(Arc<AtomicUsize>);
///
/// impl MakeMeter for Uploads {
///     type Meter = Self;
///
///     fn meter(&self, request: &Request) -> Admission<Option<Self>> {
///         Admission::Permit((request.target.port() == 443).then(|| self.clone()))
///     }
/// }
///
/// impl Meter for Uploads {
///     fn moved(&mut self, direction: Direction, bytes: usize) {
///         if direction == Direction::Up {
///             self.0.fetch_add(bytes, Ordering::Relaxed);
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// # let targets = service_fn(async |_: Request| {
/// #     let (near, far) = tokio::io::duplex(64);
/// #     tokio::spawn(async move {
/// #         let mut far = far;
/// #         tokio::io::copy(&mut far, &mut tokio::io::sink()).await
/// #     });
/// #     Ok::<_, BoxError>(Connected::new(near, Address::UNSPECIFIED))
/// # });
/// let uploads = Uploads::default();
/// let service = MeterLayer::new(uploads.clone()).layer(targets);
/// for port in [443, 80] {
///     let request = Request::new(Command::CONNECT, Address::new("example.com", port)?);
///     let tunnel = service.clone().oneshot(request).await?;
/// #   let (mut client, server) = tokio::io::duplex(64);
/// #   client.write_all(b"hello").await?;
/// #   drop(client);
///     // The client sends "hello" and closes.
///     tunnel.run(PrefixedStream::new(server)).await?;
/// }
/// assert_eq!(uploads.0.load(Ordering::Relaxed), 5);
/// # Ok(())
/// # }
/// ```
pub trait MakeMeter: Clone + Send + Sync + 'static {
    /// Counts and bounds the octets of one tunnel.
    type Meter: Meter;

    /// Makes the meter for the tunnel of this request; `None`, if it needs none, which costs nothing. It refuses the request
    /// if the tunnel may move nothing at all.
    ///
    /// Where that is known [later](Admission::Later), the request waits before its dial.
    fn meter(&self, request: &Request) -> Admission<Option<Self::Meter>>;
}
