//! A login: the entry is found, the password is bound with, and groups and amounts are read.

use super::{
    builder::Users,
    connection::Connection,
    dn::{self, Dn},
    error::{Failure, code},
    filter::{Filter, Places},
    message::{Entry, Scope, Search},
    servers::{Kind, Server},
    service::Inner,
};
use crate::{
    error::{AuthError, BoxError, UnknownUser},
    session::{Amounts, Credentials, Identity},
};

/// Groups of a user. One more is an error: the one that is left out might be the one that a rule denies.
const MOST_GROUPS: u32 = 1024;

/// Octets of the name of a group.
const LONGEST_GROUP: usize = 256;

/// What a directory says, where it can tell.
enum Verdict {
    Right(Identity),
    Wrong,
    Unknown,
}

impl Inner {
    pub(super) async fn verify(&self, credentials: &Credentials) -> Result<Identity, BoxError> {
        let password = credentials.password().as_bytes();
        // Without a password a bind says nobody, and succeeds; some servers take what is before an octet 0 for all of it.
        if password.is_empty() || password.contains(&0) {
            return Err(AuthError::Denied.into());
        }
        let Some(user) = name_of(credentials.name()) else {
            return Err(UnknownUser.into());
        };
        let _permit = self.gate.enter(credentials).await?;
        let mut round = self.servers.round();
        while let Some(server) = round.next() {
            match round.judge(server, self.log_in(server, user, password).await) {
                Some(Verdict::Right(identity)) => return Ok(identity),
                Some(Verdict::Wrong) => return Err(AuthError::Denied.into()),
                Some(Verdict::Unknown) => return Err(UnknownUser.into()),
                None => {}
            }
        }
        Err(round.failed())
    }

    /// Whether a name has an entry.
    pub(super) async fn knows(&self, user: &str) -> Result<bool, BoxError> {
        let Some(user) = name_of(user.as_bytes()) else {
            return Ok(false);
        };
        let mut round = self.servers.round();
        while let Some(server) = round.next() {
            if let Some(found) = round.judge(server, self.find(server, user).await) {
                return Ok(found.is_some());
            }
        }
        Err(round.failed())
    }

    async fn log_in(
        &self,
        server: &Server,
        user: &str,
        password: &[u8],
    ) -> Result<Verdict, Failure> {
        let entry = match &self.settings.users {
            Users::Named(_) => None,
            Users::Searched(base, _) => match self.find(server, user).await? {
                Some(entry) => Some(entry),
                None => {
                    // As many round trips as for a name that somebody has.
                    let nobody = format!("cn={},{base}", dn::escape(user));
                    self.bind(server, &nobody, password).await?;
                    return Ok(Verdict::Unknown);
                }
            },
        };
        let dn = match (&entry, &self.settings.users) {
            (Some(entry), _) => entry.dn.clone(),
            (None, Users::Named(template)) => template.replace("{user}", &dn::escape(user)),
            (None, Users::Searched(..)) => return Ok(Verdict::Unknown),
        };
        // An entry without a name is the root, and to bind to it is to be nobody.
        if dn.is_empty() {
            return Err(Failure::Entry("it has found an entry without a DN".into()));
        }
        let (mut connection, outcome) = self.bind(server, &dn, password).await?;
        match outcome.code {
            code::SUCCESS => {}
            code::INVALID_CREDENTIALS
            | code::INAPPROPRIATE_AUTHENTICATION
            | code::CONSTRAINT_VIOLATION
            | code::UNWILLING_TO_PERFORM => {
                tracing::debug!("LDAP server {}: bind of {dn:?}: {outcome}", server.url);
                self.servers.keep(server, Kind::Binding, connection);
                return Ok(Verdict::Wrong);
            }
            // The template is a DN, so this is about the name in it.
            code::NO_SUCH_OBJECT | code::INVALID_DN_SYNTAX if entry.is_none() => {
                self.servers.keep(server, Kind::Binding, connection);
                return Ok(Verdict::Unknown);
            }
            _ => return Err(Failure::Code("bind of a user", outcome)),
        }
        let entry = match entry {
            Some(entry) => Some(entry),
            None => self.read_own(&mut connection, &dn).await?,
        };
        self.servers.keep(server, Kind::Binding, connection);
        let Some(name) = self.canonical_name(user, entry.as_ref())? else {
            tracing::debug!(
                "LDAP server {}: {dn:?} may not read its own entry, and so its name has to be in small letters: {user:?}",
                server.url
            );
            return Ok(Verdict::Unknown);
        };
        let groups = self.groups(server, &name, &dn, entry.as_ref()).await?;
        let mut identity = Identity::named(&name);
        if !groups.is_empty() {
            identity = identity.with_groups(groups);
        }
        if let Some(amounts) = self.amounts(entry.as_ref())? {
            identity.extensions_mut().insert(amounts);
        }
        Ok(Verdict::Right(identity))
    }

    /// Binds on a connection of its own, so that nobody searches with the rights of a user.
    async fn bind(
        &self,
        server: &Server,
        dn: &str,
        password: &[u8],
    ) -> Result<(Connection, super::message::Outcome), Failure> {
        const DOING: &str = "bind of a user";
        if let Some(mut idle) = self.servers.idle(server, Kind::Binding) {
            match idle.bind(dn, password, DOING).await {
                Err(failure) if failure.is_stale() => {}
                answer => return answer.map(|outcome| (idle, outcome)),
            }
        }
        let mut new = self.servers.open(server).await?;
        let outcome = new.bind(dn, password, DOING).await?;
        Ok((new, outcome))
    }

    /// The entry of a user, by the rights of the service account.
    async fn find(&self, server: &Server, user: &str) -> Result<Option<Entry>, Failure> {
        let escaped;
        let (base, scope) = match &self.settings.users {
            Users::Searched(base, _) => (base, Scope::Subtree),
            Users::Named(template) => {
                escaped = template.replace("{user}", &dn::escape(user));
                (&escaped, Scope::Base)
            }
        };
        let places = Places { user, dn: base };
        let search = Search {
            base,
            scope,
            filter: self.user_filter.encode(places),
            attributes: self.attributes(),
            most: 2,
            time_limit: 0,
        };
        let (mut entries, outcome) = self.search(server, &search, "search of a user").await?;
        match (outcome.code, entries.len()) {
            (code::SUCCESS | code::SIZE_LIMIT_EXCEEDED, 2..) => Err(Failure::Entry(format!(
                "two entries fit the name {user:?}: which of them counts?"
            ))),
            (code::SUCCESS, _) => Ok(entries.pop()),
            // A base that is not there is a mistake in the settings, but not where the base is the user.
            (code::NO_SUCH_OBJECT, _) if matches!(scope, Scope::Base) => Ok(None),
            _ => Err(Failure::Code("search of a user", outcome)),
        }
    }

    async fn search(
        &self,
        server: &Server,
        search: &Search<'_>,
        doing: &'static str,
    ) -> Result<(Vec<Entry>, super::message::Outcome), Failure> {
        let mut found = None;
        if let Some(mut idle) = self.servers.idle(server, Kind::Searching) {
            match idle.search(search, doing).await {
                Err(failure) if failure.is_stale() => {}
                answer => found = Some((answer?, idle)),
            }
        }
        let (found, connection) = match found {
            Some(found) => found,
            None => {
                let mut new = self.servers.open(server).await?;
                if let Some(account) = &self.settings.account {
                    const DOING: &str = "bind of the service account";
                    let outcome = new.bind(&account.dn, &account.password, DOING).await?;
                    if outcome.code != code::SUCCESS {
                        return Err(Failure::Code(DOING, outcome));
                    }
                }
                (new.search(search, doing).await?, new)
            }
        };
        self.servers.keep(server, Kind::Searching, connection);
        Ok((found.entries, found.outcome))
    }

    /// What a user who has bound may read of itself; `None` if it may not.
    async fn read_own(
        &self,
        connection: &mut Connection,
        dn: &str,
    ) -> Result<Option<Entry>, Failure> {
        let search = Search {
            base: dn,
            scope: Scope::Base,
            filter: Filter::all().encode(Places { user: "", dn }),
            attributes: self.attributes(),
            most: 1,
            time_limit: 0,
        };
        let mut found = connection
            .search(&search, "search of a user's own entry")
            .await?;
        Ok(found.entries.pop())
    }

    fn attributes(&self) -> Vec<&str> {
        let settings = &self.settings;
        let amounts = settings.amounts.iter().map(|(_, attribute)| &**attribute);
        [&*settings.name_attribute]
            .into_iter()
            .chain(settings.groups_attribute.as_deref())
            .chain(amounts)
            .collect()
    }

    /// The name of a user as the directory has it, since that takes `joe`, `JOE` and `joe ` for the same. Where it may not
    /// be read, the name that was sent if it can be no other spelling of another one.
    fn canonical_name(&self, user: &str, entry: Option<&Entry>) -> Result<Option<String>, Failure> {
        let attribute = &self.settings.name_attribute;
        let values = entry.into_iter().flat_map(|entry| entry.values(attribute));
        if let Some(first) = values.min() {
            return match name_of(first) {
                Some(name) => Ok(Some(name.into())),
                None => Err(Failure::Entry(format!(
                    "the {attribute} of {user:?} is no name"
                ))),
            };
        }
        if matches!(self.settings.users, Users::Searched(..)) {
            return Err(Failure::Entry(format!(
                "the entry of {user:?} has no {attribute} that may be read, by which rules and limits know its user"
            )));
        }
        let is_plain = |octet: u8| {
            octet.is_ascii_lowercase() || octet.is_ascii_digit() || b"-._@".contains(&octet)
        };
        Ok(Some(user.to_owned()).filter(|user| user.bytes().all(is_plain)))
    }

    async fn groups(
        &self,
        server: &Server,
        user: &str,
        dn: &str,
        entry: Option<&Entry>,
    ) -> Result<Vec<String>, Failure> {
        let mut groups = Vec::new();
        if let (Some(attribute), Some(entry)) = (&self.settings.groups_attribute, entry) {
            groups.extend(
                entry
                    .values(attribute)
                    .filter_map(|value| self.group(value)),
            );
        }
        if let (Some(filter), Some((base, _))) = (&self.group_filter, &self.settings.groups) {
            const DOING: &str = "search of groups";
            let search = Search {
                base,
                scope: Scope::Subtree,
                filter: filter.encode(Places { user, dn }),
                attributes: vec!["cn"],
                most: MOST_GROUPS + 1,
                time_limit: 0,
            };
            let (entries, outcome) = self.search(server, &search, DOING).await?;
            if outcome.code != code::SUCCESS {
                return Err(Failure::Code(DOING, outcome));
            }
            let names = entries.iter().filter_map(|entry| {
                let below = self.groups_below.as_ref();
                let is_taken = below
                    .is_none_or(|base| Dn::parse(&entry.dn).is_some_and(|dn| dn.is_below(base)));
                let name = entry.values("cn").min().filter(|_| is_taken)?;
                str::from_utf8(name).ok().map(str::to_owned)
            });
            groups.extend(names);
        }
        groups.sort_unstable();
        groups.dedup();
        if groups.len() > MOST_GROUPS as usize {
            return Err(Failure::Entry(format!(
                "{user:?} is in more than {MOST_GROUPS} groups: `groups_below` leaves some out"
            )));
        }
        match groups.iter().any(|group| group.len() > LONGEST_GROUP) {
            true => Err(Failure::Entry(format!(
                "{user:?} is in a group whose name has more than {LONGEST_GROUP} octets"
            ))),
            false => Ok(groups),
        }
    }

    /// The name of the group that a value of the user's attribute stands for.
    fn group(&self, value: &[u8]) -> Option<String> {
        let text = str::from_utf8(value).ok()?;
        match (Dn::parse(text), &self.groups_below) {
            (Some(dn), Some(base)) => dn.is_below(base).then_some(dn.first),
            (Some(dn), None) => Some(dn.first),
            (None, Some(_)) => None,
            (None, None) => Some(text.to_owned()).filter(|text| !text.is_empty()),
        }
    }

    fn amounts(&self, entry: Option<&Entry>) -> Result<Option<Amounts>, Failure> {
        let mut amounts = None;
        for (name, attribute) in &self.settings.amounts {
            let Some(value) = entry.and_then(|entry| entry.values(attribute).next()) else {
                continue;
            };
            let text = String::from_utf8_lossy(value);
            let set = amounts.get_or_insert_with(Amounts::new).set(name, &text);
            set.map_err(|error| Failure::Entry(format!("{attribute}, for {name}: {error}")))?;
        }
        Ok(amounts)
    }
}

/// A name that a directory can have.
fn name_of(octets: &[u8]) -> Option<&str> {
    let name = str::from_utf8(octets).ok()?;
    let is_name = (1..=255).contains(&name.len()) && !name.contains('\0');
    Some(name).filter(|_| is_name)
}
