//! What one user may use.

mod by_request;
mod debug;
mod setters;
mod size;
mod written;

use serde::{Deserialize, Serialize};

pub use self::{
    by_request::Amount,
    size::{Bytes, BytesPerSecond, InvalidAmount},
};
use self::{
    size::Kind,
    written::{all_of, some_of},
};
use super::Identity;

/// What one user may use of what is limited: the amounts that a directory or an operator states.
///
/// A verifier that knows them puts them into the [extensions](super::Identity::extensions_mut) of the identity. Limits take
/// their amounts from there where they are told to. `None` is not stated; the largest number of its type is no limit; 0 allows
/// nothing, and of a rate in bytes one a second.
///
/// As text and in files (serde), sizes and rates may have units, and no limit is `"off"`: see [`Bytes`] and [`BytesPerSecond`].
///
/// ```
/// use tower_socks::{Identity, session::Amounts};
///
/// let mut joe = Identity::named("joe");
/// let amounts = Amounts::new().tunnels(50).download(1_250_000);
/// joe.extensions_mut().insert(amounts.clone());
/// assert_eq!(Amounts::of(&joe), Some(&amounts));
///
/// // As a directory writes them.
/// let mut stated = Amounts::new();
/// stated.set("tunnels", "50")?;
/// stated.set("download", "10 Mbit/s")?;
/// assert_eq!(stated, amounts);
/// # Ok::<_, tower_socks::session::InvalidAmount>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Amounts {
    /// Open tunnels, dials included.
    #[serde(
        deserialize_with = "written::count",
        serialize_with = "written::write_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub tunnels: Option<usize>,
    /// Requests a second.
    #[serde(
        deserialize_with = "written::few",
        serialize_with = "written::write_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub requests_per_second: Option<u32>,
    /// Requests at once, after a pause.
    #[serde(
        deserialize_with = "written::few",
        serialize_with = "written::write_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub request_burst: Option<u32>,
    /// Bytes a second from clients to targets, of all tunnels together.
    #[serde(
        deserialize_with = "written::rate",
        serialize_with = "written::write_rate",
        skip_serializing_if = "Option::is_none"
    )]
    pub upload: Option<u64>,
    /// Bytes a second from targets to clients, of all tunnels together.
    #[serde(
        deserialize_with = "written::rate",
        serialize_with = "written::write_rate",
        skip_serializing_if = "Option::is_none"
    )]
    pub download: Option<u64>,
    /// Bytes that may move up at once, after a pause.
    #[serde(
        deserialize_with = "written::size",
        serialize_with = "written::write_size",
        skip_serializing_if = "Option::is_none"
    )]
    pub upload_burst: Option<u64>,
    /// Bytes that may move down at once, after a pause.
    #[serde(
        deserialize_with = "written::size",
        serialize_with = "written::write_size",
        skip_serializing_if = "Option::is_none"
    )]
    pub download_burst: Option<u64>,
    /// Bytes in both directions in a day of the calendar.
    #[serde(
        deserialize_with = "written::size",
        serialize_with = "written::write_size",
        skip_serializing_if = "Option::is_none"
    )]
    pub bytes_per_day: Option<u64>,
    /// Bytes in both directions in a month of the calendar.
    #[serde(
        deserialize_with = "written::size",
        serialize_with = "written::write_size",
        skip_serializing_if = "Option::is_none"
    )]
    pub bytes_per_month: Option<u64>,
    /// Open associations.
    #[serde(
        deserialize_with = "written::count",
        serialize_with = "written::write_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub associations: Option<usize>,
    /// BINDs, those that wait for their peer among them.
    #[serde(
        deserialize_with = "written::count",
        serialize_with = "written::write_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub binds: Option<usize>,
    /// Live sessions, from authentication on.
    #[serde(
        deserialize_with = "written::count",
        serialize_with = "written::write_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub sessions: Option<usize>,
}

impl Amounts {
    /// The names that they have as text and in files.
    pub const NAMES: [&str; 12] = [
        "tunnels",
        "requests_per_second",
        "request_burst",
        "upload",
        "download",
        "upload_burst",
        "download_burst",
        "bytes_per_day",
        "bytes_per_month",
        "associations",
        "binds",
        "sessions",
    ];

    /// Creates amounts of which none is stated.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns those that ride in an identity.
    #[must_use]
    pub fn of(identity: &Identity) -> Option<&Self> {
        identity.extensions().get()
    }

    /// Sets the amount of this name, as text: one of [`NAMES`](Self::NAMES).
    ///
    /// # Errors
    ///
    /// No amount has this name, or the text is none. The error says what would be right; nothing is changed.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), InvalidAmount> {
        match name {
            "tunnels" => self.tunnels = Some(all_of(Kind::Number.parse(text)?)),
            "requests_per_second" => {
                self.requests_per_second = Some(some_of(Kind::Number.parse(text)?))
            }
            "request_burst" => self.request_burst = Some(some_of(Kind::Number.parse(text)?)),
            "upload" => self.upload = Some(Kind::Rate.parse(text)?),
            "download" => self.download = Some(Kind::Rate.parse(text)?),
            "upload_burst" => self.upload_burst = Some(Kind::Size.parse(text)?),
            "download_burst" => self.download_burst = Some(Kind::Size.parse(text)?),
            "bytes_per_day" => self.bytes_per_day = Some(Kind::Size.parse(text)?),
            "bytes_per_month" => self.bytes_per_month = Some(Kind::Size.parse(text)?),
            "associations" => self.associations = Some(all_of(Kind::Number.parse(text)?)),
            "binds" => self.binds = Some(all_of(Kind::Number.parse(text)?)),
            "sessions" => self.sessions = Some(all_of(Kind::Number.parse(text)?)),
            _ => return Err(InvalidAmount::unknown(name, &Self::NAMES)),
        }
        Ok(())
    }

    /// Takes what is not stated here from others.
    #[must_use]
    pub fn or(self, others: &Self) -> Self {
        Self {
            tunnels: self.tunnels.or(others.tunnels),
            requests_per_second: self.requests_per_second.or(others.requests_per_second),
            request_burst: self.request_burst.or(others.request_burst),
            upload: self.upload.or(others.upload),
            download: self.download.or(others.download),
            upload_burst: self.upload_burst.or(others.upload_burst),
            download_burst: self.download_burst.or(others.download_burst),
            bytes_per_day: self.bytes_per_day.or(others.bytes_per_day),
            bytes_per_month: self.bytes_per_month.or(others.bytes_per_month),
            associations: self.associations.or(others.associations),
            binds: self.binds.or(others.binds),
            sessions: self.sessions.or(others.sessions),
        }
    }

    /// Takes the larger of each: what one who is in two groups has. What is stated in one of them alone is that.
    #[must_use]
    pub fn larger(self, others: &Self) -> Self {
        Self {
            tunnels: self.tunnels.max(others.tunnels),
            requests_per_second: self.requests_per_second.max(others.requests_per_second),
            request_burst: self.request_burst.max(others.request_burst),
            upload: self.upload.max(others.upload),
            download: self.download.max(others.download),
            upload_burst: self.upload_burst.max(others.upload_burst),
            download_burst: self.download_burst.max(others.download_burst),
            bytes_per_day: self.bytes_per_day.max(others.bytes_per_day),
            bytes_per_month: self.bytes_per_month.max(others.bytes_per_month),
            associations: self.associations.max(others.associations),
            binds: self.binds.max(others.binds),
            sessions: self.sessions.max(others.sessions),
        }
    }
}
