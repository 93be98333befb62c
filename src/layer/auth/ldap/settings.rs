//! What is asked of a directory, once it has been checked.

use std::fmt;

/// What a directory is asked for.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) users: Users,
    pub(super) account: Option<Account>,
    pub(super) name_attribute: String,
    pub(super) groups_attribute: Option<String>,
    pub(super) groups_below: Option<String>,
    pub(super) groups: Option<(String, String)>,
    pub(super) amounts: Vec<(String, String)>,
}

/// Where a user's entry is.
#[derive(Clone, Debug)]
pub(super) enum Users {
    /// By its name: a DN with `{user}`.
    Named(String),
    /// By a search: base and filter.
    Searched(String, String),
}

/// Who searches.
#[derive(Clone)]
pub(super) struct Account {
    pub(super) dn: String,
    pub(super) password: Vec<u8>,
}

/// Without the password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("users", &self.users)
            .field("account", &self.account.as_ref().map(|account| &account.dn))
            .finish_non_exhaustive()
    }
}
