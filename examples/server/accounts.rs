//! Users: names with passwords as they are, or with their hashes.

use std::{collections::HashMap, fmt, sync::Arc};

use tower::Service;
use tower_socks::{Credentials, Identity, Users, error::AuthError};

use crate::{
    directories::Directories,
    hashes::{Hashes, Memory},
    tickets::{self, ByTicket},
};

/// All users of one state of the file.
#[derive(Clone, Default)]
pub(crate) struct Accounts {
    users: Users,
    /// Without those of a file.
    stated: Hashes,
    hashes: Hashes,
    /// Who knows others.
    directories: Directories,
    /// Who comes by a ticket.
    tickets: Option<tickets::Stated>,
    /// Counts the reloads.
    generation: u64,
    /// The generation since which a name has its password, where that is not the first.
    changed: Arc<HashMap<Box<[u8]>, u64>>,
}

/// Accounts, and what is different in them from those before.
pub(crate) struct Successors {
    pub(crate) accounts: Accounts,
    /// Whose password is another one, and who is gone.
    pub(crate) changed: Vec<Box<[u8]>>,
    pub(crate) has_other_directories: bool,
}

/// The generation of the accounts that verified a client, in the extensions of its identity.
struct VerifiedBy(u64);

impl Accounts {
    /// Collects users.
    ///
    /// # Errors
    ///
    /// One is in both tables: then only one of them would have a say.
    pub(crate) fn new(users: Users, hashes: Hashes) -> Result<Self, String> {
        if let Some(twice) = hashes.names().find(|name| users.contains(name)) {
            return Err(format!(
                "user \"{}\" has a password and a hash of one: which of them counts?",
                twice.escape_ascii()
            ));
        }
        Ok(Self {
            users,
            stated: hashes.clone(),
            hashes,
            ..Self::default()
        })
    }

    /// Puts the users of a file beside those who are stated, in place of those of the file before.
    ///
    /// # Errors
    ///
    /// One is here and there.
    pub(crate) fn with_file(&self, file: &Hashes) -> Result<Self, String> {
        let twice = |name: &[u8]| {
            format!(
                "user \"{}\" is in the users_file, and is stated beside it: which of them counts?",
                name.escape_ascii()
            )
        };
        if let Some(name) = file.names().find(|name| self.users.contains(name)) {
            return Err(twice(name));
        }
        let hashes = self.stated.with(file).map_err(twice)?;
        Ok(Self {
            hashes,
            ..self.clone()
        })
    }

    /// Lets directories be asked for those who are not here.
    pub(crate) fn with_directories(mut self, directories: Directories) -> Self {
        self.directories = directories;
        self
    }

    /// Lets in who has a ticket.
    pub(crate) fn with_tickets(mut self, tickets: Option<tickets::Stated>) -> Self {
        self.tickets = tickets;
        self
    }

    pub(crate) const fn tickets(&self) -> Option<&tickets::Stated> {
        self.tickets.as_ref()
    }

    pub(crate) const fn directories(&self) -> &Directories {
        &self.directories
    }

    /// Whether nobody is asked for a password or a ticket.
    pub(crate) fn is_empty(&self) -> bool {
        !self.has_passwords() && self.tickets.is_none()
    }

    /// Whether somebody has a password.
    pub(crate) fn has_passwords(&self) -> bool {
        let has_own = !self.users.is_empty() || !self.hashes.is_empty();
        has_own || !self.directories.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.users.len() + self.hashes.len()
    }

    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        self.users.contains(name) || self.hashes.get(name).is_some()
    }

    /// Makes these the accounts after `old`: whose password was another one there has it since now. Looks at each name.
    ///
    /// Directories of which the same is stated stay, with their connections.
    pub(crate) fn after(mut self, old: &Self) -> Successors {
        self.directories.follow(&old.directories);
        let both = self.tickets.as_ref().zip(old.tickets.as_ref());
        if both.is_some_and(|(new, before)| new.is_same_as(before)) {
            // With those who wait for their turn.
            self.tickets.clone_from(&old.tickets);
        }
        self.generation = old.generation + 1;
        let names = self.users.names().chain(self.hashes.names());
        let changed = names.filter_map(|name| {
            let since = if self.is_same_as_in(old, name) {
                *old.changed.get(name)?
            } else {
                self.generation
            };
            Some((name.into(), since))
        });
        self.changed = Arc::new(changed.collect());
        let new = self.changed.iter();
        let new = new.filter(|(_, since)| **since == self.generation);
        let gone = old.users.names().chain(old.hashes.names());
        let gone = gone.filter(|name| !self.contains(name));
        let changed = new.map(|(name, _)| name.clone());
        let changed = changed.chain(gone.map(Into::into)).collect();
        Successors {
            has_other_directories: !self.directories.is_same_as(&old.directories),
            accounts: self,
            changed,
        }
    }

    fn is_same_as_in(&self, old: &Self, name: &[u8]) -> bool {
        match (self.hashes.get(name), old.hashes.get(name)) {
            (Some(new), Some(old)) => new.is_same_as(old),
            (None, None) => self.users.same_password(&old.users, name),
            _ => false,
        }
    }

    /// Tells whether the password with which a client has authenticated is still the one of its name.
    pub(crate) fn is_still(&self, identity: &Identity) -> bool {
        let Some(name) = identity.name() else {
            return self.is_empty();
        };
        if let Some(is_asked) = self.directories.know(identity) {
            // Whom the file knows by now has to log in there.
            return is_asked && !self.contains(name);
        }
        if identity.extensions().get::<ByTicket>().is_some() {
            return self.tickets.as_ref().is_some_and(|it| it.admits(name));
        }
        // None in a question of --explain, which may be about a user of a directory or one with a ticket.
        let others = !self.directories.is_empty() || self.tickets.is_some();
        if others && identity.extensions().get::<VerifiedBy>().is_none() {
            return true;
        }
        let verified = identity.extensions().get::<VerifiedBy>();
        let since = self.changed.get(name).copied().unwrap_or(0);
        self.contains(name) && verified.is_none_or(|by| by.0 >= since)
    }

    /// Whether directories are asked for a name.
    pub(crate) fn asks_directories(&self, name: &[u8]) -> bool {
        !self.directories.is_empty() && !self.contains(name)
    }

    /// Whether a verification takes the time of a hash. If one does, all do.
    pub(crate) fn has_hashes(&self) -> bool {
        !self.hashes.is_empty()
    }

    /// Verifies a password as it is, which takes no time.
    pub(crate) fn verify_plain(&self, credentials: Credentials) -> Result<Identity, AuthError> {
        let verified = self.users.clone().call(credentials).into_inner();
        verified.map(|identity| self.sign(identity))
    }

    /// Verifies credentials. Takes as long for a name that nobody has, or that has its password as it is, as for one
    /// with a hash.
    pub(crate) fn verify(
        &self,
        memory: &mut Memory,
        credentials: &Credentials,
    ) -> Result<Identity, AuthError> {
        let (name, password) = (credentials.name(), credentials.password().as_bytes());
        let right = self.hashes.verify(memory, name, password);
        let plain = self.verify_plain(credentials.clone());
        if right {
            Ok(self.sign(Identity::named(name)))
        } else {
            plain
        }
    }

    fn sign(&self, mut identity: Identity) -> Identity {
        identity
            .extensions_mut()
            .insert(VerifiedBy(self.generation));
        identity
    }
}

/// Names are nobody's business.
impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Accounts({})", self.len())
    }
}
