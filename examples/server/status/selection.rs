//! Which of the open tunnels somebody asks for, and in which order.

use std::cmp::Ordering;

use tower_socks::layer::track::OpenTunnel;

use super::{listing::Listed, row, site::Query};

/// Tunnels in one answer: what is asked for at most, and where nothing is asked for.
const MOST: usize = 1000;
const USUAL: usize = 200;

/// What the query of `/status.json` says.
#[derive(Debug)]
pub(super) struct Selection {
    pub(super) offset: usize,
    limit: usize,
    /// In small letters.
    search: String,
    user: Option<String>,
    sort: Sort,
    is_descending: bool,
    /// Of other servers as well.
    pub(super) has_nodes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Age,
    Client,
    User,
    Target,
    Up,
    Down,
    Rate,
}

impl Selection {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// What has to be said otherwise.
    pub(super) fn parse(mut query: Query) -> Result<Self, String> {
        let selection = Self {
            offset: query.number("offset")?.unwrap_or(0),
            limit: query.number("limit")?.unwrap_or(USUAL).min(MOST),
            search: query
                .take("search")
                .unwrap_or_default()
                .to_ascii_lowercase(),
            user: query.take("user"),
            sort: match query.take("sort").as_deref() {
                None | Some("age") => Sort::Age,
                Some("client") => Sort::Client,
                Some("user") => Sort::User,
                Some("target") => Sort::Target,
                Some("up") => Sort::Up,
                Some("down") => Sort::Down,
                Some("rate") => Sort::Rate,
                Some(_) => {
                    return Err("sort is one of age, client, user, target, up, down, rate".into());
                }
            },
            is_descending: match query.take("order").as_deref() {
                None | Some("asc") => false,
                Some("desc") => true,
                Some(_) => return Err("order is one of asc, desc".into()),
            },
            has_nodes: match query.take("nodes").as_deref() {
                None => false,
                Some("all") => true,
                Some(_) => return Err("nodes can be all".into()),
            },
        };
        query.end()?;
        Ok(selection)
    }

    /// Selects tunnels. Returns how many there are, and those of the page that was asked for.
    pub(super) fn of<'a>(&self, listed: &'a [Listed]) -> (usize, Vec<&'a Listed>) {
        let mut text = String::new();
        let mut selected: Vec<_> = listed
            .iter()
            .filter(|listed| self.includes(&listed.tunnel, &mut text))
            .collect();
        let order = |one: &&Listed, another: &&Listed| self.compare(one, another);
        let end = self.offset.saturating_add(self.limit).min(selected.len());
        let all = selected.len();
        if end < all && end > 0 {
            // What is behind the page is in no order.
            selected.select_nth_unstable_by(end - 1, order);
            selected.truncate(end);
        }
        selected.sort_unstable_by(order);
        selected.truncate(end);
        selected.drain(..self.offset.min(end));
        (all, selected)
    }

    fn includes(&self, tunnel: &OpenTunnel, text: &mut String) -> bool {
        let is_of_user = |user: &String| row::user(&tunnel.identity) == *user;
        if !self.user.as_ref().is_none_or(is_of_user) {
            return false;
        }
        if self.search.is_empty() {
            return true;
        }
        row::searched(text, tunnel);
        text.contains(&self.search)
    }

    /// The youngest first, where nothing else is said, and among equals.
    fn compare(&self, one: &Listed, another: &Listed) -> Ordering {
        let (a, b) = (&one.tunnel, &another.tunnel);
        let rate = |listed: &Listed| listed.rate.map(|rate| rate.up.saturating_add(rate.down));
        let order = match self.sort {
            Sort::Age => b.id.cmp(&a.id),
            Sort::Client => a.client.cmp(&b.client),
            Sort::User => a.identity.name().cmp(&b.identity.name()),
            Sort::Target => row::compare_targets(&a.target, &b.target),
            Sort::Up => a.traffic.up.cmp(&b.traffic.up),
            Sort::Down => a.traffic.down.cmp(&b.traffic.down),
            Sort::Rate => rate(one).cmp(&rate(another)),
        };
        let order = if self.is_descending {
            order.reverse()
        } else {
            order
        };
        order.then_with(|| b.id.cmp(&a.id))
    }
}
