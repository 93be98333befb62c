//! What a row says of a user, by the names of its columns.

use tokio_postgres::{
    Column, Row,
    types::{FromSqlOwned, Type},
};

use super::error::Failure;
use crate::session::Amounts;

/// Groups of a user. One more is an error: the one that is left out might be the one that a rule denies.
const MOST_GROUPS: usize = 1024;

/// A user.
pub(super) struct Found {
    pub(super) hash: Option<String>,
    pub(super) name: Option<String>,
    pub(super) groups: Vec<String>,
    pub(super) is_disabled: bool,
    pub(super) amounts: Option<Amounts>,
}

/// Checks the columns of a query.
pub(super) fn check(columns: &[Column]) -> Result<(), Failure> {
    let known = |name: &str| {
        ["hash", "name", "groups", "disabled"].contains(&name) || Amounts::NAMES.contains(&name)
    };
    if let Some(unknown) = columns.iter().find(|column| !known(column.name())) {
        return Err(Failure::Row(format!(
            "the query gives a column `{}`; it may give hash, name, groups, disabled, and of amounts {}",
            unknown.name(),
            Amounts::NAMES.join(", ")
        )));
    }
    match columns.iter().any(|column| column.name() == "hash") {
        true => Ok(()),
        false => Err(Failure::Row("the query gives no column `hash`".into())),
    }
}

impl Found {
    pub(super) fn of(row: &Row) -> Result<Self, Failure> {
        let mut found = Self {
            hash: None,
            name: None,
            groups: Vec::new(),
            is_disabled: false,
            amounts: None,
        };
        for (at, column) in row.columns().iter().enumerate() {
            match column.name() {
                "hash" => found.hash = value(row, at)?,
                "name" => {
                    let name: Option<String> = value(row, at)?;
                    match name {
                        Some(name) if (1..=255).contains(&name.len()) => found.name = Some(name),
                        _ => {
                            return Err(Failure::Row(
                                "the column `name` has nothing, or more than 255 octets".into(),
                            ));
                        }
                    }
                }
                "groups" => found.groups = groups(row, at)?,
                // Whom nobody has enabled is not.
                "disabled" => found.is_disabled = value(row, at)?.unwrap_or(true),
                name => {
                    if let Some(text) = amount(row, at)? {
                        let amounts = found.amounts.get_or_insert_with(Amounts::new);
                        let set = amounts.set(name, &text);
                        set.map_err(|error| Failure::Row(format!("the column `{name}`: {error}")))?;
                    }
                }
            }
        }
        Ok(found)
    }
}

fn value<T: FromSqlOwned>(row: &Row, at: usize) -> Result<Option<T>, Failure> {
    row.try_get(at).map_err(|error| {
        let column = row.columns().get(at);
        let (name, of) = column.map_or(("", ""), |column| (column.name(), column.type_().name()));
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        Failure::Row(format!(
            "the column `{name}` of type {of} is not what it has to be: {}",
            cause.unwrap_or_default()
        ))
    })
}

fn groups(row: &Row, at: usize) -> Result<Vec<String>, Failure> {
    let groups: Option<Vec<Option<String>>> = value(row, at)?;
    // NULLs are of outer joins.
    let mut groups: Vec<_> = groups.unwrap_or_default().into_iter().flatten().collect();
    groups.sort_unstable();
    groups.dedup();
    match groups.len() > MOST_GROUPS {
        true => Err(Failure::Row(format!(
            "a user is in more than {MOST_GROUPS} groups"
        ))),
        false => Ok(groups),
    }
}

/// A number or a text, as text.
fn amount(row: &Row, at: usize) -> Result<Option<String>, Failure> {
    fn text<T: FromSqlOwned + ToString>(row: &Row, at: usize) -> Result<Option<String>, Failure> {
        Ok(value::<T>(row, at)?.map(|number| number.to_string()))
    }
    match row.columns().get(at).map(Column::type_) {
        Some(&Type::INT2) => text::<i16>(row, at),
        Some(&Type::INT4) => text::<i32>(row, at),
        Some(&Type::INT8) => text::<i64>(row, at),
        _ => value(row, at),
    }
}
