//! The order of verifications that wait for a turn.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, RandomState},
    net::IpAddr,
};

use crate::{
    admission::{client_network, network_of},
    error::Refusal,
};

/// What finds no place, or loses it.
pub(super) fn too_many() -> Refusal {
    Refusal::not_allowed("too many verifications wait").with_rule("limit verifications")
}

/// A bounded queue in which sites are served by turns, in a site its clients, of a client the names that it
/// states, and for a name who came first.
///
/// Where it is full, a newcomer takes a place of the site that has the most, if that has more than its own;
/// in its own site of the client that has the most, and so on. Entering a full queue looks at all sites,
/// all else costs logarithms.
pub(super) struct Queue<T> {
    most: usize,
    sites: Branch<T>,
    arrivals: u64,
    keys: RandomState,
}

/// Hashes of a site (IPv4 /24, IPv6 /48), of a client network in it, and of a name, with a secret key.
type Path = [u64; 3];

/// A place in the queue.
#[derive(Clone, Copy)]
pub(super) struct Place {
    path: Path,
    arrival: u64,
}

/// What became of a newcomer.
pub(super) enum Entered<T> {
    /// It waits. What had to give up its place for it does no longer.
    Waits(Place, Option<T>),
    /// Nobody has more places than those that it shares with others.
    Full,
}

impl<T> Queue<T> {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            sites: Branch::default(),
            arrivals: 0,
            keys: RandomState::new(),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.sites.len
    }

    #[cfg(any(
        feature = "http-auth",
        feature = "ldap",
        feature = "postgres",
        feature = "radius"
    ))]
    pub(super) const fn most(&self) -> usize {
        self.most
    }

    /// Tells who shares places with a client under a name.
    pub(super) fn path(&self, peer: IpAddr, name: &[u8]) -> Path {
        [
            self.keys.hash_one(network_of(peer, 24, 48)),
            self.keys.hash_one(client_network(peer)),
            self.keys.hash_one(name),
        ]
    }

    /// Finds a place.
    pub(super) fn enter(&mut self, path: Path, newcomer: T) -> Entered<T> {
        let mut displaced = None;
        if self.sites.len >= self.most {
            displaced = self.sites.displace(&path);
            if displaced.is_none() {
                return Entered::Full;
            }
        }
        self.arrivals += 1;
        let place = Place {
            path,
            arrival: self.arrivals,
        };
        self.sites.enter(&path, place.arrival, newcomer);
        Entered::Waits(place, displaced)
    }

    /// Takes the next.
    pub(super) fn next(&mut self) -> Option<T> {
        self.sites.next()
    }

    /// Gives a place up, if it is still taken.
    pub(super) fn leave(&mut self, place: Place) -> Option<T> {
        self.sites.leave(&place.path, place.arrival)
    }
}

/// Those who wait, by the rest of their paths.
struct Branch<T> {
    len: usize,
    /// Those whose path ends here, by arrival.
    waiting: BTreeMap<u64, T>,
    /// None of them is empty. Each with its turn.
    branches: HashMap<u64, (u64, Self)>,
    turns: BTreeMap<u64, u64>,
    last_turn: u64,
}

impl<T> Default for Branch<T> {
    fn default() -> Self {
        Self {
            len: 0,
            waiting: BTreeMap::new(),
            branches: HashMap::new(),
            turns: BTreeMap::new(),
            last_turn: 0,
        }
    }
}

impl<T> Branch<T> {
    fn enter(&mut self, path: &[u64], arrival: u64, newcomer: T) {
        self.len += 1;
        let Some((key, rest)) = path.split_first() else {
            self.waiting.insert(arrival, newcomer);
            return;
        };
        let (_, branch) = self.branches.entry(*key).or_insert_with(|| {
            self.last_turn += 1;
            self.turns.insert(self.last_turn, *key);
            (self.last_turn, Self::default())
        });
        branch.enter(rest, arrival, newcomer);
    }

    fn next(&mut self) -> Option<T> {
        let next = match self.turns.pop_first() {
            None => self.waiting.pop_first()?.1,
            Some((_, key)) => {
                let (turn, branch) = self.branches.get_mut(&key)?;
                let next = branch.next()?;
                if branch.len == 0 {
                    self.branches.remove(&key);
                } else {
                    self.last_turn += 1;
                    *turn = self.last_turn;
                    self.turns.insert(*turn, key);
                }
                next
            }
        };
        self.len -= 1;
        Some(next)
    }

    fn leave(&mut self, path: &[u64], arrival: u64) -> Option<T> {
        let left = match path.split_first() {
            None => self.waiting.remove(&arrival)?,
            Some((key, rest)) => {
                let (turn, branch) = self.branches.get_mut(key)?;
                let left = branch.leave(rest, arrival)?;
                if branch.len == 0 {
                    self.turns.remove(turn);
                    self.branches.remove(key);
                }
                left
            }
        };
        self.len -= 1;
        Some(left)
    }

    /// Takes a place of those who have more than a newcomer of this path would.
    fn displace(&mut self, path: &[u64]) -> Option<T> {
        let (key, rest) = path.split_first()?;
        let own = self.branches.get(key).map_or(0, |(_, branch)| branch.len);
        let (largest, len) = self.largest()?;
        let displaced = if len > own + 1 {
            self.take_last_of(largest)?
        } else {
            self.branches.get_mut(key)?.1.displace(rest)?
        };
        self.len -= 1;
        Some(displaced)
    }

    /// Takes the last place of a branch, in it of the largest.
    fn take_last_of(&mut self, key: u64) -> Option<T> {
        let (turn, branch) = self.branches.get_mut(&key)?;
        let taken = match branch.largest() {
            Some((largest, _)) => branch.take_last_of(largest)?,
            None => branch.waiting.pop_last()?.1,
        };
        branch.len -= 1;
        if branch.len == 0 {
            self.turns.remove(turn);
            self.branches.remove(&key);
        }
        Some(taken)
    }

    fn largest(&self) -> Option<(u64, usize)> {
        let lens = self
            .branches
            .iter()
            .map(|(key, (_, branch))| (*key, branch.len));
        lens.max_by_key(|(_, len)| *len)
    }
}
