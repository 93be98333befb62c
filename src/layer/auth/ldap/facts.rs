//! What an entry says of its user: the name, groups and amounts.

use super::{
    dn::Dn,
    error::{Failure, code},
    filter::Places,
    message::{Entry, Scope, Search},
    servers::Server,
    service::Inner,
    settings::Users,
    verify::name_of,
};
use crate::session::Amounts;

/// Groups of a user. One more is an error: the one that is left out might be the one that a rule denies.
const MOST_GROUPS: u32 = 1024;

/// Octets of the name of a group.
const LONGEST_GROUP: usize = 256;

impl Inner {
    /// The name of a user as the directory has it, since that takes `joe`, `JOE` and `joe ` for the same. Where it may not
    /// be read, the name that was sent if it can be no other spelling of another one.
    pub(super) fn canonical_name(
        &self,
        user: &str,
        entry: Option<&Entry>,
    ) -> Result<Option<String>, Failure> {
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

    pub(super) async fn groups(
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

    pub(super) fn amounts(&self, entry: Option<&Entry>) -> Result<Option<Amounts>, Failure> {
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
