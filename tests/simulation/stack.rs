//! The stack under test, and what has to be back where it was once a session is over.

use std::{
    future::pending,
    io,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    runtime::Handle,
    sync::Semaphore,
};
use tower::{
    ServiceBuilder, ServiceExt,
    limit::GlobalConcurrencyLimitLayer,
    service_fn,
    util::{BoxCloneSyncService, BoxService, Either},
};
use tower_socks::{
    AclLayer, AuthLayer, BoxError, Credentials, HandshakeLayer, Identity, NoAuth, Refusal, Request,
    Traffic, UserPass, Users,
    io::{Direction, Meter},
    layer::{
        key,
        limit::{ConcurrentTunnels, LimitLayer},
        meter::{Admission, MakeMeter, MeterLayer},
        mixed::MixedLayer,
        socks4::Socks4Layer,
        track::OpenTunnels,
    },
    relay::Relay,
    session::{Accepted, BoxTunnel, Check, Tunnel},
};

/// For greeting, authentication and request.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// For what the connector does.
pub const DIAL: Duration = Duration::from_secs(30);
/// For a reply to leave.
pub const REPLY: Duration = Duration::from_secs(5);
/// For a peer to close after the last word.
pub const FAREWELL: Duration = Duration::from_secs(2);
/// For a tunnel without traffic.
pub const IDLE: Duration = Duration::from_secs(60);
/// For a half-closed one.
pub const LINGER: Duration = Duration::from_secs(20);

/// The limits of the tunnels.
pub const RELAY: Relay = Relay::new().idle_timeout(IDLE).half_close_timeout(LINGER);

/// A target that the policy refuses.
pub const FORBIDDEN: &str = "192.0.2.66:80";

/// What carries requests out.
pub type Bottom = BoxCloneSyncService<Request, BoxTunnel, BoxError>;

/// A whole stack, for clients on an `Io`.
pub type Stack<Io> = BoxService<Accepted<Io>, Traffic, BoxError>;

/// Who knows the passwords.
#[derive(Clone, Copy, Debug)]
pub enum Verifier {
    /// That of joe is "secret".
    Knows,
    /// It never says.
    Hangs,
}

/// What the client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    Socks5,
    Socks4,
    /// A port for all protocols that serves SOCKS5 alone.
    OnePort,
}

/// How much stands between authentication and the connector.
#[derive(Clone, Copy, Debug)]
pub enum Depth {
    /// A time limit and a policy.
    Plain,
    /// Limits and lists as well, so that the tunnel is wrapped and the client's stream is metered, by
    /// meters that hold back.
    Layered,
}

/// What sessions take, and have to give back.
#[derive(Debug)]
pub struct Counters {
    sessions: Arc<Semaphore>,
    open: OpenTunnels,
    tunnels: ConcurrentTunnels<fn(&Request) -> Option<key::Global>>,
    tasks: usize,
}

const SESSIONS: usize = 3;

impl Counters {
    pub fn new() -> Self {
        Self {
            sessions: Arc::new(Semaphore::new(SESSIONS)),
            open: OpenTunnels::new(),
            tunnels: ConcurrentTunnels::new(2, key::global),
            tasks: alive(),
        }
    }

    /// Everything is back.
    pub fn assert_zero(&self) {
        assert_eq!(self.sessions.available_permits(), SESSIONS, "permits");
        assert_eq!(self.open.totals().open, 0, "open tunnels");
        assert_eq!(self.tunnels.live(&key::Global), 0, "live tunnels");
        assert_eq!(self.tunnels.keys(), 0, "keys of tunnels");
    }

    /// No task is left but those that there were.
    pub fn assert_no_task(&self) {
        assert_eq!(alive(), self.tasks, "tasks");
    }

    pub fn stack<Io>(
        &self,
        front: Front,
        depth: Depth,
        verifier: Verifier,
        bottom: Bottom,
    ) -> Stack<Io>
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let users: Users = [("joe", "secret")].into_iter().collect();
        let verifier = service_fn(move |credentials: Credentials| {
            let users = users.clone();
            async move {
                match verifier {
                    Verifier::Knows => Ok::<Identity, BoxError>(users.oneshot(credentials).await?),
                    Verifier::Hangs => pending().await,
                }
            }
        });
        let policy = |request: &Request, _: Check| match request.target.to_string() == FORBIDDEN {
            true => Err(Refusal::not_allowed("not there")),
            false => Ok(()),
        };
        let outside = ServiceBuilder::new()
            .layer(GlobalConcurrencyLimitLayer::with_semaphore(Arc::clone(
                &self.sessions,
            )))
            .layer(either(
                front == Front::Socks5,
                HandshakeLayer::new().deadline(DEADLINE),
                either(
                    front == Front::Socks4,
                    Socks4Layer::new().deadline(DEADLINE),
                    MixedLayer::new().socks5(HandshakeLayer::new().deadline(DEADLINE)),
                ),
            ))
            .layer(AuthLayer::new((
                // Decided on at run time, as it were.
                either(true, UserPass::new(verifier.clone()), NoAuth),
                either(false, UserPass::new(verifier), NoAuth),
            )));
        match depth {
            Depth::Plain => outside
                .timeout(DIAL)
                .layer(AclLayer::new(policy))
                .service(bottom)
                .boxed(),
            Depth::Layered => outside
                .layer(self.open.layer())
                .layer(LimitLayer::new(self.tunnels.clone()))
                .layer(MeterLayer::new(Hesitant::default()))
                .layer(MeterLayer::new(Hesitant::default()))
                .timeout(DIAL)
                .layer(AclLayer::new(policy))
                .service(bottom)
                .boxed(),
        }
    }
}

fn either<A, B>(is_left: bool, left: A, right: B) -> Either<A, B> {
    match is_left {
        true => Either::Left(left),
        false => Either::Right(right),
    }
}

/// Holds back for a moment whenever something has moved, either way. To begin with it allows less than
/// anybody has room for, every other time.
#[derive(Clone, Debug, Default)]
struct Hesitant {
    up: bool,
    down: bool,
    moved: usize,
    strict: bool,
}

impl Hesitant {
    fn tired(&mut self, direction: Direction) -> &mut bool {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }
}

impl MakeMeter for Hesitant {
    type Meter = Self;

    fn meter(&self, _: &Request) -> Admission<Option<Self>> {
        Admission::Permit(Some(self.clone()))
    }
}

impl Meter for Hesitant {
    fn poll_allowance(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<usize>> {
        if std::mem::take(self.tired(direction)) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(if self.strict { 4_096 } else { usize::MAX }))
    }

    fn moved(&mut self, direction: Direction, bytes: usize) {
        *self.tired(direction) = true;
        self.moved += bytes;
        self.strict = !self.strict && self.moved < 100_000;
    }
}

/// Tasks of this runtime.
fn alive() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// A service for requests, of one type whatever it is.
pub fn bottom<S>(service: S) -> Bottom
where
    S: tower::Service<Request, Error = BoxError> + Clone + Send + Sync + 'static,
    S::Response: Tunnel + 'static,
    S::Future: Send + 'static,
{
    Bottom::new(service.map_response(BoxTunnel::new))
}
