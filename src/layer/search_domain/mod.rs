//! Completes names of a single label by a search domain, before anything judges them.
//!
//! Resolvers look names up as they are: `search`, `domain` and `ndots` of resolv.conf do not apply, since a policy
//! would judge `db` while `db.corp.example` is reached. Where clients are used to short names, this layer says
//! which domain they are in. It stands above policies, limits and metrics, and all of them see the
//! completed name: in CONNECT, in BIND, and in each datagram of UDP ASSOCIATE.
//!
//! ```
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_socks::{
//!     AclLayer, BoxError, Refusal, Request, error::reply_code,
//!     layer::search_domain::SearchDomainLayer,
//!     proto::{Command, DomainName, ReplyCode}, session::Check,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let stack = ServiceBuilder::new()
//!     .layer(SearchDomainLayer::new(DomainName::new("corp.example")?))
//!     .layer(AclLayer::new(|request: &Request, _: Check| match request.target.name() {
//!         Some(name) if name.ends_with(".corp.example") => Err(Refusal::not_allowed("not in here")),
//!         _ => Ok(()),
//!     }))
//!     .service(service_fn(async |request: Request| Ok::<_, BoxError>(request.target)));
//!
//! let error = stack.clone().oneshot(Request::new(Command::CONNECT, "db:80".parse()?)).await.unwrap_err();
//! assert_eq!(reply_code(&*error), ReplyCode::NOT_ALLOWED);
//! let target = stack.oneshot(Request::new(Command::CONNECT, "example.com:80".parse()?)).await?;
//! assert_eq!(target.to_string(), "example.com:80");
//! # Ok(())
//! # }
//! ```
//!
//! Below a policy that has judged the short name already it asks that one again, about the completed name.
//! Names with a dot in them, `localhost` and addresses stay as they are. There is one domain and no list: which of
//! several has the name, only a lookup could tell, and that would come before the policy.
//!
//! It costs a scan of the name, and an allocation for a name that is completed.

mod layer;

pub use self::layer::{Search, SearchDomainLayer};
