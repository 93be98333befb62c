//! `[radius]` of the file: users of RADIUS, and accounting.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use serde::Deserialize;
use tower_socks::layer::auth::radius::{Accounting, GroupsFrom, Radius, RadiusBuilder};

use super::{
    Directory, Verifier,
    secret::{self, Secret},
};
use crate::{
    accounting::Stated,
    timeouts::{OrOff, Span},
};

/// A secret that is shorter can be guessed by who has seen a packet.
const SHORTEST_SECRET: usize = 16;

/// How often servers hear of a tunnel, if nothing is stated.
const INTERIM: Duration = Duration::from_secs(5 * 60);

/// `[radius]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    /// None, if RADIUS is there for accounting alone.
    #[serde(default)]
    servers: Vec<String>,
    secret: Option<Secret>,
    secret_file: Option<PathBuf>,
    nas_identifier: Option<String>,
    #[serde(default)]
    groups_attribute: GroupsAttribute,
    #[serde(default = "yes")]
    require_message_authenticator: bool,
    at_once: Option<NonZeroUsize>,
    waiting: Option<NonZeroUsize>,
    timeout: Option<Span>,
    retries: Option<u32>,
    accounting: Option<AccountingTable>,
}

/// `[radius.accounting]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountingTable {
    servers: Vec<String>,
    /// That of `[radius]`, if neither is stated.
    secret: Option<Secret>,
    secret_file: Option<PathBuf>,
    interim: Option<OrOff>,
    queue: Option<NonZeroUsize>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
enum GroupsAttribute {
    #[default]
    #[serde(rename = "Filter-Id")]
    FilterId,
    Class,
}

const fn yes() -> bool {
    true
}

impl Table {
    /// Whether it has a secret.
    pub(crate) fn has_secret(&self) -> bool {
        let accounting = self.accounting.as_ref();
        self.secret.is_some() || accounting.is_some_and(|table| table.secret.is_some())
    }

    /// Whether it knows users.
    pub(crate) const fn is_directory(&self) -> bool {
        !self.servers.is_empty()
    }

    /// Makes the directory, if there is one. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// What is wrong with the table, or with a file that it names.
    pub(crate) fn directory(&self) -> Result<Option<Directory>, String> {
        if !self.is_directory() {
            return match self.accounting {
                Some(_) => Ok(None),
                None => Err("radius: there are neither `servers` nor `accounting`".into()),
            };
        }
        let secret = self.secret()?;
        let secret = secret.ok_or("radius: `servers` need `secret` or `secret_file`")?;
        let mut builder = Radius::builder(&self.servers, secret.as_str());
        builder = self.more(builder);
        let radius = builder
            .build()
            .map_err(|problem| format!("radius: {problem}"))?;
        let public = radius.public().map(|server| {
            format!(
                "radius: {server} is in the Internet, and passwords are hidden by the secret alone: take a VPN to it"
            )
        });
        let mut warnings: Vec<_> = public.collect();
        if secret.len() < SHORTEST_SECRET {
            warnings.push(format!(
                "radius: the secret has less than {SHORTEST_SECRET} characters, and can be guessed by who has seen a packet"
            ));
        }
        if !self.require_message_authenticator {
            warnings.push(
                "radius: without `require_message_authenticator` who can change packets gets in with any password \
                 (CVE-2024-3596): update the servers"
                    .into(),
            );
        }
        let stated = format!("{self:?}{secret}");
        let accounting = self.accounting.as_ref();
        let files = [
            self.secret_file.clone(),
            accounting.and_then(|table| table.secret_file.clone()),
        ];
        let waits = radius.clone();
        let directory = Directory::new("radius", Verifier::new(radius), stated)
            .queue(move || waits.queue())
            .warnings(warnings)
            .secret_files(files.into_iter().flatten());
        Ok(Some(directory))
    }

    /// Reads what is stated of accounting.
    ///
    /// # Errors
    ///
    /// What is wrong with it, or with a file that it names.
    pub(crate) fn accounting(&self) -> Result<Option<Stated>, String> {
        let Some(table) = &self.accounting else {
            return Ok(None);
        };
        let own = secret::load(table.secret.as_ref(), table.secret_file.as_deref());
        let own = own.map_err(|problem| format!("radius.accounting, secret: {problem}"))?;
        let secret = match own {
            Some(own) => Some(own),
            None => self.secret()?,
        };
        let secret = secret.ok_or("radius.accounting: there is no `secret` or `secret_file`")?;
        let mut builder = Accounting::builder(&table.servers, secret.as_str());
        if let Some(name) = &self.nas_identifier {
            builder = builder.nas_identifier(name);
        }
        let interim = table.interim.map_or(Some(INTERIM), OrOff::span);
        builder = builder.interim(interim);
        if let Some(most) = table.queue {
            builder = builder.queue(most.get());
        }
        if let Some(longest) = self.timeout {
            builder = builder.timeout(longest.0);
        }
        if let Some(retries) = self.retries {
            builder = builder.retries(retries);
        }
        let of_all = (&self.nas_identifier, self.timeout, self.retries);
        let interim = match interim {
            Some(interim) => format!("updates each {interim:?}"),
            None => "no updates".to_owned(),
        };
        let summary = format!("by RADIUS to {}, {interim}", table.servers.join(", "));
        let text = format!("{table:?}{of_all:?}{secret}");
        let stated = Stated::new(builder, text, summary);
        let stated = stated.map_err(|problem| format!("radius.accounting: {problem}"))?;
        Ok(Some(stated))
    }

    fn secret(&self) -> Result<Option<String>, String> {
        let secret = secret::load(self.secret.as_ref(), self.secret_file.as_deref());
        secret.map_err(|problem| format!("radius, secret: {problem}"))
    }

    fn more(&self, mut builder: RadiusBuilder) -> RadiusBuilder {
        builder = builder.unsigned_answers(!self.require_message_authenticator);
        builder = builder.groups(match self.groups_attribute {
            GroupsAttribute::FilterId => GroupsFrom::FilterId,
            GroupsAttribute::Class => GroupsFrom::Class,
        });
        if let Some(name) = &self.nas_identifier {
            builder = builder.nas_identifier(name);
        }
        if let Some(most) = self.at_once {
            builder = builder.at_once(most.get());
        }
        if let Some(most) = self.waiting {
            builder = builder.waiting(most.get());
        }
        if let Some(longest) = self.timeout {
            builder = builder.timeout(longest.0);
        }
        if let Some(retries) = self.retries {
            builder = builder.retries(retries);
        }
        builder
    }
}
