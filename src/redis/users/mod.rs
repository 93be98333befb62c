//! Users that all nodes have in one place, a hash in Redis.
//!
//! [`RedisAccountsLayer`] reads all accounts, follows what changes, and stands in front of a verifier that knows hashes of
//! passwords, such as a [`BlockingVerifier`](crate::layer::auth::BlockingVerifier): that gets the user's as a
//! [`StoredHash`](crate::layer::auth::StoredHash) in the extensions of the credentials. A login asks Redis for nothing. While
//! Redis is away the last accounts go on, for as long as that takes.
//!
//! The hash is `PREFIX:accounts`: a field for each user, with the user's name, and an object of JSON:
//!
//! | member | what |
//! |---|---|
//! | `hash` | what the verifier gets, as `$argon2id$v=19$..`; never a password; without one nobody is let in |
//! | `groups` | the user's groups, for rules |
//! | `disabled` | `true` for who is not let in any more |
//! | `amounts` | what limits allow: an object of [`Amounts`](crate::session::Amounts) |
//!
//! Another member is a mistake: one that is misspelt could be `disabled`. Whose account is a mistake is nobody; the log says
//! how many there are, and which is the first, and has nothing of what is written.
//!
//! Beside it, `PREFIX:accounts:version` is any text of 64 octets at most that another one takes the place of when something
//! has changed. It is looked at every [other second](RedisAccountsBuilder::every). What is changed without that is noticed
//! when all are [read again](RedisAccountsBuilder::read_every), within a minute. In a shell:
//!
//! ```text
//! redis-cli HSET tower-socks:accounts joe '{"hash": "$argon2id$v=19$m=19456,t=2,p=1$..", "groups": ["staff"]}'
//! redis-cli HSET tower-socks:accounts jane '{"hash": "$argon2id$v=19$m=19456,t=2,p=1$..", "disabled": true}'
//! redis-cli HDEL tower-socks:accounts jack
//! redis-cli INCR tower-socks:accounts:version
//! ```
//!
//! Where neither of the two is there, Redis has lost them, or nobody has written any: that is a mistake, and not a fleet without
//! users. The last user is deleted with the version set.
//!
//! Who may write there can let anybody in. What they write cannot do more: names have 255 octets at most, accounts 4 KiB, all
//! of them 64 MiB, and there are [100,000](RedisAccountsBuilder::most). Where there are more, the last ones that could be taken
//! go on, and the log says so.
//!
//! With metrics, `socks_accounts` is how many there are, and `socks_accounts_age_seconds` how long ago Redis has said so.
//!
//! # Example
//!
//! ```
//! use tower::{Layer, ServiceExt};
//! use tower_socks::{
//!     Credentials, Identity, UserPass,
//!     error::AuthError,
//!     layer::auth::{BlockingVerifier, StoredHash},
//!     redis::{Redis, users::RedisAccountsLayer},
//! };
//!
//! # fn is_right(hash: Option<&str>, password: &[u8]) -> bool { hash.is_some_and(|hash| hash.as_bytes() == password) }
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower_socks::BoxError> {
//! let redis = Redis::builder("unix:///nowhere/redis.sock")?.build()?;
//! let accounts = RedisAccountsLayer::builder(&redis)
//!     .on_change(|names| println!("{} accounts have changed", names.len()))
//!     .build();
//! let hashes = BlockingVerifier::new(|credentials: &Credentials| {
//!     match is_right(StoredHash::of(credentials), credentials.password().as_bytes()) {
//!         true => Ok(Identity::named(credentials.name())),
//!         false => Err(AuthError::Denied),
//!     }
//! });
//! let verifier = accounts.layer(hashes);
//!
//! // A start without Redis is a mistake, or waits: who starts decides.
//! let error = accounts.loaded().await.unwrap_err();
//! assert_eq!(error.to_string(), "accounts of Redis: it has not answered");
//! let joe = Credentials::new("joe", "secret").unwrap();
//! assert!(verifier.clone().oneshot(joe).await.is_err());
//! let method = UserPass::new(verifier);
//! # _ = method;
//! # Ok(())
//! # }
//! ```

mod account;
mod error;
mod following;
mod future;
mod layer;
mod service;
mod snapshot;

pub use self::{
    error::RedisAccountsError,
    future::ResponseFuture,
    layer::{RedisAccountsBuilder, RedisAccountsLayer},
    service::RedisAccounts,
};
