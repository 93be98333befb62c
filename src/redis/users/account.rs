//! What is written of a user.

use serde::Deserialize;

use crate::{
    layer::auth::Object,
    session::{Amounts, Identity},
};

/// A user.
pub(super) struct Account {
    pub(super) hash: Option<Box<str>>,
    pub(super) is_disabled: bool,
    groups: Box<[String]>,
    amounts: Option<Box<Amounts>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    hash: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    disabled: bool,
    amounts: Option<Object<Amounts>>,
}

impl Account {
    /// Reads what is written. What is wrong with it is said without a word of it.
    pub(super) fn read(json: &[u8]) -> Result<Self, String> {
        let read = serde_json::from_slice::<Object<Written>>(json);
        let Object(written) = read.map_err(|error| {
            format!(
                "it is no object of JSON with `hash`, `groups`, `disabled` and `amounts` alone, at line {} column {}",
                error.line(),
                error.column()
            )
        })?;
        // As $argon2id$.. and $2y$.. do.
        if written.hash.iter().any(|hash| !hash.starts_with('$')) {
            return Err("its `hash` is no hash of a password, which begins with `$`".into());
        }
        let mut groups = written.groups;
        groups.sort_unstable();
        groups.dedup();
        Ok(Self {
            hash: written.hash.map(Into::into),
            is_disabled: written.disabled,
            groups: groups.into(),
            amounts: written.amounts.map(|Object(amounts)| Box::new(amounts)),
        })
    }

    /// Whether tunnels that were opened by one may go on by the other.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.hash == other.hash
            && self.is_disabled == other.is_disabled
            && self.groups == other.groups
            && self.amounts == other.amounts
    }

    pub(super) fn identity(&self, name: &[u8], verified: &Identity) -> Identity {
        let mut identity = Identity::named(name);
        *identity.extensions_mut() = verified.extensions().clone();
        if !self.groups.is_empty() {
            identity = identity.with_groups(self.groups.iter().cloned());
        }
        if let Some(amounts) = &self.amounts {
            identity.extensions_mut().insert(Amounts::clone(amounts));
        }
        identity
    }
}
