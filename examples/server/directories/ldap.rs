//! `[ldap]` of the file: users of a directory.

use std::{collections::BTreeMap, num::NonZeroUsize, path::PathBuf, sync::Arc};

use serde::Deserialize;
use tower_socks::layer::auth::ldap::{Ldap, LdapBuilder};

use super::{
    Directory, Verifier,
    secret::{self, Secret},
};
use crate::{authorities::trust, certificates::Certificates, timeouts::Span};

/// `[ldap]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    servers: Vec<String>,
    #[serde(default)]
    start_tls: bool,
    /// The platform's, if it is left out.
    authorities: Option<PathBuf>,
    /// Either this, or the next two.
    user_dn: Option<String>,
    base: Option<String>,
    filter: Option<String>,
    account: Option<String>,
    password: Option<Secret>,
    password_file: Option<PathBuf>,
    name_attribute: Option<String>,
    groups_attribute: Option<String>,
    groups_below: Option<String>,
    groups_base: Option<String>,
    groups_filter: Option<String>,
    /// Attributes by the amounts that they state.
    #[serde(default)]
    amounts: BTreeMap<String, String>,
    connections: Option<NonZeroUsize>,
    waiting: Option<NonZeroUsize>,
    connect_timeout: Option<Span>,
    answer_timeout: Option<Span>,
}

impl Table {
    /// Whether it has a password.
    pub(crate) const fn has_secret(&self) -> bool {
        self.password.is_some()
    }

    /// Makes the directory. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// What is wrong with the table, or with a file that it names.
    pub(crate) fn directory(&self) -> Result<Directory, String> {
        let fail = |problem: String| format!("ldap: {problem}");
        let password = secret::load(self.password.as_ref(), self.password_file.as_deref());
        let password = password.map_err(|problem| format!("ldap, password: {problem}"))?;
        let mut builder = self.users().map_err(fail)?;
        builder = match (&self.account, &password) {
            (Some(dn), Some(password)) => builder.account(dn, password.as_str()),
            (None, None) => builder,
            (Some(_), None) => {
                return Err(fail("`account` needs `password` or `password_file`".into()));
            }
            (None, Some(_)) => return Err(fail("there is a password and no `account`".into())),
        };
        let (mut authorities, mut certificates) = <(String, Certificates)>::default();
        if let Some(file) = &self.authorities {
            let trusted = trust(file).map_err(fail)?;
            builder = builder.tls(trusted.tls);
            (authorities, certificates) = (trusted.text, trusted.expires);
        }
        builder = match (&self.groups_base, &self.groups_filter) {
            (Some(base), Some(filter)) => builder.groups(base, filter),
            (None, None) => builder,
            _ => return Err(fail("`groups_base` and `groups_filter` go together".into())),
        };
        let ldap = self.more(builder).build();
        let ldap = ldap.map_err(|problem| fail(problem.to_string()))?;
        let warnings = ldap.clear_text().map(|server| {
            format!(
                "ldap: passwords go to {server} in clear text: take ldaps:// or `start_tls = true`"
            )
        });
        let warnings: Vec<_> = warnings.collect();
        let stated = format!("{self:?}{password:?}{authorities}");
        let asked = ldap.clone();
        let waits = ldap.clone();
        let directory = Directory::new("ldap", Verifier::new(ldap), stated)
            .queue(move || waits.queue())
            .warnings(warnings)
            .certificates(certificates)
            .secret_files(self.password_file.clone())
            .knows(Arc::new(move |name| {
                let asked = asked.clone();
                Box::pin(async move { asked.knows(&name).await })
            }));
        Ok(directory)
    }

    /// Where users are.
    fn users(&self) -> Result<LdapBuilder, String> {
        let servers = self.servers.iter();
        match (&self.user_dn, &self.base, &self.filter) {
            (Some(dn), None, None) => Ok(Ldap::by_dn(servers, dn)),
            (None, Some(base), filter) => {
                let filter = filter.as_deref().unwrap_or("(uid={user})");
                Ok(Ldap::by_search(servers, base, filter))
            }
            _ => Err("it takes either `user_dn`, or `base` with `filter`".into()),
        }
    }

    fn more(&self, mut builder: LdapBuilder) -> LdapBuilder {
        builder = builder.start_tls(self.start_tls);
        if let Some(name) = &self.name_attribute {
            builder = builder.name_attribute(name);
        }
        if let Some(name) = &self.groups_attribute {
            builder = builder.groups_attribute(name);
        }
        if let Some(base) = &self.groups_below {
            builder = builder.groups_below(base);
        }
        for (name, attribute) in &self.amounts {
            builder = builder.amount(name, attribute);
        }
        if let Some(most) = self.connections {
            builder = builder.connections(most.get());
        }
        if let Some(most) = self.waiting {
            builder = builder.waiting(most.get());
        }
        if let Some(longest) = self.connect_timeout {
            builder = builder.connect_timeout(longest.0);
        }
        if let Some(longest) = self.answer_timeout {
            builder = builder.answer_timeout(longest.0);
        }
        builder
    }
}
