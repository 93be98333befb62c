//! The server while it runs: sockets, servers, and what a reload changes of them.

mod prepared;
mod reload;
mod upgrades;

use std::{future::pending, sync::Arc};

use tokio::{signal::unix::Signal, sync::watch};
use tower_socks::BoxError;

use self::prepared::Prepared;
use crate::{
    certificates::remind,
    cli::Flags,
    container, descriptors,
    directories::recheck::{follow_accounts, recheck},
    fleet::follow,
    htpasswd::UsersFile,
    listen::Sockets,
    log::Condition,
    records::Records,
    serving::Servers,
    settings::{Fixed, Settings},
    shared::Shared,
    signals::{self, Asked, Phase},
    status::{Closer, ControlServer, Health, PacServer, Scripts, Status, StatusServer},
    systemd::{
        self,
        store::{self, Store},
    },
    upgrade::{Control, Taken, Upgrades},
    warnings::warn_if_exposed,
};

/// The server.
pub(crate) struct Running {
    flags: Flags,
    /// With what it was started: some of it changes with a restart only.
    started: Fixed,
    users_file: Option<UsersFile>,
    sockets: Sockets,
    /// Where they are kept for the next process.
    store: Store,
    status_server: StatusServer,
    status: Option<Arc<Status>>,
    pac_server: PacServer,
    control: ControlServer,
    health: Health,
    servers: Servers,
    shared: Shared,
    stop: watch::Receiver<Phase>,
    reload: Signal,
    upgrades: Upgrades,
}

impl Running {
    /// Listens and serves.
    pub(crate) async fn start(
        flags: Flags,
        asked: Asked,
        (mut passed, mut taken): (Sockets, Option<Taken>),
        first: &Settings,
        log: Condition,
        records: &Records,
    ) -> Result<Self, BoxError> {
        let fixed = &first.fixed;
        descriptors::raise_limit();
        store::forget(&passed.close_unstated(&fixed.doors));
        let sockets = passed.at(&fixed.doors)?;
        let store = Store::begin(passed.names_kept());
        drop(passed);
        let prepared = Prepared::taken(fixed, taken.as_mut())?;
        let upgrade = Control::at(fixed.upgrade_socket.as_deref(), taken.as_mut())?;
        // Again, with the addresses that are listened on.
        let settings = Settings::load(
            &flags,
            &sockets.bound().with_status(prepared.status.address()),
            first.users_file.as_ref(),
        )?;
        settings.leaves.clone()?;
        let shared = Shared::new(&settings, records.clone())?;
        records.run()?;
        tokio::spawn(signals::list(asked.list, shared.open.clone()));
        let (upgrades, superseded) = Upgrades::new(upgrade, asked.upgrade)?;
        let stop = signals::stop(shared.in_force(), superseded)?;
        let idle = signals::end_idle(shared.open.clone(), stop.clone(), shared.in_force());
        tokio::spawn(idle);
        let fleet = (shared.fleet.clone(), shared.open.clone());
        tokio::spawn(follow(fleet.0, fleet.1, stop.clone()));
        tokio::spawn(recheck(shared.clone()));
        tokio::spawn(follow_accounts(shared.clone()));
        let in_force = shared.in_force();
        tokio::spawn(remind(move || in_force.borrow().certificates.clone()));
        tokio::spawn(shared.limits.clone().keep_saved());
        let health = Health::new(stop.clone(), log, &shared);
        let mut running = Self {
            flags,
            started: settings.fixed.clone(),
            users_file: settings.users_file.clone(),
            sockets,
            store,
            status_server: StatusServer::default(),
            status: None,
            pac_server: PacServer::default(),
            control: ControlServer::default(),
            health,
            servers: Servers::new(stop.clone()),
            shared,
            stop,
            reload: asked.reload,
            upgrades,
        };
        running.account(&settings);
        if taken.is_none() {
            // Sessions of the process before are not over.
            running.shared.accounting.begin();
        }
        running.serve(&settings, prepared)?;
        if let Some(taken) = taken {
            running.take_over(taken).await?;
        }
        let has_users = !settings.accounts.is_empty();
        for door in &settings.doors {
            let example = door
                .curl(has_users)
                .map(|command| format!("; try: {command}"));
            tracing::info!("{}{}", door.describe(), example.unwrap_or_default());
            tracing::info!(target: "listening", "listening on {door}");
        }
        running.say_where_metrics_are();
        running.say_where_the_script_is();
        settings.fixed.upstream.log();
        warn_if_exposed(&running.flags, &settings);
        container::log_defaults();
        let sockets = running.sockets.kept();
        if sockets > 0 {
            tracing::info!(sockets, "took sockets that systemd has kept");
        }
        running.store.keep(&running.sockets.to_keep());
        systemd::ready();
        Ok(running)
    }

    fn say_where_metrics_are(&self) {
        match self.status_server.address() {
            Some(address) => tracing::info!("metrics at http://{address}/"),
            None if self.status.is_some() => tracing::info!("metrics are nowhere any more"),
            None => {}
        }
    }

    fn say_where_the_script_is(&self) {
        if let Some(address) = self.pac_server.address() {
            tracing::info!("pac at http://{address}/proxy.pac");
        }
    }

    /// Serves by these settings, which are in force, and shows the numbers there.
    ///
    /// # Errors
    ///
    /// Descriptors have run out.
    fn serve(&mut self, settings: &Settings, prepared: Prepared) -> Result<(), BoxError> {
        let Prepared {
            mut status,
            mut pac,
            control,
        } = prepared;
        // Layers look for what counts when they are made.
        if status.is_stated() && self.status.is_none() {
            self.status = Some(Status::start(&self.shared, self.health.clone())?);
        }
        let is_other = !status.is_same_as(&self.status_server);
        if let Some(what) = &self.status {
            if let Some(metrics) = &settings.fixed.metrics {
                what.set(metrics, settings.fixed.admin.as_ref());
            }
            if is_other {
                status.start(what)?;
                self.status_server = status;
            }
            self.shared.records.also("page", what.sink());
        }
        if !pac.is_same_as(&self.pac_server) {
            pac.start(&Scripts::new(self.shared.in_force()))?;
            self.pac_server = pac;
        }
        let directories = settings.accounts.directories();
        self.shared.records.always(directories.need_records());
        self.account(settings);
        if let Some(mut control) = control {
            control.start(Closer::new(
                self.shared.open.clone(),
                self.shared.fleet.clone(),
            ))?;
            self.control = control;
        }
        self.servers.change(settings, &self.shared, &self.sockets)
    }

    fn account(&self, settings: &Settings) {
        let stated = settings.fixed.accounting.as_ref();
        self.shared.accounting.change(stated, &self.shared.records);
    }

    /// Serves until the signal to stop, and until the sessions have ended then. Reads the file again at each SIGHUP, and
    /// that of the users when it has changed as well. With a mistake in it everything stays as it is.
    ///
    /// # Errors
    ///
    /// A listener has failed, or a second signal has dropped the sessions.
    pub(crate) async fn run(mut self) -> Result<(), BoxError> {
        let ended = self.run_to_the_end().await;
        let goes_on = self.upgrades.have_succeeded();
        self.shared.accounting.end(goes_on).await;
        self.shared.fleet.leave().await;
        self.shared.limits.save();
        ended
    }

    async fn run_to_the_end(&mut self) -> Result<(), BoxError> {
        let (mut stopped, mut dropped) = (self.stop.clone(), self.stop.clone());
        let mut is_stopped = false;
        let mut loading: Option<reload::Loading> = None;
        loop {
            let users_file = &mut self.users_file;
            let changed = async {
                match users_file {
                    Some(file) => file.changed().await,
                    None => pending().await,
                }
            };
            tokio::select! {
                // Servers that stop by the second signal are none that have ended by themselves.
                biased;
                Ok(_) = dropped.wait_for(|phase| *phase == Phase::Dropped) => {
                    return Err("a second signal: sessions are dropped".into());
                }
                _ = stopped.wait_for(|phase| *phase >= Phase::Drained), if !is_stopped => {
                    // Who comes now finds nothing, or what another server has put there. What is kept waits for the next.
                    if self.store.is_there() {
                        self.sockets.leave_all_files();
                    }
                    self.sockets.close();
                    is_stopped = true;
                }
                ended = self.servers.ended() => return ended,
                loaded = reload::ended(&mut loading, &self.flags) => {
                    loading = None;
                    self.change(loaded);
                    systemd::ready();
                }
                Some(()) = self.reload.recv(), if loading.is_none() && !self.upgrades.is_in_progress() => {
                    match is_stopped {
                        true => self.upgrades.say_who_serves(),
                        false => loading = self.load(),
                    }
                }
                Some(asked) = self.upgrades.next(), if loading.is_none() => self.upgrade(asked),
                () = changed, if loading.is_none() => self.reload_users().await,
            }
        }
    }
}
