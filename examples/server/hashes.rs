//! `[password_hashes]`: argon2 in the PHC format, and the memory in which it is computed.

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

/// Names, each with a hash.
#[derive(Clone, Default)]
pub(crate) struct Hashes {
    known: Arc<HashMap<Box<[u8]>, Hash>>,
    /// Names in order, from which those that are not there are compared with one.
    names: Arc<[Box<[u8]>]>,
}

impl Hashes {
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&Hash> {
        self.known.get(name)
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
        let known: HashMap<Box<[u8]>, Hash> = stated
            .into_iter()
            .map(|(name, hash)| (name.into_bytes().into(), hash))
            .collect();
        let mut names: Vec<_> = known.keys().cloned().collect();
        names.sort_unstable();
        if names.iter().any(|name| !(1..=255).contains(&name.len())) {
            return Err(de::Error::custom(
                "the name of a user must have 1 to 255 octets",
            ));
        }
        Ok(Self {
            known: Arc::new(known),
            names: names.into(),
        })
    }
}

/// A hash of argon2, with its costs and its salt.
pub(crate) struct Hash {
    argon2: Argon2<'static>,
    salt: Box<[u8]>,
    hash: Box<[u8]>,
}

impl Hash {
    /// Salt and hash: another password has others.
    pub(crate) fn octets(&self) -> [&[u8]; 2] {
        [&self.salt, &self.hash]
    }

    fn parse(text: &str) -> Option<Self> {
        let parsed = PasswordHash::new(text).ok()?;
        let algorithm = Algorithm::try_from(parsed.algorithm.as_str()).ok()?;
        let version = match parsed.version {
            Some(version) => Version::try_from(version).ok()?,
            None => Version::default(),
        };
        let params = Params::try_from(&parsed).ok()?;
        Some(Self {
            argon2: Argon2::new(algorithm, version, params),
            salt: parsed.salt?.as_ref().into(),
            hash: parsed.hash?.as_bytes().into(),
        })
    }

    fn verify(&self, memory: &mut Memory, password: &[u8]) -> bool {
        let blocks = memory.blocks(self.argon2.params().block_count());
        let mut computed = vec![0; self.hash.len()];
        let done =
            self.argon2
                .hash_password_into_with_memory(password, &self.salt, &mut computed, blocks);
        done.is_ok() && bool::from(computed.ct_eq(&self.hash))
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not shown: it may be a password in a wrong place.
        let text = String::deserialize(deserializer).ok();
        let hash = text.as_deref().and_then(Self::parse);
        hash.ok_or_else(|| {
            de::Error::custom("this is no hash of argon2: make one by `server hash-password`")
        })
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
