use std::{fmt, sync::Arc, time::Duration};

use tokio_rustls::rustls::ClientConfig;

use super::super::gate::Gate;
use super::{
    connection::Times,
    dn::Dn,
    error::InvalidLdap,
    filter::Filter,
    servers::Servers,
    service::{Inner, Ldap},
    settings::{Account, Settings, Users},
    url::{Protection, Url},
};
use crate::{session::Amounts, tls::ClientSettings};

/// How users are found and asked for: makes an [`Ldap`].
#[derive(Clone)]
#[must_use]
pub struct LdapBuilder {
    servers: Vec<String>,
    start_tls: bool,
    tls: Option<Arc<ClientConfig>>,
    settings: Settings,
    connections: usize,
    waiting: usize,
    patience: Duration,
    times: Times,
}

impl Ldap {
    /// Finds users by their DN, in which `{user}` is the name: `uid={user},ou=people,dc=example,dc=com`. Servers are
    /// `ldaps://HOST` or `ldap://HOST`, with or without a port, of which the next is asked where one is away.
    pub fn by_dn<S: Into<String>>(
        servers: impl IntoIterator<Item = S>,
        template: impl Into<String>,
    ) -> LdapBuilder {
        LdapBuilder::new(servers, Users::Named(template.into()))
    }

    /// Finds users by a search below `base`, with `{user}` in its filter: `(&(objectClass=person)(uid={user}))`. Two
    /// entries that fit are an error.
    pub fn by_search<S: Into<String>>(
        servers: impl IntoIterator<Item = S>,
        base: impl Into<String>,
        filter: impl Into<String>,
    ) -> LdapBuilder {
        LdapBuilder::new(servers, Users::Searched(base.into(), filter.into()))
    }
}

impl LdapBuilder {
    fn new<S: Into<String>>(servers: impl IntoIterator<Item = S>, users: Users) -> Self {
        Self {
            servers: servers.into_iter().map(Into::into).collect(),
            start_tls: false,
            tls: None,
            settings: Settings {
                users,
                account: None,
                name_attribute: "uid".into(),
                groups_attribute: None,
                groups_below: None,
                groups: None,
                amounts: Vec::new(),
            },
            connections: 16,
            waiting: 512,
            patience: Duration::from_secs(5),
            times: Times {
                connect: Duration::from_secs(4),
                answer: Duration::from_secs(4),
            },
        }
    }

    /// Sets who searches: a service account. Without one searches are anonymous.
    pub fn account(mut self, dn: impl Into<String>, password: impl Into<Vec<u8>>) -> Self {
        self.settings.account = Some(Account {
            dn: dn.into(),
            password: password.into(),
        });
        self
    }

    /// Sets whom we trust, and who we are. By default those of the platform.
    pub fn tls(mut self, config: Arc<ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Begins TLS by StartTLS at servers of `ldap://`. One that does not take it is not asked for anything.
    pub const fn start_tls(mut self, on: bool) -> Self {
        self.start_tls = on;
        self
    }

    /// Sets the attribute that has the user's name: `uid` by default, `sAMAccountName` of Active Directory. The
    /// [identity](crate::Identity) has the name as it is there, whatever capitals and spaces the client writes, so that
    /// limits and rules by user are for one and the same. Of several values it is the first in the order of their octets.
    pub fn name_attribute(mut self, name: impl Into<String>) -> Self {
        self.settings.name_attribute = name.into();
        self
    }

    /// Takes groups from an attribute of the user's entry, such as `memberOf`. Of a DN, which most values are, the first
    /// value is the group's name.
    pub fn groups_attribute(mut self, name: impl Into<String>) -> Self {
        self.settings.groups_attribute = Some(name.into());
        self
    }

    /// Takes only groups whose DN lies below this one: two groups of the same name in two places are one for rules, and
    /// somebody may make groups of their own elsewhere.
    pub fn groups_below(mut self, base: impl Into<String>) -> Self {
        self.settings.groups_below = Some(base.into());
        self
    }

    /// Takes groups from a search, with `{user}` and `{dn}` in its filter: `(member={dn})`. `cn` is the group's name.
    pub fn groups(mut self, base: impl Into<String>, filter: impl Into<String>) -> Self {
        self.settings.groups = Some((base.into(), filter.into()));
        self
    }

    /// Takes an amount of [`Amounts`] from an attribute of the user's entry, as [`Amounts::set`] reads it.
    pub fn amount(mut self, name: impl Into<String>, attribute: impl Into<String>) -> Self {
        self.settings.amounts.push((name.into(), attribute.into()));
        self
    }

    /// Sets how many logins are verified at once: 16 by default. Each has one connection to search and one to bind, of which
    /// as many are kept for a minute.
    pub const fn connections(mut self, most: usize) -> Self {
        self.connections = most;
        self
    }

    /// Sets how many logins wait for one of these: 512 by default. Each site, client and name has a share of them.
    pub const fn waiting(mut self, most: usize) -> Self {
        self.waiting = most;
        self
    }

    /// Sets how long a login waits for one: 5 s by default.
    pub const fn patience(mut self, longest: Duration) -> Self {
        self.patience = longest;
        self
    }

    /// Sets how long a new connection may take, with TLS: 4 s by default.
    pub const fn connect_timeout(mut self, longest: Duration) -> Self {
        self.times.connect = longest;
        self
    }

    /// Sets how long an answer may take: 4 s by default. A login takes one to four of them. After one that did not
    /// come the server is away, so that the rest of the handshake is for the next.
    pub const fn answer_timeout(mut self, longest: Duration) -> Self {
        self.times.answer = longest;
        self
    }

    /// Makes the verifier. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// No server, a URL, DN or filter that is none, one that does not name the user, an amount that is unknown, or no
    /// authorities of the platform.
    pub fn build(self) -> Result<Ldap, InvalidLdap> {
        let fail = |what: &str, problem: String| InvalidLdap(format!("{what}: {problem}"));
        let mut urls = Vec::new();
        for server in &self.servers {
            let mut url = Url::parse(server).map_err(InvalidLdap)?;
            if self.start_tls && url.protection == Protection::None {
                url.protection = Protection::StartTls;
            }
            urls.push(url);
        }
        if urls.is_empty() {
            return Err(InvalidLdap("there is no server".into()));
        }
        let check_dn = |what: &str, dn: &str| match dn.is_empty() || Dn::parse(dn).is_some() {
            true => Ok(()),
            false => Err(fail(
                what,
                format!("`{dn}` is no DN, such as ou=people,dc=example,dc=com"),
            )),
        };
        let filter = |what: &str, text: &str| {
            let filter = Filter::parse(text).map_err(|problem| fail(what, problem))?;
            match filter.names_user() {
                true => Ok(filter),
                false => Err(fail(
                    what,
                    format!("`{text}` has no {{user}}, and is the same for all"),
                )),
            }
        };
        let user_filter = match &self.settings.users {
            Users::Named(template) => {
                check_dn("DN of users", &template.replace("{user}", "x"))?;
                if !template.contains("{user}") {
                    return Err(fail("DN of users", format!("`{template}` has no {{user}}")));
                }
                Filter::all()
            }
            Users::Searched(base, text) => {
                check_dn("base", base)?;
                filter("filter", text)?
            }
        };
        if let Some(account) = &self.settings.account {
            check_dn("service account", &account.dn)?;
            if account.dn.is_empty() || account.password.is_empty() {
                return Err(InvalidLdap(
                    "service account: without a DN and a password it would be nobody".into(),
                ));
            }
        }
        let group_filter = match &self.settings.groups {
            Some((base, text)) => {
                check_dn("base of groups", base)?;
                Some(filter("filter of groups", text)?)
            }
            None => None,
        };
        let groups_below = match &self.settings.groups_below {
            Some(base) => Some(
                Dn::parse(base)
                    .ok_or_else(|| fail("groups_below", format!("`{base}` is no DN")))?,
            ),
            None => None,
        };
        for (name, _) in &self.settings.amounts {
            if !Amounts::NAMES.contains(&name.as_str()) {
                let known = Amounts::NAMES.join(", ");
                return Err(fail(
                    "amounts",
                    format!("`{name}` is unknown: they are {known}"),
                ));
            }
        }
        let tls = match &self.tls {
            Some(tls) => Some(Arc::clone(tls)),
            None if urls.iter().all(|url| url.protection == Protection::None) => None,
            None => {
                let settings = ClientSettings::of_platform().and_then(ClientSettings::build);
                Some(settings.map_err(|error| fail("TLS", error.to_string()))?)
            }
        };
        let gate = Gate::new(self.connections, self.waiting, self.patience);
        Ok(Ldap::new(Inner {
            servers: Servers::new(urls, tls, self.times, self.connections.max(1)),
            gate: Arc::new(gate),
            user_filter,
            group_filter,
            groups_below,
            settings: self.settings,
        }))
    }
}

/// Without the password.
impl fmt::Debug for LdapBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LdapBuilder")
            .field("servers", &self.servers)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
