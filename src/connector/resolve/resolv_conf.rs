//! The resolver that `/etc/resolv.conf` describes, as it is now.

use std::{
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use hickory_resolver::{
    ResolverBuilder, TokioResolver,
    config::{LookupIpStrategy, ResolverConfig, ResolverOpts},
    net::runtime::TokioRuntimeProvider,
    system_conf::{parse_resolv_conf, read_system_conf},
};
use tokio::time::Instant;

use crate::error::{BoxError, Chain};

/// How often the file is looked at, at most.
const EVERY: Duration = Duration::from_secs(5);

/// A resolver, which is replaced once its file has changed. Clones share it.
#[derive(Clone)]
pub(super) struct Current(Arc<Mutex<State>>);

struct State {
    resolver: TokioResolver,
    /// `None` for a resolver that does not change.
    file: Option<Watched>,
}

struct Watched {
    path: PathBuf,
    looked_at: Instant,
    seen: Option<Stamp>,
}

/// What tells one content of a file from another.
type Stamp = (SystemTime, u64);

impl Current {
    pub(super) fn fixed(resolver: TokioResolver) -> Self {
        Self(Arc::new(Mutex::new(State {
            resolver,
            file: None,
        })))
    }

    pub(super) fn of_system() -> Result<Self, BoxError> {
        if cfg!(unix)
            && !cfg!(any(
                target_os = "macos",
                target_os = "ios",
                target_os = "android"
            ))
        {
            return Self::of_file("/etc/resolv.conf".into());
        }
        let (config, options) = read_system_conf()?;
        Ok(Self::fixed(built(config, options)?))
    }

    pub(super) fn of_file(path: PathBuf) -> Result<Self, BoxError> {
        let seen = Some(stamp(&path)?);
        Ok(Self(Arc::new(Mutex::new(State {
            resolver: read(&path)?,
            file: Some(Watched {
                path,
                looked_at: Instant::now(),
                seen,
            }),
        }))))
    }

    /// Returns the resolver. The file is looked at now and then: that is one call of the system, and reading it
    /// three, of a file with a few lines.
    pub(super) fn get(&self) -> TokioResolver {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State { resolver, file } = &mut *state;
        if let Some(file) = file
            && file.looked_at.elapsed() >= EVERY
        {
            file.looked_at = Instant::now();
            let seen = stamp(&file.path).ok();
            if seen.is_some() && seen != file.seen {
                file.seen = seen;
                let path = file.path.display();
                match read(&file.path) {
                    Ok(new) => {
                        *resolver = new;
                        tracing::info!(
                            "{path} has changed: its name servers are asked from now on"
                        );
                    }
                    Err(error) => {
                        let error = Chain(&*error);
                        tracing::warn!(%error, "{path} has changed and cannot be used: name servers stay");
                    }
                }
            }
        }
        resolver.clone()
    }
}

fn stamp(path: &PathBuf) -> io::Result<Stamp> {
    let file = fs::metadata(path)?;
    Ok((file.modified()?, file.len()))
}

fn read(path: &PathBuf) -> Result<TokioResolver, BoxError> {
    let (config, options) = parse_resolv_conf(fs::read(path)?)?;
    built(config, options)
}

fn built(config: ResolverConfig, options: ResolverOpts) -> Result<TokioResolver, BoxError> {
    Ok(builder(config, options).build()?)
}

pub(super) fn builder(
    config: ResolverConfig,
    options: ResolverOpts,
) -> ResolverBuilder<TokioRuntimeProvider> {
    let provider = TokioRuntimeProvider::default();
    let mut builder = TokioResolver::builder_with_config(config, provider);
    *builder.options_mut() = options;
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
    builder
}
