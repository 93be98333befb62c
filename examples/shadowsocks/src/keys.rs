//! Keys, and what is agreed upon besides them: the method `2022-blake3-aes-256-gcm`.

use std::{fmt, net::SocketAddr, sync::Arc};

use shadowsocks::{
    ServerConfig,
    config::{ServerType, ServerUser, ServerUserManager},
    context::{Context, SharedContext},
    crypto::{CipherKind, utils::random_iv_or_salt},
};
use tower_socks::{BoxError, Identity};

/// The one method here. Its headers name the user.
pub(crate) const METHOD: CipherKind = CipherKind::AEAD2022_BLAKE3_AES_256_GCM;

/// The keys of one end, with the salts that it has seen: those of a server, or of a client of one.
///
/// Clones share the salts. Nothing of it is printed.
#[derive(Clone)]
pub struct Keys {
    /// Where the server is, for a client of it.
    pub(crate) server: SocketAddr,
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) context: SharedContext,
}

impl Keys {
    /// The keys of a server and of its users. Each is 32 octets in base64: `openssl rand -base64 32`.
    ///
    /// # Errors
    ///
    /// For a key that is none, and without any user.
    pub fn of_server<'a>(
        key: &str,
        users: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, BoxError> {
        let mut known = ServerUserManager::new();
        for (name, key) in users {
            let user = ServerUser::with_encoded_key(name, key).map_err(|_| InvalidKey)?;
            if user.key().len() != METHOD.key_len() {
                return Err(InvalidKey.into());
            }
            if known.get_user_by_hash(user.identity_hash()).is_some() {
                return Err("two users have the same key".into());
            }
            known.add_user(user);
        }
        // With users, what nobody sent who has a key is dropped before anything is kept for it. Without them the crate
        // keeps a cipher for half a minute for every datagram of garbage.
        if known.user_count() == 0 {
            return Err("a server needs a user".into());
        }
        let nowhere = SocketAddr::from(([0; 4], 0));
        let mut config = config(nowhere, key)?;
        config.set_user_manager(known);
        Ok(Self::new(nowhere, config, ServerType::Server))
    }

    /// The keys of a user, for the server at this address; of one without users its own key alone.
    ///
    /// # Errors
    ///
    /// For a key that is none.
    pub fn of_user(server: SocketAddr, key: &str, user: Option<&str>) -> Result<Self, BoxError> {
        let config = match user {
            Some(user) => config(server, &format!("{key}:{user}"))?,
            None => config(server, key)?,
        };
        Ok(Self::new(server, config, ServerType::Local))
    }

    fn new(server: SocketAddr, config: ServerConfig, of: ServerType) -> Self {
        Self {
            server,
            config: Arc::new(config),
            context: Context::new_shared(of),
        }
    }

    /// Who has this key, which a client has proved to have.
    pub(crate) fn identity(&self, key: &[u8]) -> Option<Identity> {
        let hash = ServerUser::new("", key.to_vec()).clone_identity_hash();
        let user = self.config.user_manager()?.get_user_by_hash(&hash)?;
        Some(Identity::named(user.name()))
    }
}

fn config(address: SocketAddr, key: &str) -> Result<ServerConfig, InvalidKey> {
    // Its error has the key in it.
    ServerConfig::new(address, key, METHOD).map_err(|_| InvalidKey)
}

/// Returns a number that nobody can guess, for sessions.
pub(crate) fn random_id() -> u64 {
    let mut id = [0; 8];
    random_iv_or_salt(&mut id);
    u64::from_be_bytes(id)
}

/// What was given as a key is not 32 octets in base64.
#[derive(Debug)]
struct InvalidKey;

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key is 32 octets in base64")
    }
}

impl std::error::Error for InvalidKey {}

#[cfg(test)]
mod tests {
    use super::Keys;

    const KEY: &str = "c2VydmVyIHNlcnZlciBzZXJ2ZXIgc2VydmVyIHNlcnY=";
    const JOE: &str = "am9lIGpvZSBqb2Ugam9lIGpvZSBqb2Ugam9lIGpvZSE=";
    const SHORT: &str = "c2hvcnQga2V5";
    const NONE: &str = "not base64!";

    #[test]
    fn a_mistake_is_named_and_no_key_is() {
        let nobody: [(&str, &str); 0] = [];
        let server = |key, users: &[(&'static str, &'static str)]| {
            let keys = Keys::of_server(key, users.iter().copied());
            keys.err().map(|error| error.to_string())
        };
        let user = |key, user| {
            let keys = Keys::of_user(([127, 0, 0, 1], 1).into(), key, user);
            keys.err().map(|error| error.to_string())
        };
        assert_eq!(server(KEY, &[("joe", JOE)]), None);
        assert_eq!(user(KEY, Some(JOE)), None);
        assert_eq!(user(KEY, None), None);
        let invalid = Some("a key is 32 octets in base64".to_owned());
        for wrong in [SHORT, NONE, ""] {
            assert_eq!(server(wrong, &[("joe", JOE)]), invalid);
            assert_eq!(server(KEY, &[("joe", wrong)]), invalid);
            assert_eq!(user(wrong, None), invalid);
            assert_eq!(user(KEY, Some(wrong)), invalid);
            assert_eq!(user(wrong, Some(JOE)), invalid);
        }
        assert_eq!(server(KEY, &nobody).unwrap(), "a server needs a user");
        let same = server(KEY, &[("joe", JOE), ("jane", JOE)]);
        assert_eq!(same.unwrap(), "two users have the same key");
    }

    #[test]
    fn a_key_is_somebodys_or_nobodys() {
        let keys = Keys::of_server(KEY, [("joe", JOE)]).unwrap();
        let joe = keys.identity(b"joe joe joe joe joe joe joe joe!");
        assert_eq!(joe.unwrap().name(), Some(&b"joe"[..]));
        assert!(keys.identity(b"server server server server serv").is_none());
    }
}
