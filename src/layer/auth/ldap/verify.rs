//! A login: the entry is found, and the password is bound with.

use super::{
    connection::Connection,
    dn,
    error::{Failure, code},
    filter::{Filter, Places},
    message::{Entry, Scope, Search},
    servers::{Kind, Server},
    service::Inner,
    settings::Users,
};
use crate::{
    error::{AuthError, BoxError, UnknownUser},
    session::{Credentials, Identity},
};

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
        let _permit = self
            .gate
            .enter(credentials.peer().ip(), credentials.name())
            .await?;
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

    pub(super) async fn search(
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
}

/// A name that a directory can have.
pub(super) fn name_of(octets: &[u8]) -> Option<&str> {
    let name = str::from_utf8(octets).ok()?;
    let is_name = (1..=255).contains(&name.len()) && !name.contains('\0');
    Some(name).filter(|_| is_name)
}
