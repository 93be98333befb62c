//! Verifies users by a query of PostgreSQL.

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
    service::{Postgres, StoredHash},
};
