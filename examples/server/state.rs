//! The state of the server: file and command line together, swapped as one by a reload.

use std::os::unix::fs::MetadataExt;

use tokio::{signal::unix::Signal, sync::watch};
use tower_socks::{BoxError, Rules, layer::acl::SwapPolicy, rules::RulesBuilder};

use crate::{
    accounts::Accounts,
    auth::UsersPolicy,
    cli::Flags,
    config::{Config, Log},
    limits::Limits,
    listen::{Bound, Door},
    logins::Logins,
    replies::Replies,
    search::Domain,
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
    /// Nobody has to authenticate, if there are no users: somebody has said so.
    pub(crate) is_open: bool,
    /// Whether the file has passwords or hashes of them.
    has_secrets: bool,
    /// What cannot change while the server runs.
    pub(crate) fixed: Fixed,
}

/// Settings that are read at the start only.
#[derive(Clone, Debug)]
pub(crate) struct Fixed {
    pub(crate) doors: Vec<Door>,
    pub(crate) limits: Limits,
    pub(crate) logins: Logins,
    pub(crate) timeouts: Timeouts,
    pub(crate) replies: Replies,
    pub(crate) upstream: Option<Upstream>,
    pub(crate) search_domain: Option<Domain>,
    pub(crate) log: Log,
    pub(crate) metrics: Option<Metrics>,
}

impl Fixed {
    /// Whether two files say the same.
    fn is_like(&self, other: &Self) -> bool {
        let same_upstream = match (&self.upstream, &other.upstream) {
            (Some(one), Some(another)) => one.is_same_as(another),
            (None, None) => true,
            _ => false,
        };
        // No other setting has a secret.
        same_upstream && format!("{self:?}") == format!("{other:?}")
    }
}

impl Settings {
    /// Reads the file that the command line names, and checks everything. Nothing is listened on
    /// yet, if nothing is bound.
    pub(crate) fn load(flags: &Flags, bound: &Bound) -> Result<Self, BoxError> {
        let Config {
            listen,
            open,
            users,
            password_hashes: hashes,
            acl,
            limits,
            logins,
            timeouts,
            replies,
            upstream,
            search_domain,
            log,
            metrics,
        } = match &flags.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        let has_secrets = !users.is_empty()
            || !hashes.is_empty()
            || upstream.as_ref().is_some_and(Upstream::has_password);
        let users = flags.with_users(users);
        let accounts = Accounts::new(users, hashes)?;
        let doors = bound.stated(&flags.listen(listen));
        acl.check_time_zone()?;
        let is_open = open || flags.open;
        let serving = match &*bound.doors {
            [] => &doors,
            bound => bound,
        };
        check_open(is_open, &accounts, serving)?;
        // The dashboard is nothing to reach through the proxy: neither where it is, which a file cannot
        // change, nor where it would be.
        let stated = metrics.as_ref().map(|metrics| metrics.listen);
        let listening = serving.iter().filter_map(|door| door.place.address());
        let own = listening.chain(bound.status).chain(stated);
        let acl = own.fold(acl, RulesBuilder::listening_on);
        let acl = if flags.allow_private {
            acl.allow_private()
        } else {
            acl
        };
        Ok(Self {
            accounts,
            rules: acl.build(),
            is_open,
            has_secrets,
            fixed: Fixed {
                doors,
                limits,
                logins,
                timeouts,
                replies,
                upstream,
                search_domain,
                log,
                metrics,
            },
        })
    }
}

/// Checks that a listener that others reach has users, or is open on purpose.
fn check_open(is_open: bool, accounts: &Accounts, doors: &[Door]) -> Result<(), String> {
    let exposed = doors.iter().find(|door| door.is_exposed());
    match exposed {
        Some(door) if accounts.is_empty() && !is_open => Err(format!(
            "anyone could use a proxy on {door}: add --user NAME:PASSWORD, or users to the file of \
             --config, or --open (in the file: open = true) if that is meant"
        )),
        _ => Ok(()),
    }
}

/// The settings in force: the stack asks them each time anew.
#[derive(Debug)]
pub(crate) struct State {
    accounts: watch::Sender<Accounts>,
    policy: SwapPolicy<UsersPolicy>,
    has_secrets: bool,
    fixed: Fixed,
}

impl State {
    pub(crate) fn new(settings: Settings) -> Self {
        let Settings {
            accounts,
            rules,
            has_secrets,
            fixed,
            is_open: _,
        } = settings;
        Self {
            accounts: watch::Sender::new(accounts.clone()),
            policy: SwapPolicy::new(UsersPolicy { accounts, rules }),
            has_secrets,
            fixed,
        }
    }

    pub(crate) fn accounts(&self) -> watch::Receiver<Accounts> {
        self.accounts.subscribe()
    }

    pub(crate) fn policy(&self) -> SwapPolicy<UsersPolicy> {
        self.policy.clone()
    }

    /// Refuses to let everyone in where there were users, unless somebody has said that this is meant:
    /// a file that was emptied, or cut, looks the same.
    fn opens_nothing(&self, new: &Accounts, is_open: bool) -> Result<(), String> {
        match self.accounts.borrow().len() {
            users if users > 0 && new.is_empty() && !is_open => Err(format!(
                "there were {users} users and now there are none, so that nobody would be asked for \
                 a password: write `open = true` at the top of the file, or start with --open, if \
                 that is meant"
            )),
            _ => Ok(()),
        }
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

    /// Reads the file again at each SIGHUP. With a mistake in it everything stays as it is.
    pub(crate) async fn reload_at(self, mut signal: Signal, flags: Flags, bound: Bound) {
        warn_if_exposed(&flags, self.has_secrets);
        while signal.recv().await.is_some() {
            let Some(path) = flags.config.as_ref().map(|path| path.display().to_string()) else {
                tracing::warn!("nothing to reload: started without --config");
                continue;
            };
            systemd::reloading();
            let (again, bound) = (flags.clone(), bound.clone());
            // Reading a file blocks, and so does sorting a million names.
            let loaded = tokio::task::spawn_blocking(move || Settings::load(&again, &bound)).await;
            match loaded {
                Ok(Ok(Settings {
                    mut accounts,
                    rules,
                    has_secrets,
                    fixed,
                    is_open,
                })) => {
                    if let Err(problem) = self.opens_nothing(&accounts, is_open) {
                        tracing::error!("kept what was in force: {path}: {problem}");
                        systemd::ready();
                        continue;
                    }
                    self.warn_of_what_is_gone(&path, &accounts, &rules);
                    warn_if_exposed(&flags, has_secrets);
                    if !fixed.is_like(&self.fixed) {
                        tracing::warn!(
                            "{path}: listen, limits, logins, timeouts, replies, upstream, search_domain, log \
                             and metrics change with a restart only"
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

/// Warns about passwords that every user of this machine can read.
fn warn_if_exposed(flags: &Flags, has_secrets: bool) {
    let Some(path) = flags.config.as_ref().filter(|_| has_secrets) else {
        return;
    };
    // Where it cannot be read, there are other messages.
    if std::fs::metadata(path).is_ok_and(|file| file.mode() & 0o004 != 0) {
        tracing::warn!(
            "{}: has passwords, and everybody on this machine can read it: chmod o-r",
            path.display()
        );
    }
}
