//! What the file says in `[admin]`.

use std::{fmt, path::PathBuf, sync::Arc};

use serde::{Deserialize, Deserializer, de};

use crate::{hashes::Hash, listen::Mode};

/// `[admin]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Admin {
    /// With it tunnels can be closed from the page.
    pub(crate) password_hash: Option<PasswordHash>,
    /// A Unix socket, over which `server close` does it.
    pub(crate) socket: Option<PathBuf>,
    /// Who may connect to it.
    #[serde(default = "owner")]
    pub(crate) mode: Mode,
}

const fn owner() -> Mode {
    Mode(0o600)
}

impl Admin {
    /// Checks it against the rest of the file.
    ///
    /// # Errors
    ///
    /// It would have no effect.
    pub(crate) fn check(&self, has_page: bool) -> Result<(), String> {
        match (&self.password_hash, &self.socket) {
            (None, None) => Err("admin: nothing is in it: `password_hash`, `socket` or both".into()),
            (Some(_), _) if !has_page => Err(
                "admin, password_hash: it is for the page of [metrics], and there is none; on other addresses than \
                 loopback, `dashboard = true` has it"
                    .into(),
            ),
            _ => Ok(()),
        }
    }
}

/// Says how tunnels can be closed.
impl fmt::Display for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let page = self
            .password_hash
            .as_ref()
            .map(|_| "from the page".to_owned());
        let socket = self.socket.as_ref();
        let socket = socket.map(|path| format!("by {}", path.to_string_lossy().escape_debug()));
        let means: Vec<_> = [page, socket].into_iter().flatten().collect();
        f.write_str(&means.join(", "))
    }
}

/// The hash of a password, by argon2 or bcrypt.
#[derive(Clone)]
pub(crate) struct PasswordHash {
    pub(super) hash: Arc<Hash>,
    /// As the file has it.
    pub(super) stated: String,
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

impl<'de> Deserialize<'de> for PasswordHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not shown: it may be a password.
        let text = String::deserialize(deserializer)?;
        let hash = Hash::of_file(text.as_bytes()).map_err(de::Error::custom)?;
        Ok(Self {
            hash: Arc::new(hash),
            stated: text,
        })
    }
}
