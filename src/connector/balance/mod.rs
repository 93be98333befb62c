//! Balancing: several alternatives, and each request goes by one that is up.
//!
//! [`Balance`] takes the alternative with the fewest open tunnels for its weight, or always the same one for a
//! [client, user or target](By): for targets that bind a session to the address that it came from, and for caches. It
//! works for CONNECT, BIND and UDP ASSOCIATE alike; what is counted is open until the tunnel or the transport of datagrams
//! has ended, and not only until the reply.
//!
//! Where the alternative fails, the next best one is tried, by the rules of [`failover`](super::failover): a failure of its
//! own takes it down for all, a failure reply is an answer and is told to the client. Those that are down come last. It
//! differs from `tower::balance` in that: there a request that fails has failed, and an alternative is not ready while it is
//! down. A request costs a pass over the alternatives.
//!
//! ```
//! use tower::ServiceExt;
//! use tower_socks::{
//!     Connector, Request,
//!     connector::{BoxConnector, balance::{Balance, By}, direct::Direct, failover::Standing},
//!     proto::{Address, Command},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_socks::BoxError> {
//! # let target = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let target = Address::Ip(target.local_addr()?);
//! # let upstream = || BoxConnector::<Request>::new(Direct::new());
//! let (paris, berlin) = (Standing::new("paris"), Standing::new("berlin"));
//! let balance = Balance::new([(paris.clone(), upstream()), (berlin.clone(), upstream())]);
//!
//! let request = Request::new(Command::CONNECT, target);
//! let first = balance.clone().oneshot(request.clone()).await?;
//! let second = balance.clone().oneshot(request).await?;
//! assert_eq!((paris.in_use(), berlin.in_use()), (1, 1));
//! drop((first, second));
//! assert_eq!((paris.in_use(), berlin.in_use()), (0, 0));
//!
//! // All requests of a user go by the same one, twice as many users by the first.
//! let sticky = balance.by(By::User).weights([2, 1]);
//! let connector = Connector::direct().with_connect(sticky);
//! # _ = connector;
//! # Ok(())
//! # }
//! ```

mod by;
mod counted;
mod service;

pub use self::{
    by::By,
    counted::Counted,
    service::{Balance, BalanceFuture},
};
