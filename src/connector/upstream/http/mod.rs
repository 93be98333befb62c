//! HTTP CONNECT (RFC 9110 section 9.3.6): see [`HttpUpstream`].

mod basic_auth;
mod challenge;
mod header;
mod response;
mod service;

pub use crate::error::http::HttpError;

pub use self::{basic_auth::BasicAuth, header::InvalidHeader, service::HttpUpstream};
