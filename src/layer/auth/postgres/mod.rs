//! Verifies users by a query of PostgreSQL.
//!
//! [`PostgresLayer`] stands in front of a verifier that knows hashes of passwords, such as a
//! [`BlockingVerifier`](super::BlockingVerifier): it asks the database for the user's hash, hands it over as a [`StoredHash`] in
//! the extensions of the credentials, and makes an [`Identity`](crate::Identity) of the rest of the row. Which hashes there are
//! is up to the verifier; no password leaves the process.
//!
//! The query is the operator's and has the name as `$1`, a parameter of a prepared statement: no SQL is ever made of a name. It
//! gives a row at most, by the names of its columns:
//!
//! | column | type | what |
//! |---|---|---|
//! | `hash` | text | what the verifier gets; NULL for a user without a password |
//! | `name` | text | the user's name for rules and limits, where the query takes several spellings for one; else as it was sent |
//! | `groups` | text[] | the user's groups |
//! | `disabled` | boolean | true or NULL: never admitted |
//! | those of [`Amounts::NAMES`](crate::session::Amounts::NAMES) | text, or a number | what limits allow; NULL is not stated |
//!
//! A name that nobody has goes to the verifier as well, without a hash, so that it takes as long; it fails with
//! [`UnknownUser`](crate::error::UnknownUser). What an operator can mend, such as two rows or another column, is an error that
//! says so, and no wrong password.
//!
//! Connections and answers have a limit in time, an answer 1 MiB at most. So many questions are asked
//! [at once](PostgresBuilder::connections); other logins [wait](PostgresBuilder::waiting) in a queue with a share for each
//! site, client and name. A server that fails is left alone for 250 ms to 4 s, and the next is asked. A login costs one round
//! trip, and the hash.
//!
//! # Example
//!
//! ```
//! use tower::Layer;
//! use tower_socks::{
//!     Credentials, Identity, UserPass,
//!     error::AuthError,
//!     layer::auth::{
//!         BlockingVerifier,
//!         postgres::{PostgresLayer, StoredHash},
//!     },
//! };
//!
//! # fn is_right(hash: Option<&str>, password: &[u8]) -> bool { hash.is_some_and(|hash| hash.as_bytes() == password) }
//! # fn main() -> Result<(), tower_socks::BoxError> {
//! let query = "SELECT hash, groups FROM users WHERE name = $1";
//! let postgres = PostgresLayer::builder("host=/run/postgresql user=proxy dbname=users", query)?.build()?;
//! let hashes = BlockingVerifier::new(|credentials: &Credentials| {
//!     // Without a hash it computes one that it forgets.
//!     match is_right(StoredHash::of(credentials), credentials.password().as_bytes()) {
//!         true => Ok(Identity::named(credentials.name())),
//!         false => Err(AuthError::Denied),
//!     }
//! });
//! let method = UserPass::new(postgres.layer(hashes));
//! # _ = method;
//!
//! let mistake = PostgresLayer::builder("postgres://proxy@db.example/users", "SELECT hash FROM users")?.build();
//! assert_eq!(mistake.unwrap_err().to_string(), "the query has no $1, and is the same for all");
//! # Ok(())
//! # }
//! ```

mod bounded;
mod error;
mod future;
mod layer;
mod row;
mod server;
mod service;

pub use self::{
    error::{InvalidPostgres, PostgresError},
    future::ResponseFuture,
    layer::{PostgresBuilder, PostgresLayer},
    service::Postgres,
};
pub use super::StoredHash;
