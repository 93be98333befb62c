//! What one user may use.

mod by_request;
mod size;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use self::size::{Kind, OFF, Visitor};
pub use self::{
    by_request::Amount,
    size::{Bytes, BytesPerSecond, InvalidAmount},
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
        deserialize_with = "count",
        serialize_with = "write_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub tunnels: Option<usize>,
    /// Requests a second.
    #[serde(
        deserialize_with = "few",
        serialize_with = "write_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub requests_per_second: Option<u32>,
    /// Requests at once, after a pause.
    #[serde(
        deserialize_with = "few",
        serialize_with = "write_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub request_burst: Option<u32>,
    /// Bytes a second from clients to targets, of all tunnels together.
    #[serde(
        deserialize_with = "rate",
        serialize_with = "write_rate",
        skip_serializing_if = "Option::is_none"
    )]
    pub upload: Option<u64>,
    /// Bytes a second from targets to clients, of all tunnels together.
    #[serde(
        deserialize_with = "rate",
        serialize_with = "write_rate",
        skip_serializing_if = "Option::is_none"
    )]
    pub download: Option<u64>,
    /// Bytes that may move up at once, after a pause.
    #[serde(
        deserialize_with = "size",
        serialize_with = "write_size",
        skip_serializing_if = "Option::is_none"
    )]
    pub upload_burst: Option<u64>,
    /// Bytes that may move down at once, after a pause.
    #[serde(
        deserialize_with = "size",
        serialize_with = "write_size",
        skip_serializing_if = "Option::is_none"
    )]
    pub download_burst: Option<u64>,
    /// Bytes in both directions in a day of the calendar.
    #[serde(
        deserialize_with = "size",
        serialize_with = "write_size",
        skip_serializing_if = "Option::is_none"
    )]
    pub bytes_per_day: Option<u64>,
    /// Bytes in both directions in a month of the calendar.
    #[serde(
        deserialize_with = "size",
        serialize_with = "write_size",
        skip_serializing_if = "Option::is_none"
    )]
    pub bytes_per_month: Option<u64>,
    /// Open associations.
    #[serde(
        deserialize_with = "count",
        serialize_with = "write_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub associations: Option<usize>,
    /// BINDs, those that wait for their peer among them.
    #[serde(
        deserialize_with = "count",
        serialize_with = "write_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub binds: Option<usize>,
    /// Live sessions, from authentication on.
    #[serde(
        deserialize_with = "count",
        serialize_with = "write_number",
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

    /// Sets [`tunnels`](Self#structfield.tunnels): open tunnels, dials included.
    #[must_use]
    pub const fn tunnels(mut self, most: usize) -> Self {
        self.tunnels = Some(most);
        self
    }

    /// Sets [`requests_per_second`](Self#structfield.requests_per_second): requests a second.
    #[must_use]
    pub const fn requests_per_second(mut self, most: u32) -> Self {
        self.requests_per_second = Some(most);
        self
    }

    /// Sets [`request_burst`](Self#structfield.request_burst): requests at once, after a pause.
    #[must_use]
    pub const fn request_burst(mut self, most: u32) -> Self {
        self.request_burst = Some(most);
        self
    }

    /// Sets [`upload`](Self#structfield.upload): bytes a second from clients to targets, of all tunnels together.
    #[must_use]
    pub const fn upload(mut self, most: u64) -> Self {
        self.upload = Some(most);
        self
    }

    /// Sets [`download`](Self#structfield.download): bytes a second from targets to clients, of all tunnels together.
    #[must_use]
    pub const fn download(mut self, most: u64) -> Self {
        self.download = Some(most);
        self
    }

    /// Sets [`upload_burst`](Self#structfield.upload_burst): bytes that may move up at once, after a pause.
    #[must_use]
    pub const fn upload_burst(mut self, most: u64) -> Self {
        self.upload_burst = Some(most);
        self
    }

    /// Sets [`download_burst`](Self#structfield.download_burst): bytes that may move down at once, after a pause.
    #[must_use]
    pub const fn download_burst(mut self, most: u64) -> Self {
        self.download_burst = Some(most);
        self
    }

    /// Sets [`bytes_per_day`](Self#structfield.bytes_per_day): bytes in both directions in a day of the calendar.
    #[must_use]
    pub const fn bytes_per_day(mut self, most: u64) -> Self {
        self.bytes_per_day = Some(most);
        self
    }

    /// Sets [`bytes_per_month`](Self#structfield.bytes_per_month): bytes in both directions in a month of the calendar.
    #[must_use]
    pub const fn bytes_per_month(mut self, most: u64) -> Self {
        self.bytes_per_month = Some(most);
        self
    }

    /// Sets [`associations`](Self#structfield.associations): open associations.
    #[must_use]
    pub const fn associations(mut self, most: usize) -> Self {
        self.associations = Some(most);
        self
    }

    /// Sets [`binds`](Self#structfield.binds): BINDs, those that wait for their peer among them.
    #[must_use]
    pub const fn binds(mut self, most: usize) -> Self {
        self.binds = Some(most);
        self
    }

    /// Sets [`sessions`](Self#structfield.sessions): live sessions, from authentication on.
    #[must_use]
    pub const fn sessions(mut self, most: usize) -> Self {
        self.sessions = Some(most);
        self
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

/// Those that are stated.
impl fmt::Debug for Amounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct("Amounts");
        if let Some(it) = self.tunnels.map(Number::from) {
            all.field("tunnels", &format_args!("{it}"));
        }
        if let Some(it) = self.requests_per_second.map(Number::from) {
            all.field("requests_per_second", &format_args!("{it}"));
        }
        if let Some(it) = self.request_burst.map(Number::from) {
            all.field("request_burst", &format_args!("{it}"));
        }
        if let Some(it) = self.upload.map(BytesPerSecond) {
            all.field("upload", &format_args!("{it}"));
        }
        if let Some(it) = self.download.map(BytesPerSecond) {
            all.field("download", &format_args!("{it}"));
        }
        if let Some(it) = self.upload_burst.map(Bytes) {
            all.field("upload_burst", &format_args!("{it}"));
        }
        if let Some(it) = self.download_burst.map(Bytes) {
            all.field("download_burst", &format_args!("{it}"));
        }
        if let Some(it) = self.bytes_per_day.map(Bytes) {
            all.field("bytes_per_day", &format_args!("{it}"));
        }
        if let Some(it) = self.bytes_per_month.map(Bytes) {
            all.field("bytes_per_month", &format_args!("{it}"));
        }
        if let Some(it) = self.associations.map(Number::from) {
            all.field("associations", &format_args!("{it}"));
        }
        if let Some(it) = self.binds.map(Number::from) {
            all.field("binds", &format_args!("{it}"));
        }
        if let Some(it) = self.sessions.map(Number::from) {
            all.field("sessions", &format_args!("{it}"));
        }
        all.finish()
    }
}

/// A number that is too large for its type is no limit, as the largest is.
fn all_of(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn some_of(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn amount<'de, D: Deserializer<'de>>(deserializer: D, kind: Kind) -> Result<u64, D::Error> {
    deserializer.deserialize_any(Visitor(kind))
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    amount(deserializer, Kind::Size).map(Some)
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    amount(deserializer, Kind::Rate).map(Some)
}

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    amount(deserializer, Kind::Number).map(|number| Some(all_of(number)))
}

fn few<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    amount(deserializer, Kind::Number).map(|number| Some(some_of(number)))
}

/// A count, or no limit.
struct Number(Option<u64>);

impl From<usize> for Number {
    fn from(number: usize) -> Self {
        Self(u64::try_from(number).ok().filter(|_| number < usize::MAX))
    }
}

impl From<u32> for Number {
    fn from(number: u32) -> Self {
        Self(Some(number.into()).filter(|_| number < u32::MAX))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => number.fmt(f),
            None => f.write_str(OFF),
        }
    }
}

fn write_number<N: Copy + Into<Number>, S: Serializer>(
    number: &Option<N>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match number.map(Into::into) {
        Some(Number(Some(number))) => serializer.serialize_u64(number),
        _ => serializer.serialize_str(OFF),
    }
}

fn write_size<S: Serializer>(bytes: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    bytes.map(Bytes).serialize(serializer)
}

fn write_rate<S: Serializer>(bytes: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    bytes.map(BytesPerSecond).serialize(serializer)
}
