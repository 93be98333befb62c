//! The state of the server: file and command line together, swapped as one by a reload.

use std::net::SocketAddr;

use tokio::{signal::unix::Signal, sync::watch};
use tower_socks::{BoxError, Rules, layer::acl::SwapPolicy};

use crate::{
    accounts::Accounts,
    auth::UsersPolicy,
    cli::Flags,
    config::{Config, Log},
    limits::Limits,
    listen::Listen,
    logins::Logins,
    status::Metrics,
    systemd,
    timeouts::Timeouts,
    upstream::Upstream,
};

/// Users and rules that have passed all checks.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) accounts: Accounts,
    pub(crate) rules: Rules,
    /// What cannot change while the server runs.
    pub(crate) fixed: Fixed,
}

/// Settings that are read at the start only.
#[derive(Clone, Debug)]
pub(crate) struct Fixed {
    pub(crate) listen: Listen,
    pub(crate) limits: Limits,
    pub(crate) logins: Logins,
    pub(crate) timeouts: Timeouts,
    pub(crate) upstream: Option<Upstream>,
    pub(crate) log: Log,
    pub(crate) metrics: Option<Metrics>,
}

impl Fixed {
    /// Whether two files say the same, as far as they can be told apart without their passwords.
    fn is_like(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

impl Settings {
    /// Reads the file that the command line names, and checks everything. Nothing is listened on
    /// yet, if `listening` is empty.
    pub(crate) fn load(flags: &Flags, listening: Vec<SocketAddr>) -> Result<Self, BoxError> {
        let Config {
            listen,
            users,
            password_hashes: hashes,
            mut acl,
            limits,
            logins,
            timeouts,
            upstream,
            log,
            metrics,
        } = match &flags.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        let users = flags.with_users(users);
        let accounts = Accounts::new(users, hashes)?;
        let listen = flags.listen(listen);
        let listening = match listening.is_empty() {
            true => listen.0.clone(),
            false => listening,
        };
        flags.check_open(&accounts, &listening)?;
        if let Some(metrics) = &metrics {
            // The dashboard is nothing to reach through the proxy.
            acl = acl.listening_on(metrics.listen);
        }
        let acl = listening
            .iter()
            .fold(acl, |acl, address| acl.listening_on(*address));
        let acl = if flags.allow_private {
            acl.allow_private()
        } else {
            acl
        };
        Ok(Self {
            accounts,
            rules: acl.build(),
            fixed: Fixed {
                listen,
                limits,
                logins,
                timeouts,
                upstream,
                log,
                metrics,
            },
        })
    }
}

/// The settings in force: the stack asks them each time anew.
#[derive(Debug)]
pub(crate) struct State {
    accounts: watch::Sender<Accounts>,
    policy: SwapPolicy<UsersPolicy>,
    fixed: Fixed,
}

impl State {
    pub(crate) fn new(settings: Settings) -> Self {
        let Settings {
            accounts,
            rules,
            fixed,
        } = settings;
        Self {
            accounts: watch::Sender::new(accounts.clone()),
            policy: SwapPolicy::new(UsersPolicy { accounts, rules }),
            fixed,
        }
    }

    pub(crate) fn accounts(&self) -> watch::Receiver<Accounts> {
        self.accounts.subscribe()
    }

    pub(crate) fn policy(&self) -> SwapPolicy<UsersPolicy> {
        self.policy.clone()
    }

    /// Reads the file again at each SIGHUP. With a mistake in it everything stays as it is.
    pub(crate) async fn reload_at(
        self,
        mut signal: Signal,
        flags: Flags,
        listening: Vec<SocketAddr>,
    ) {
        while signal.recv().await.is_some() {
            let Some(path) = flags.config.as_ref().map(|path| path.display().to_string()) else {
                tracing::warn!("nothing to reload: started without --config");
                continue;
            };
            systemd::reloading();
            let (flags, listening) = (flags.clone(), listening.clone());
            // Reading a file blocks, and so does sorting a million names.
            let loaded =
                tokio::task::spawn_blocking(move || Settings::load(&flags, listening)).await;
            match loaded {
                Ok(Ok(Settings {
                    mut accounts,
                    rules,
                    fixed,
                })) => {
                    if !fixed.is_like(&self.fixed) {
                        tracing::warn!(
                            "{path}: listen, limits, logins, timeouts, upstream, log and metrics change with a \
                             restart only"
                        );
                    }
                    accounts.follow(&self.accounts.borrow());
                    let (user_count, rule_count) = (accounts.len(), rules.len());
                    self.accounts.send_replace(accounts.clone());
                    self.policy.swap(UsersPolicy { accounts, rules });
                    self.policy.recheck();
                    tracing::info!(users = user_count, rules = rule_count, "reloaded {path}");
                }
                Ok(Err(error)) => tracing::error!("kept what was in force: {error}"),
                Err(error) => tracing::error!("kept what was in force: {path}: {error}"),
            }
            systemd::ready();
        }
    }
}
