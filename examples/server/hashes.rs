//! Hashes of passwords: argon2 in the PHC format with the memory in which it is computed, and bcrypt.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Arc, LazyLock},
};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::{PasswordHasher, phc::PasswordHash},
};
use serde::{Deserialize, Deserializer, de};
use subtle::ConstantTimeEq;
use tower_socks::BoxError;

use crate::about;

/// Names, each with a hash.
#[derive(Clone, Default)]
pub(crate) struct Hashes {
    known: Arc<HashMap<Box<[u8]>, Arc<Hash>>>,
    /// Names in order, from which those that are not there are compared with one.
    names: Arc<[Box<[u8]>]>,
}

impl Hashes {
    pub(crate) fn new(known: HashMap<Box<[u8]>, Arc<Hash>>) -> Self {
        let mut names: Vec<_> = known.keys().cloned().collect();
        names.sort_unstable();
        Self {
            known: Arc::new(known),
            names: names.into(),
        }
    }

    /// Puts others beside these.
    ///
    /// # Errors
    ///
    /// A name that is in both.
    pub(crate) fn with(&self, others: &Self) -> Result<Self, &[u8]> {
        match (self.is_empty(), others.is_empty()) {
            (_, true) => return Ok(self.clone()),
            (true, _) => return Ok(others.clone()),
            (false, false) => {}
        }
        if let Some(twice) = self.names().find(|name| others.get(name).is_some()) {
            return Err(twice);
        }
        let all = self.known.iter().chain(&*others.known);
        let all = all.map(|(name, hash)| (name.clone(), Arc::clone(hash)));
        Ok(Self::new(all.collect()))
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&Hash> {
        self.known.get(name).map(|hash| &**hash)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.names.iter().map(|name| &**name)
    }

    /// Compares the password of a name. For a name that is not there it takes the time of one that is, of the same for
    /// the same name: hashes may cost more or less, and a name without one must not stand out.
    pub(crate) fn verify(&self, memory: &mut Memory, name: &[u8], password: &[u8]) -> bool {
        static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let known = self.get(name);
        let stand_in = || {
            let names = u64::try_from(self.names.len()).ok()?;
            let any = KEY.hash_one(name).checked_rem(names)?;
            self.get(self.names.get(usize::try_from(any).ok()?)?)
        };
        let right = known
            .or_else(stand_in)
            .is_some_and(|hash| hash.verify(memory, password));
        right && known.is_some()
    }
}

/// Names and hashes are nobody's business.
impl fmt::Debug for Hashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hashes({})", self.len())
    }
}

impl<'de> Deserialize<'de> for Hashes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stated = HashMap::<String, Hash>::deserialize(deserializer)?;
        let known: HashMap<Box<[u8]>, Arc<Hash>> = stated
            .into_iter()
            .map(|(name, hash)| (name.into_bytes().into(), Arc::new(hash)))
            .collect();
        if known.keys().any(|name| !(1..=255).contains(&name.len())) {
            return Err(de::Error::custom(
                "the name of a user must have 1 to 255 octets",
            ));
        }
        Ok(Self::new(known))
    }
}

/// A hash, with its costs and its salt.
pub(crate) enum Hash {
    Argon2 {
        argon2: Argon2<'static>,
        salt: Box<[u8]>,
        hash: Box<[u8]>,
    },
    /// As it is written.
    Bcrypt(Box<str>),
}

/// Of bcrypt: a second or more for each login.
const MAX_COST: u32 = 14;

/// Of argon2, in KiB: more is a mistake, and one login could end the server for want of memory.
const MAX_MEMORY: u32 = 1 << 20;

impl Hash {
    /// Whether both have the same salt and the same hash: another password has others.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Argon2 { salt, hash, .. },
                Self::Argon2 {
                    salt: other_salt,
                    hash: other_hash,
                    ..
                },
            ) => (salt, hash) == (other_salt, other_hash),
            (Self::Bcrypt(text), Self::Bcrypt(other)) => text == other,
            _ => false,
        }
    }

    /// Parses a hash in a file of users.
    ///
    /// # Errors
    ///
    /// What it is instead, and what to do.
    pub(crate) fn of_file(text: &[u8]) -> Result<Self, String> {
        let text = str::from_utf8(text).unwrap_or_default();
        if ["$2y$", "$2b$"].iter().any(|kind| text.starts_with(kind)) {
            return Self::bcrypt(text);
        }
        let is_a = |kinds: &[&str]| kinds.iter().any(|kind| text.starts_with(kind));
        let what = match () {
            () if is_a(&["$argon2"]) => {
                return Self::argon2(text).ok_or_else(|| {
                    format!(
                        "this is no hash of argon2, or takes more than 1 GiB: {}",
                        made_by()
                    )
                });
            }
            () if is_a(&["$2"]) => "this kind of bcrypt has had mistakes",
            () if is_a(&["$apr1$", "$1$"]) => "hashes of MD5 are found too fast",
            () if is_a(&["{SHA}"]) => "hashes of SHA-1 are found too fast",
            () if is_a(&["$5$", "$6$", "$y$"]) => "hashes of crypt are not taken",
            () => "this is no hash that is taken, and may be a password",
        };
        Err(format!(
            "{what}: make one by `htpasswd -B` or `{} hash-password`",
            about::program()
        ))
    }

    fn bcrypt(text: &str) -> Result<Self, String> {
        let parts = text.parse::<bcrypt::HashParts>();
        match parts.map(|parts| parts.get_cost()) {
            Ok(4..=MAX_COST) => Ok(Self::Bcrypt(text.into())),
            Ok(cost) => Err(format!(
                "bcrypt with a cost of {cost} is not taken, but 4 to {MAX_COST}: 10 takes some 0.1 s, and each step more \
                 twice the time"
            )),
            Err(_) => Err(
                "this is a part of a bcrypt hash, or has more behind it: a line is NAME:HASH"
                    .into(),
            ),
        }
    }

    fn argon2(text: &str) -> Option<Self> {
        let parsed = PasswordHash::new(text).ok()?;
        let algorithm = Algorithm::try_from(parsed.algorithm.as_str()).ok()?;
        let version = match parsed.version {
            Some(version) => Version::try_from(version).ok()?,
            None => Version::default(),
        };
        let params = Params::try_from(&parsed).ok()?;
        if params.m_cost() > MAX_MEMORY {
            return None;
        }
        Some(Self::Argon2 {
            argon2: Argon2::new(algorithm, version, params),
            salt: parsed.salt?.as_ref().into(),
            hash: parsed.hash?.as_bytes().into(),
        })
    }

    /// Compares a password.
    pub(crate) fn verify(&self, memory: &mut Memory, password: &[u8]) -> bool {
        match self {
            Self::Argon2 { argon2, salt, hash } => {
                let blocks = memory.blocks(argon2.params().block_count());
                let mut computed = vec![0; hash.len()];
                let done =
                    argon2.hash_password_into_with_memory(password, salt, &mut computed, blocks);
                done.is_ok() && bool::from(computed.ct_eq(hash))
            }
            // An octet 0 ends a password there: what is behind it would not count.
            Self::Bcrypt(text) => {
                let right = bcrypt::verify(password, text).unwrap_or(false);
                right && !password.contains(&0)
            }
        }
    }
}

/// What there is to do about a hash that is not taken.
fn made_by() -> String {
    format!("make one by `{} hash-password`", about::program())
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not shown: it may be a password in a wrong place.
        let text = String::deserialize(deserializer).ok();
        let hash = text.as_deref().and_then(Self::argon2);
        hash.ok_or_else(|| de::Error::custom(format!("this is no hash of argon2: {}", made_by())))
    }
}

/// What one thread hashes in, once for all hashes of its turn.
pub(crate) struct Memory(Vec<Block>);

impl Memory {
    /// The system's allocator gives memory of more than 32 MiB back when it is freed, and may keep what is smaller. So
    /// more is asked for; what is not written to takes nothing.
    const CAPACITY: usize = (33 << 20) / Block::SIZE;

    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(Self::CAPACITY))
    }

    /// Lends so many blocks. A hash writes all before it reads them.
    fn blocks(&mut self, count: usize) -> &mut [Block] {
        if self.0.len() < count {
            self.0.resize(count, Block::new());
        }
        self.0.get_mut(..count).unwrap_or_default()
    }
}

/// The hash of a password, for the file.
pub(crate) fn hash(password: &str) -> Result<String, BoxError> {
    if !(1..=255).contains(&password.len()) {
        return Err("a password must have 1 to 255 octets".into());
    }
    let hash = Argon2::default().hash_password(password.as_bytes());
    Ok(hash.map_err(|error| error.to_string())?.to_string())
}
