//! What the file says in `[log]`.

use std::{fmt, path::PathBuf};

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use super::{
    Place, Privacy,
    privacy::{Clients, Targets, Users},
};

/// `[log]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogSettings {
    #[serde(default)]
    pub(crate) format: LogFormat,
    /// Which lines, as `RUST_LOG` says it, which goes before it.
    pub(crate) level: Option<String>,
    /// Standard error, if there is none.
    pub(crate) file: Option<Place>,
    #[serde(default)]
    targets: Targets,
    #[serde(default)]
    users: Users,
    #[serde(default)]
    clients: Clients,
    /// What makes the codes of names the same after a restart.
    users_key_file: Option<PathBuf>,
}

/// How lines of the log are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

impl fmt::Display for LogSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = self.level.as_deref().unwrap_or("info");
        write!(f, "{:?} to {}, level {level}", self.format, self.place())?;
        if self.targets != Targets::Full {
            write!(f, ", of targets {:?}", self.targets)?;
        }
        if self.users == Users::Hashed {
            f.write_str(", users Hashed")?;
        }
        if self.clients == Clients::Network {
            f.write_str(", of clients Network")?;
        }
        Ok(())
    }
}

impl LogSettings {
    /// Looks for mistakes.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Some(level) = &self.level {
            let parsed = EnvFilter::builder().parse(level);
            parsed.map_err(|error| format!("log, level: {error}"))?;
        }
        self.privacy().map(|_| ())
    }

    /// What is told, in all places.
    pub(crate) fn privacy(&self) -> Result<Privacy, String> {
        let key_file = self.users_key_file.as_ref();
        Privacy::new(self.targets, self.users, self.clients, key_file)
    }

    pub(super) fn place(&self) -> Place {
        self.file.clone().unwrap_or(Place::Stderr)
    }

    /// `RUST_LOG` chooses what, then `level`, `info` by default; where we listen is logged in any case, since scripts
    /// wait for it.
    pub(super) fn filter(&self) -> EnvFilter {
        let builder = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into());
        let filter = match (std::env::var_os(EnvFilter::DEFAULT_ENV), &self.level) {
            (None, Some(level)) => builder.parse_lossy(level),
            _ => builder.from_env_lossy(),
        };
        match "listening=info".parse() {
            Ok(always) => filter.add_directive(always),
            Err(_) => filter,
        }
    }
}
