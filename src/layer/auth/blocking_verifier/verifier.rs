use std::{
    fmt,
    num::NonZeroUsize,
    sync::Arc,
    task::{Context, Poll},
    thread,
    time::Duration,
};

use tower_service::Service;

use super::{
    Verification,
    turns::{Limits, MakeVerify, Turns, Verify},
};
use crate::{
    error::{AuthError, BoxError},
    session::{Credentials, Identity},
};

/// Places of the queue for each turn: 5 s of hashes that take 20 ms each.
const QUEUE_PER_TURN: usize = 256;

/// Less than a handshake has unless told otherwise, which is 10 s.
const PATIENCE: Duration = Duration::from_secs(8);

/// Verifies credentials by a function that blocks its thread: a password hash, PAM, a file.
///
/// `tokio::task::spawn_blocking` alone starts up to 512 threads, and what it has started cannot be stopped: a hash
/// goes on when the handshake that waited for it is over. A `concurrency_limit` above it counts futures, not
/// threads. Under a flood of logins that is memory without a bound. Here
///
/// * **a turn is a thread's**, and given back when the function returns, whatever becomes of the future. There
///   are never more calls of the function than [turns](Self::turns), nor more of their
///   [memory](Self::with_memory).
/// * **the queue is bounded**. What finds it full is refused at once, and what has waited for too long when its
///   turn comes as well, with a [`Refusal`](crate::error::Refusal), and nothing is said about the password. A
///   future that is dropped gives up its place.
/// * **everybody has a share** of the queue: each IPv4 /24 and IPv6 /48 by turns, in these each client (IPv6: each /64),
///   and of each client the names that it states. Who floods waits behind those who do not, and where the queue
///   is full loses places to them.
///
/// A call costs a task of tokio's blocking pool where nobody waits, and a lock. Clones share turns and queue.
///
/// ```
/// use tower_socks::{
///     AuthLayer, Credentials, Identity, UserPass, error::AuthError, layer::auth::BlockingVerifier,
/// };
/// # use tower::{Layer, ServiceExt};
/// # use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// # use tower_socks::{Connector, io::PrefixedStream, proto::Method, session::Negotiation};
///
/// /// Takes 20 ms, as a good hash does.
/// fn is_right(name: &[u8], password: &[u8]) -> bool {
///     std::thread::sleep(std::time::Duration::from_millis(20));
///     (name, password) == (b"joe", b"secret")
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let verifier = BlockingVerifier::new(|credentials: &Credentials| {
///     let (name, password) = (credentials.name(), credentials.password());
///     match is_right(name, password.as_bytes()) {
///         true => Ok(Identity::named(name)),
///         false => Err(AuthError::Denied),
///     }
/// });
/// let layer = AuthLayer::new(UserPass::new(verifier.turns(2)));
///
/// # let (mut client, server) = tokio::io::duplex(512);
/// # let nowhere = ([127, 0, 0, 1], 0).into();
/// # let server = PrefixedStream::new(server);
/// # let negotiation = Negotiation::new(server, Method::USERNAME_PASSWORD.into(), nowhere, nowhere);
/// client.write_all(b"\x01\x03joe\x06secret").await.unwrap();
/// let authenticated = layer.layer(Connector::direct()).oneshot(negotiation).await.unwrap();
/// assert_eq!(authenticated.identity.name(), Some(&b"joe"[..]));
/// # }
/// ```
///
/// # Errors
///
/// [`AuthError::Denied`] and others of the function, a [`Refusal`](crate::error::Refusal) where the queue is
/// full, and [`AuthError::Verifier`] where the function panicked.
///
/// # Cancel safety
///
/// Dropping the future gives up its place in the queue. A function that has been called goes on to its end.
#[derive(Clone)]
pub struct BlockingVerifier {
    turns: Arc<Turns>,
}

impl BlockingVerifier {
    /// Creates a verifier of a turn for each core, and a queue of 256 for each in which one waits
    /// for 8 s at most.
    pub fn new<F>(verify: F) -> Self
    where
        F: Fn(&Credentials) -> Result<Identity, AuthError> + Send + Sync + 'static,
    {
        Self::with_memory(|| (), move |(), credentials| verify(credentials))
    }

    /// Creates one whose function is lent the memory of its turn: such as the blocks that a hash fills, so that
    /// they are not allocated for each. `make` makes it where a turn begins, and it is dropped when nothing
    /// waits any more: there is never more of it than turns.
    ///
    /// ```
    /// use tower::ServiceExt;
    /// use tower_socks::{Credentials, Identity, layer::auth::BlockingVerifier};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let verifier = BlockingVerifier::with_memory(
    ///     || vec![0_u8; 19 << 20],
    ///     |blocks, credentials| {
    ///         blocks.fill(credentials.password().as_bytes()[0]); // a hash would
    ///         Ok(Identity::named(credentials.name()))
    ///     },
    /// );
    /// let joe = Credentials::new("joe", "secret").unwrap();
    /// assert_eq!(verifier.oneshot(joe).await.unwrap().to_string(), "joe");
    /// # }
    /// ```
    pub fn with_memory<M, G, F>(make: G, verify: F) -> Self
    where
        M: 'static,
        G: Fn() -> M + Send + Sync + 'static,
        F: Fn(&mut M, &Credentials) -> Result<Identity, AuthError> + Send + Sync + 'static,
    {
        let verify = Arc::new(verify);
        let make: MakeVerify = Arc::new(move || -> Verify {
            let verify = Arc::clone(&verify);
            let mut memory = make();
            Box::new(move |credentials| verify(&mut memory, credentials))
        });
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            turns: Arc::new(Turns::new(
                make,
                Limits {
                    turns: cores,
                    queue: cores * QUEUE_PER_TURN,
                    patience: PATIENCE,
                },
            )),
        }
    }

    /// Sets how many calls of the function run at once, one at least. What was cloned before keeps turns of its
    /// own.
    #[must_use]
    pub fn turns(self, most: usize) -> Self {
        self.with(|limits| limits.turns = most.max(1))
    }

    /// Sets how many verifications wait for a turn, one at least. What was cloned before keeps a queue of its own.
    #[must_use]
    pub fn queue(self, most: usize) -> Self {
        self.with(|limits| limits.queue = most.max(1))
    }

    /// Sets for how long a verification waits for its turn. Less than the handshake has, or else its client hears no
    /// answer. What was cloned before keeps a queue of its own.
    #[must_use]
    pub fn patience(self, longest: Duration) -> Self {
        self.with(|limits| limits.patience = longest)
    }

    fn with(self, change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = self.turns.limits;
        change(&mut limits);
        let make = Arc::clone(&self.turns.make);
        Self {
            turns: Arc::new(Turns::new(make, limits)),
        }
    }
}

impl Service<Credentials> for BlockingVerifier {
    type Response = Identity;
    type Error = BoxError;
    type Future = Verification;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, credentials: Credentials) -> Verification {
        Verification::new(self.turns.verify(credentials), &self.turns)
    }
}

impl fmt::Debug for BlockingVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What verifies may hold secrets.
        f.debug_struct("BlockingVerifier")
            .field("limits", &self.turns.limits)
            .finish_non_exhaustive()
    }
}
