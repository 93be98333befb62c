//! What flows through a stack, from the accepted connection to the tunnel.
//!
//! ```text
//! Accepted<Io>  --Handshake-->  Negotiation<Io>  --Auth-->  Authenticated<W, S>
//!                                                             |
//!                               Traffic  <--run--  Tunnel  <--S--  Request
//! ```
//!
//! The types are plain data. A layer of your own reads and changes them: it may wrap
//! [`Accepted::io`] in TLS, add claims to a [`Request`]'s [`Extensions`], or wrap the [`Tunnel`]
//! that comes back to hold something for as long as bytes flow ([`TunnelExt`]).

mod accepted;
mod admission;
mod allowed_or_refused;
mod amounts;
mod box_tunnel;
mod client_key;
mod connected;
mod counts;
mod credentials;
mod dialled;
mod draining;
mod extensions;
mod guard;
mod identity;
mod kept;
mod left;
mod login_attempts;
mod negotiation;
mod policy;
mod protocol;
pub(crate) mod record;
mod replies;
mod request;
mod sealed;
mod search_domain;
mod senders;
mod serde;
mod session_limit;
mod share;
mod stated;
mod target;
mod tunnel;
mod tunnel_ext;
mod user_limit;

pub(crate) use self::left::has_left;
#[cfg(feature = "limit")]
pub(crate) use self::login_attempts::{CountLogin, CountLogins};
pub(crate) use self::replies::Replies;
#[cfg(feature = "metrics")]
pub(crate) use self::session_limit::{SESSIONS_LIMIT, SESSIONS_WAITING};
#[cfg(feature = "limit")]
pub(crate) use self::share::answered;
pub use self::{
    accepted::Accepted,
    amounts::{Amount, Amounts, Bytes, BytesPerSecond, InvalidAmount},
    box_tunnel::BoxTunnel,
    client_key::{User, UserOrClient},
    connected::Connected,
    credentials::Credentials,
    dialled::Dialled,
    extensions::Extensions,
    guard::Guard,
    identity::Identity,
    login_attempts::{LoginAttempt, LoginAttempts},
    negotiation::{Authenticated, Negotiation},
    policy::{Check, Policy},
    protocol::{Protocol, UnknownProtocol},
    request::Request,
    sealed::{CloneService, Dial, Identify, Negotiate, Verify},
    search_domain::SearchDomain,
    session_limit::SessionLimit,
    share::{Admission, Share},
    stated::Stated,
    target::Target,
    tunnel::Tunnel,
    tunnel_ext::{HoldTunnel, MeteredTunnel, OnCloseTunnel, TunnelExt},
    user_limit::UserLimit,
};
pub(crate) use self::{
    admission::{Closed, Deferred, Limits, admit},
    counts::{count_for_user, leave_handshake},
    senders::{Senders, announced},
    session_limit::{Entry, SessionHolder, SessionPlace},
};
pub(crate) use self::{allowed_or_refused::AllowedOrRefused, draining::Draining};
pub use crate::admission::Fullness;
