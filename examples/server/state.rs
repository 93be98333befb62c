//! The state of the server, which a reload changes as one.

use tokio::{signal::unix::Signal, sync::watch};
use tower_socks::{
    BoxError, Rules,
    layer::{acl::SwapPolicy, auth::remember::RememberLayer, tls::TlsLayer},
};

use crate::{
    accounts::Accounts,
    auth::UsersPolicy,
    cli::Flags,
    htpasswd::UsersFile,
    limits::InForce,
    listen::Bound,
    settings::{Fixed, Settings},
    systemd,
    warnings::warn_if_exposed,
};

/// The settings in force: the stack asks them each time anew.
#[derive(Debug)]
pub(crate) struct State {
    accounts: watch::Sender<Accounts>,
    policy: SwapPolicy<UsersPolicy>,
    remembered: RememberLayer,
    users_file: Option<UsersFile>,
    has_secrets: bool,
    /// What takes TLS at each door, in their order.
    tls: Vec<Option<TlsLayer>>,
    fixed: Fixed,
    limits: InForce,
}

impl State {
    pub(crate) fn new(settings: Settings, limits: InForce) -> Result<Self, BoxError> {
        let Settings {
            accounts,
            users_file,
            rules,
            has_secrets,
            tls,
            fixed,
            is_open: _,
        } = settings;
        let limit = fixed.timeouts.handshake.0;
        let tls = tls.into_iter().map(|config| {
            let layer = config.map(TlsLayer::new);
            layer.map(|layer| layer.deadline(limit))
        });
        Ok(Self {
            remembered: fixed.logins.remembered()?,
            users_file,
            tls: tls.collect(),
            accounts: watch::Sender::new(accounts.clone()),
            policy: SwapPolicy::new(UsersPolicy { accounts, rules }),
            has_secrets,
            fixed,
            limits,
        })
    }

    /// Remembers who was verified, until a reload says otherwise.
    pub(crate) const fn remembered(&self) -> &RememberLayer {
        &self.remembered
    }

    pub(crate) fn accounts(&self) -> watch::Receiver<Accounts> {
        self.accounts.subscribe()
    }

    /// What takes TLS at each door: a reload changes their certificates.
    pub(crate) fn tls(&self) -> Vec<Option<TlsLayer>> {
        self.tls.clone()
    }

    pub(crate) fn policy(&self) -> SwapPolicy<UsersPolicy> {
        self.policy.clone()
    }

    /// Refuses to let everyone in where there were users, unless somebody has said that this is meant:
    /// a file that was emptied, or cut, looks the same.
    fn opens_nothing(&self, new: &Accounts, is_open: bool) -> Result<(), String> {
        let in_force = self.accounts.borrow();
        if in_force.is_empty() || !new.is_empty() || is_open {
            return Ok(());
        }
        let before = match in_force.len() {
            0 => "there was a directory to ask and now there is none".to_owned(),
            users => format!("there were {users} users and now there are none"),
        };
        Err(format!(
            "{before}, so that nobody would be asked for a password: write \
             `open = true` at the top of the file, or start with --open, if that is meant"
        ))
    }

    /// A file that was cut has less in it, and that may open what was closed.
    fn warn_of_what_is_gone(&self, path: &str, accounts: &Accounts, rules: &Rules) {
        let (users, before) = (accounts.len(), self.accounts.borrow().len());
        let rules_before = self.policy.current().rules.len();
        if rules.is_empty() && rules_before > 0 {
            tracing::warn!(
                users,
                "{path}: there were {rules_before} rules and {before} users, and now there are no rules: is \
                 the file whole?"
            );
        }
    }

    /// Puts users and rules in force. The order is that in which nobody gets in who should not: verifiers have the new
    /// users before what they have said of the old ones is forgotten, and what is let in meanwhile the policy refuses.
    fn replace(&self, mut accounts: Accounts, rules: Rules) {
        let changed = accounts.follow(&self.accounts.borrow());
        let are_others = !accounts
            .directories()
            .is_same_as(self.accounts.borrow().directories());
        self.accounts.send_replace(accounts.clone());
        for name in changed {
            self.remembered.forget(name);
        }
        if are_others {
            self.remembered.clear();
        }
        self.policy.swap(UsersPolicy { accounts, rules });
        self.policy.recheck();
    }

    /// Reads the users' file alone. With a mistake in it its users stay as they are.
    async fn reload_users(&self) {
        let Some(UsersFile { path, .. }) = self.users_file.clone() else {
            return;
        };
        let in_force = self.accounts.borrow().clone();
        let read = move || {
            let (_, users) = UsersFile::read(&path)?;
            Ok((in_force.with_file(&users)?, path))
        };
        let read = tokio::task::spawn_blocking(read).await;
        match read.unwrap_or_else(|error| Err(error.to_string())) {
            Ok((accounts, path)) => {
                let users = accounts.len();
                self.replace(accounts, self.policy.current().rules.clone());
                tracing::info!(users, "reloaded {}", path.display());
            }
            Err(problem) => tracing::warn!("kept the users that were in force: {problem}"),
        }
    }

    /// Reads the file again at each SIGHUP, and that of the users when it has changed as well. With a mistake in it
    /// everything stays as it is.
    pub(crate) async fn reload_at(mut self, mut signal: Signal, flags: Flags, bound: Bound) {
        self.accounts.borrow().directories().warn();
        warn_if_exposed(
            &flags,
            self.has_secrets,
            self.users_file.as_ref(),
            &bound,
            &self.policy.current().rules,
        );
        loop {
            let changed = async {
                match &mut self.users_file {
                    Some(file) => file.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                signal = signal.recv() => match signal {
                    Some(()) => {}
                    None => return,
                },
                () = changed => {
                    self.reload_users().await;
                    continue;
                }
            }
            let Some(path) = flags.config.as_ref().map(|path| path.display().to_string()) else {
                tracing::warn!("nothing to reload: started without --config");
                continue;
            };
            systemd::reloading();
            let (again, in_force) = (flags.clone(), bound.clone());
            // Reading a file blocks, and so does sorting a million names.
            let loaded =
                tokio::task::spawn_blocking(move || Settings::load(&again, &in_force)).await;
            match loaded {
                Ok(Ok(Settings {
                    accounts,
                    users_file,
                    rules,
                    has_secrets,
                    tls,
                    fixed,
                    is_open,
                })) => {
                    if let Err(problem) = self.opens_nothing(&accounts, is_open) {
                        tracing::error!("kept what was in force: {path}: {problem}");
                        systemd::ready();
                        continue;
                    }
                    self.warn_of_what_is_gone(&path, &accounts, &rules);
                    accounts.directories().warn();
                    warn_if_exposed(&flags, has_secrets, users_file.as_ref(), &bound, &rules);
                    if !fixed.is_like(&self.fixed) {
                        tracing::warn!(
                            "{path}: listen, protocols, tls, proxy_protocol, udp_over_tcp, resolve, quotas' file and days, logins, timeouts, \
                             replies, upstream, upstream_udp, upstreams, routes, search_domain, log and metrics change with a restart only"
                        );
                    }
                    self.limits.set(&fixed.limits);
                    let (user_count, rule_count) = (accounts.len(), rules.len());
                    self.replace(accounts, rules);
                    self.users_file = users_file;
                    let layers = self.tls.iter().zip(tls);
                    let certificates = layers.filter_map(|(layer, config)| {
                        layer
                            .as_ref()
                            .zip(config)
                            .map(|(layer, config)| layer.replace(config))
                    });
                    let certificates = certificates.count();
                    tracing::info!(
                        users = user_count,
                        rules = rule_count,
                        certificates,
                        "reloaded {path}"
                    );
                }
                Ok(Err(error)) => tracing::error!("kept what was in force: {error}"),
                Err(error) => tracing::error!("kept what was in force: {path}: {error}"),
            }
            systemd::ready();
        }
    }
}
