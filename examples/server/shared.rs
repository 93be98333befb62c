//! What lives on when a reload builds the stack anew: who is known, who is connected, what is counted and remembered.

use std::sync::Arc;

use tokio::sync::watch;
use tower_socks::{
    BoxError, Rules,
    layer::{
        acl::SwapPolicy, auth::remember::RememberLayer, http::HttpLayer, limit::FailedLoginsLayer,
        track::OpenTunnels,
    },
};

use crate::{
    accounting,
    accounts::{Accounts, Successors},
    auth::UsersPolicy,
    background, fleet,
    limits::InForce,
    listen::Door,
    names::Names,
    ports::TakenPorts,
    records::Records,
    resolver::Resolvers,
    settings::{Fixed, Settings},
    upstream::Standings,
};

/// Made once. Clones share it.
#[derive(Clone)]
pub(crate) struct Shared {
    accounts: watch::Sender<Accounts>,
    in_force: watch::Sender<Arc<Fixed>>,
    policy: SwapPolicy<UsersPolicy>,
    /// Who was verified, until a reload says otherwise.
    pub(crate) remembered: RememberLayer,
    pub(crate) open: OpenTunnels,
    pub(crate) failed: FailedLoginsLayer,
    pub(crate) limits: InForce,
    pub(crate) fleet: fleet::InForce,
    /// Who has which ports of a range.
    pub(crate) udp_ports: TakenPorts,
    pub(crate) bind_ports: TakenPorts,
    /// It bounds the lookups of all stacks together.
    pub(crate) resolvers: Resolvers,
    pub(crate) names: Names,
    /// What is known of the upstreams.
    pub(crate) upstreams: Standings,
    /// HTTP knows a loop by a name that all listeners share.
    pub(crate) http: HttpLayer,
    /// Who is told of sessions.
    pub(crate) records: Records,
    pub(crate) accounting: accounting::InForce,
}

impl Shared {
    pub(crate) fn new(settings: &Settings, records: Records) -> Result<Self, BoxError> {
        let fixed = &settings.fixed;
        let accounts = settings.accounts.clone();
        let policy = UsersPolicy {
            accounts: accounts.clone(),
            rules: settings.rules.clone(),
        };
        let resolvers = Resolvers::new(&fixed.resolver)?;
        let fleet: fleet::InForce = Default::default();
        fleet.change(fixed.fleet.as_ref(), &fixed.limits);
        Ok(Self {
            accounts: watch::Sender::new(accounts),
            in_force: watch::Sender::new(Arc::new(fixed.clone())),
            policy: SwapPolicy::new(policy),
            remembered: fixed.logins.remembered()?,
            open: OpenTunnels::new(),
            failed: fixed.logins.failed(),
            limits: InForce::new(&fixed.limits)?,
            fleet,
            udp_ports: TakenPorts::default(),
            bind_ports: TakenPorts::default(),
            names: Names::new(resolvers.of(&fixed.resolver)?),
            resolvers,
            upstreams: Standings::default(),
            http: HttpLayer::new(),
            records,
            accounting: accounting::InForce::new(),
        })
    }

    pub(crate) fn accounts(&self) -> watch::Receiver<Accounts> {
        self.accounts.subscribe()
    }

    /// What the stack is built of.
    pub(crate) fn in_force(&self) -> watch::Receiver<Arc<Fixed>> {
        self.in_force.subscribe()
    }

    /// Puts in force what the next stack is built of.
    pub(crate) fn put_in_force(&self, fixed: Fixed) {
        self.limits.set(&fixed.limits);
        self.fleet.change(fixed.fleet.as_ref(), &fixed.limits);
        self.fleet.set(&self.limits);
        self.failed.set_like(&fixed.logins.failed());
        match fixed.logins.remembered() {
            Ok(remembered) => self.remembered.set_like(&remembered),
            Err(problem) => {
                tracing::warn!("what is remembered of logins stays as it was: {problem}")
            }
        }
        background::drop(self.in_force.send_replace(Arc::new(fixed)));
    }

    pub(crate) fn policy(&self) -> SwapPolicy<UsersPolicy> {
        self.policy.clone()
    }

    /// Refuses to let everyone in where there were users, certificates or permissions, unless somebody has said that this
    /// is meant: a file that was emptied, or cut, looks the same.
    pub(crate) fn opens_nothing(&self, new: &Settings) -> Result<(), String> {
        if !new.accounts.is_empty() || new.is_open {
            return Ok(());
        }
        let in_force = self.accounts.borrow();
        let takes_anybody = |fixed: &Fixed| fixed.doors.iter().any(Door::takes_anybody);
        let before = match in_force.len() {
            0 if in_force.is_empty() => {
                let took_anybody = takes_anybody(&self.in_force.borrow());
                if took_anybody || !takes_anybody(&new.fixed) {
                    return Ok(());
                }
                "all listeners required certificates, or were Unix sockets, and now one does not, so that nobody would \
                 be asked for anything"
                    .to_owned()
            }
            0 if in_force.tickets().is_some() => {
                "there was [gssapi] and now there is none, so that nobody would be asked for a ticket".to_owned()
            }
            0 => "there was a directory to ask and now there is none, so that nobody would be asked for a password"
                .to_owned(),
            users => format!(
                "there were {users} users and now there are none, so that nobody would be asked for a password"
            ),
        };
        Err(format!(
            "{before}: write `open = true` at the top of the file, or start with --open, if that is meant"
        ))
    }

    /// Says so if a file has less in it than before: one that was cut may open what was closed.
    pub(crate) fn warn_of_what_is_gone(&self, path: &str, accounts: &Accounts, rules: &Rules) {
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

    /// Puts users in force, under the rules that are.
    pub(crate) fn replace_users(&self, users: Successors) {
        self.replace(users, self.policy.current().rules.clone());
    }

    /// Puts users and rules in force. The order is that in which nobody gets in who should not: verifiers have the new
    /// users before what they have said of the old ones is forgotten, and what is let in meanwhile the policy refuses.
    pub(crate) fn replace(&self, users: Successors, rules: Rules) {
        let Successors {
            accounts,
            changed,
            has_other_directories,
        } = users;
        let old = (
            self.accounts.send_replace(accounts.clone()),
            self.policy.current(),
        );
        for name in &changed {
            self.remembered.forget(name);
        }
        if has_other_directories {
            self.remembered.clear();
        }
        self.policy.swap(UsersPolicy { accounts, rules });
        self.policy.recheck();
        background::drop((old, changed));
    }
}
