//! What the file says.

use std::{
    collections::BTreeMap,
    num::{NonZeroU8, NonZeroU32, NonZeroU64, NonZeroUsize},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, de};
use tower_socks::{
    Identity,
    layer::meter::Periods,
    rules::RulesBuilder,
    server::{HandshakeLimit, SessionLimit},
    session::{Amounts, Bytes, BytesPerSecond},
};

use super::table::Table;

/// `[limits]`. What is left out is not limited, but for sessions, handshakes,
/// associations and BINDs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Live sessions of all clients together.
    sessions: NonZeroUsize,
    /// A share of them each, unless the file says otherwise.
    sessions_per_client: Option<NonZeroUsize>,
    sessions_per_user: Option<NonZeroUsize>,
    /// Connections of one client in the handshake.
    pub(super) unauthenticated_per_client: NonZeroUsize,
    #[serde(deserialize_with = "count")]
    tunnels_per_user: Option<NonZeroUsize>,
    /// Associations of one user, or client.
    pub(crate) associations_per_user: NonZeroUsize,
    /// What waits for a client of UDP over TCP that does not read.
    #[serde(deserialize_with = "backlog")]
    pub(crate) backlog_bytes_per_association: NonZeroUsize,
    /// BINDs of one user, or client.
    pub(crate) binds_per_user: NonZeroUsize,
    #[serde(deserialize_with = "count")]
    requests_per_second: Option<NonZeroU32>,
    #[serde(deserialize_with = "count")]
    request_burst: Option<NonZeroU32>,
    /// `upload_bytes_per_second` is what it was called.
    #[serde(alias = "upload_bytes_per_second", deserialize_with = "rate")]
    upload: Option<NonZeroU64>,
    #[serde(alias = "download_bytes_per_second", deserialize_with = "rate")]
    download: Option<NonZeroU64>,
    #[serde(deserialize_with = "size")]
    upload_burst: Option<NonZeroU64>,
    #[serde(deserialize_with = "size")]
    download_burst: Option<NonZeroU64>,
    #[serde(deserialize_with = "size")]
    bytes_per_day: Option<NonZeroU64>,
    #[serde(deserialize_with = "size")]
    bytes_per_month: Option<NonZeroU64>,
    /// Where what was used of quotas survives a restart.
    pub(super) quota_file: Option<PathBuf>,
    /// The day on which months begin.
    quota_day: NonZeroU8,
    quota_time_zone: Option<String>,
    /// What some users have in place of what all have, and what those of some groups have.
    pub(super) users: BTreeMap<String, Amounts>,
    pub(super) groups: BTreeMap<String, Amounts>,
    /// Users of [acl.groups], each with the groups of theirs that have amounts.
    #[serde(skip)]
    pub(super) memberships: BTreeMap<String, Vec<String>>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: NonZeroUsize::MIN.saturating_add(9_999),
            sessions_per_client: None,
            sessions_per_user: None,
            unauthenticated_per_client: NonZeroUsize::MIN.saturating_add(255),
            tunnels_per_user: None,
            associations_per_user: NonZeroUsize::MIN.saturating_add(63),
            backlog_bytes_per_association: NonZeroUsize::MIN.saturating_add(256 * 1024 - 1),
            binds_per_user: NonZeroUsize::MIN.saturating_add(63),
            requests_per_second: None,
            request_burst: None,
            upload: None,
            download: None,
            upload_burst: None,
            download_burst: None,
            bytes_per_day: None,
            bytes_per_month: None,
            quota_file: None,
            quota_day: NonZeroU8::MIN,
            quota_time_zone: None,
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
            memberships: BTreeMap::new(),
        }
    }
}

impl Limits {
    /// The sessions of all listeners.
    pub(super) fn sessions(&self) -> SessionLimit {
        let mut limit = SessionLimit::new(self.sessions.get());
        if let Some(most) = self.sessions_per_client {
            limit = limit.per_client(most.get());
        }
        if let Some(most) = self.sessions_per_user {
            limit = limit.per_user(most.get());
        }
        limit
    }

    /// The connections in the handshake at all listeners.
    pub(super) fn handshakes(&self) -> HandshakeLimit {
        HandshakeLimit::per_client(self.unauthenticated_per_client.get())
    }

    /// What everybody has of whom nothing else is said.
    pub(super) fn for_all(&self) -> Amounts {
        let mut all = Amounts::new();
        all.tunnels = self.tunnels_per_user.map(NonZeroUsize::get);
        all.requests_per_second = self.requests_per_second.map(NonZeroU32::get);
        all.request_burst = self.request_burst.map(NonZeroU32::get);
        all.upload = self.upload.map(NonZeroU64::get);
        all.download = self.download.map(NonZeroU64::get);
        all.upload_burst = self.upload_burst.map(NonZeroU64::get);
        all.download_burst = self.download_burst.map(NonZeroU64::get);
        all.bytes_per_day = self.bytes_per_day.map(NonZeroU64::get);
        all.bytes_per_month = self.bytes_per_month.map(NonZeroU64::get);
        all
    }

    /// What a user has of all that is limited for each.
    pub(crate) fn of(&self, identity: &Identity) -> Amounts {
        let mut rest = Amounts::new()
            .associations(self.associations_per_user.get())
            .binds(self.binds_per_user.get());
        rest.sessions = self.sessions_per_user.map(NonZeroUsize::get);
        Table::new(self).of(identity).or(&rest)
    }

    /// When days and months begin.
    pub(crate) fn periods(&self) -> Result<Periods, String> {
        let periods = Periods::new().day_of_month(self.quota_day.get());
        match &self.quota_time_zone {
            None => Ok(periods),
            Some(zone) => periods
                .time_zone(zone)
                .map_err(|problem| format!("limits, quota_time_zone: {problem}")),
        }
    }

    /// Takes the groups of users from the rules.
    pub(crate) fn with_groups(mut self, acl: &RulesBuilder) -> Self {
        for (group, user) in acl.members() {
            if self.groups.contains_key(group) {
                let groups = self.memberships.entry(user.to_owned()).or_default();
                groups.push(group.to_owned());
            }
        }
        self
    }

    pub(crate) fn quota_file(&self) -> Option<&Path> {
        self.quota_file.as_deref()
    }

    /// Checks what single fields do not show: days and zones, and names of users and groups that do not exist, as far as the
    /// file knows them.
    pub(crate) fn check(
        &self,
        acl: &RulesBuilder,
        known: impl Fn(&str) -> bool,
        has_directories: bool,
    ) -> Result<(), String> {
        self.periods()?;
        if self.quota_day.get() > 31 {
            return Err(format!(
                "limits, quota_day: there is no day {} of a month: it is one from 1 to 31",
                self.quota_day
            ));
        }
        if self
            .quota_file
            .as_ref()
            .is_some_and(|it| it.as_os_str().is_empty())
        {
            return Err(
                "limits, quota_file: it is empty: write the name of a file, or leave it out".into(),
            );
        }
        if !has_directories {
            self.check_bursts()?;
        }
        if let Some(user) = self.users.keys().find(|user| !known(user)) {
            return Err(format!("limits, users: there is no user `{user}`"));
        }
        let mut groups: Vec<&str> = acl.members().map(|(group, _)| group).collect();
        groups.dedup();
        match self
            .groups
            .keys()
            .find(|group| !groups.contains(&group.as_str()))
        {
            Some(group) if !has_directories && groups.is_empty() => Err(format!(
                "limits, groups: there is no group `{group}`: neither [acl.groups] nor a directory has any"
            )),
            Some(group) if !has_directories => Err(format!(
                "limits, groups: there is no group `{group}` with members: those of [acl.groups] are {}",
                groups.join(", ")
            )),
            _ => Ok(()),
        }
    }

    /// Looks for bursts of which nobody has the rate.
    fn check_bursts(&self) -> Result<(), String> {
        let all = self.for_all();
        let every = || {
            let stated = self.users.values().chain(self.groups.values());
            stated.chain([&all])
        };
        type AreThere = fn(&Amounts) -> (bool, bool);
        let pairs: [(&str, &str, AreThere); 3] = [
            ("request_burst", "requests_per_second", |it| {
                (it.request_burst.is_some(), it.requests_per_second.is_some())
            }),
            ("upload_burst", "upload", |it| {
                (it.upload_burst.is_some(), it.upload.is_some())
            }),
            ("download_burst", "download", |it| {
                (it.download_burst.is_some(), it.download.is_some())
            }),
        ];
        for (burst, rate, are_there) in pairs {
            let has_burst = every().any(|amounts| are_there(amounts).0);
            if has_burst && !every().any(|amounts| are_there(amounts).1) {
                return Err(format!(
                    "limits, {burst}: it goes with `{rate}`, which is nowhere: without that there is no limit"
                ));
            }
        }
        Ok(())
    }
}

/// An amount for all. With 0 nobody could use the server.
fn some<E: de::Error>(amount: u64) -> Result<Option<NonZeroU64>, E> {
    let nothing = || {
        E::custom("0 would allow nothing: leave it out, or say \"off\", if there is to be no limit")
    };
    NonZeroU64::new(amount).ok_or_else(nothing).map(Some)
}

/// A count as the file has it.
#[derive(Deserialize)]
#[serde(untagged, expecting = "this has to be a number from 1 on, or \"off\"")]
enum Count {
    Number(u64),
    Off(Off),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Off {
    Off,
}

fn count<'de, D, N>(deserializer: D) -> Result<Option<N>, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<NonZeroU64>,
{
    match Count::deserialize(deserializer)? {
        Count::Off(Off::Off) => Ok(None),
        Count::Number(number) => match some(number)?.map(N::try_from) {
            Some(Ok(number)) => Ok(Some(number)),
            _ => Err(de::Error::custom(
                "this is too much: say \"off\" for no limit",
            )),
        },
    }
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NonZeroU64>, D::Error> {
    some(Bytes::deserialize(deserializer)?.0)
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NonZeroU64>, D::Error> {
    some(BytesPerSecond::deserialize(deserializer)?.0)
}

fn backlog<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NonZeroUsize, D::Error> {
    let size = some(Bytes::deserialize(deserializer)?.0)?;
    let size = size.and_then(|size| NonZeroUsize::try_from(size).ok());
    size.filter(|size| size.get() < usize::MAX).ok_or_else(|| {
        de::Error::custom(
            "there has to be a limit, or clients that do not read would fill the memory",
        )
    })
}
