//! The server while it runs: sockets, servers, and what a reload changes of them.

mod upgrades;

use std::{future::pending, path::Path, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    signal::unix::Signal,
    sync::watch,
    task::{JoinError, JoinHandle},
    time::timeout,
};
use tower_socks::BoxError;

use crate::{
    certificates::remind,
    cli::Flags,
    container, descriptors,
    directories::recheck::recheck,
    htpasswd::UsersFile,
    listen::Sockets,
    log::Condition,
    records::Records,
    serving::Servers,
    settings::{Fixed, Settings},
    shared::Shared,
    signals::{self, Phase},
    status::{ControlServer, Health, Pac, Scripts, Status, StatusServer, reloads},
    systemd,
    upgrade::{Control, Taken, Upgrades},
    warnings::warn_if_exposed,
};

/// A file that is read for so long has something in it that does not answer.
const LONG: Duration = Duration::from_secs(10);

/// The server.
pub(crate) struct Running {
    flags: Flags,
    /// With what it was started: some of it changes with a restart only.
    started: Fixed,
    users_file: Option<UsersFile>,
    sockets: Sockets,
    status_server: StatusServer,
    status: Option<Arc<Status>>,
    control: ControlServer,
    health: Health,
    servers: Servers,
    shared: Shared,
    stop: watch::Receiver<Phase>,
    reload: Signal,
    upgrades: Upgrades,
}

/// What is being read, in a thread of its own: reading a file blocks, and so does sorting a million names.
struct Loading(JoinHandle<Result<Settings, BoxError>>);

impl Running {
    /// Listens and serves.
    pub(crate) async fn start(
        flags: Flags,
        (passed, mut taken): (Sockets, Option<Taken>),
        fixed: &Fixed,
        log: Condition,
        records: &Records,
    ) -> Result<Self, BoxError> {
        descriptors::raise_limit();
        // Caught before anybody can connect.
        let (reload, anew) = (signals::reload()?, signals::upgrade()?);
        let sockets = passed.at(&fixed.doors)?;
        drop(passed);
        let status = StatusServer::taken(fixed.metrics, taken.as_mut()).at(fixed.metrics)?;
        let admin = fixed.admin.as_ref();
        let control = match ControlServer::taken(admin, taken.as_mut()) {
            Some(taken) => Some(taken),
            None => ControlServer::default().at(admin)?,
        };
        let upgrade = Control::at(fixed.upgrade_socket.as_deref(), taken.as_mut())?;
        // Again, with the addresses that are listened on.
        let settings = Settings::load(&flags, &sockets.bound().with_status(status.address()))?;
        settings.leaves.clone()?;
        let shared = Shared::new(&settings, records.clone())?;
        records.run()?;
        let pac = settings
            .fixed
            .pac
            .as_ref()
            .map(Pac::bind)
            .transpose()?
            .flatten();
        let pac_at = pac.as_ref().map(TcpListener::local_addr).transpose()?;
        if let Some(listener) = pac {
            Scripts::new(shared.in_force()).serve(listener);
        }
        tokio::spawn(signals::list_at_usr1(shared.open.clone())?);
        let (upgrades, superseded) = Upgrades::new(upgrade, anew)?;
        let stop = signals::stop(shared.in_force(), superseded)?;
        let idle = signals::end_idle(shared.open.clone(), stop.clone(), shared.in_force());
        tokio::spawn(idle);
        tokio::spawn(recheck(shared.clone()));
        let in_force = shared.in_force();
        tokio::spawn(remind(move || in_force.borrow().certificates.clone()));
        tokio::spawn(shared.limits.clone().keep_saved());
        let health = Health::new(stop.clone(), log, &shared);
        let mut running = Self {
            flags,
            started: settings.fixed.clone(),
            users_file: settings.users_file.clone(),
            sockets,
            status_server: StatusServer::default(),
            status: None,
            control: ControlServer::default(),
            health,
            servers: Servers::new(stop.clone()),
            shared,
            stop,
            reload,
            upgrades,
        };
        running.account(&settings);
        if taken.is_none() {
            // Sessions of the process before are not over.
            running.shared.accounting.begin();
        }
        running.serve(&settings, status, control)?;
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
        if let Some(address) = pac_at {
            tracing::info!("pac at http://{address}/proxy.pac");
        }
        settings.fixed.upstream.log();
        warn_if_exposed(&running.flags, &settings);
        container::log_defaults();
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

    /// Serves by these settings, which are in force, and shows the numbers there.
    ///
    /// # Errors
    ///
    /// Descriptors have run out.
    fn serve(
        &mut self,
        settings: &Settings,
        mut status: StatusServer,
        control: Option<ControlServer>,
    ) -> Result<(), BoxError> {
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
        let directories = settings.accounts.directories();
        self.shared.records.always(directories.need_records());
        self.account(settings);
        if let Some(mut control) = control {
            control.start(&self.shared.open)?;
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
        self.shared.limits.save();
        ended
    }

    async fn run_to_the_end(&mut self) -> Result<(), BoxError> {
        let (mut stopped, mut dropped) = (self.stop.clone(), self.stop.clone());
        let mut is_stopped = false;
        let mut loading: Option<Loading> = None;
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
                    // Who comes now finds nothing, or what another server has put there.
                    self.sockets.close();
                    is_stopped = true;
                }
                ended = self.servers.ended() => return ended,
                loaded = ended(&mut loading, &self.flags) => {
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

    /// Begins to read the file.
    fn load(&self) -> Option<Loading> {
        if self.flags.config.is_none() {
            tracing::warn!("nothing to reload: started without --config");
            return None;
        }
        systemd::reloading();
        let flags = self.flags.clone();
        let bound = self
            .sockets
            .bound()
            .with_status(self.status_server.address());
        let load = move || Settings::load(&flags, &bound);
        Some(Loading(tokio::task::spawn_blocking(load)))
    }

    /// Puts in force what was read, or says why not.
    fn change(&mut self, loaded: Result<Result<Settings, BoxError>, JoinError>) {
        if *self.stop.borrow() >= Phase::Drained {
            return;
        }
        let path = self.flags.config.as_ref();
        let path = path.map_or_else(String::new, |path| path.display().to_string());
        match loaded {
            Ok(Ok(settings)) => {
                if let Err(problem) = self.put_in_force(settings, &path) {
                    reloads::failed();
                    tracing::error!("kept what was in force: {path}: {problem}");
                }
            }
            Ok(Err(error)) => {
                reloads::failed();
                let mistakes = error.to_string().replace('\n', "; ");
                tracing::error!("kept what was in force: {mistakes}");
            }
            Err(error) => {
                reloads::failed();
                tracing::error!("kept what was in force: {path}: {error}");
            }
        }
    }

    /// All of it, or nothing.
    fn put_in_force(&mut self, mut settings: Settings, path: &str) -> Result<(), BoxError> {
        settings.leaves.clone()?;
        self.shared
            .opens_nothing(&settings.accounts, settings.is_open)?;
        let sockets = self.sockets.at(&settings.fixed.doors)?;
        let status = self.status_server.at(settings.fixed.metrics)?;
        let control = self.control.at(settings.fixed.admin.as_ref())?;
        let (opened, closed) = (
            sockets.besides(&self.sockets),
            self.sockets.besides(&sockets),
        );
        if !opened.is_empty() || status.address() != self.status_server.address() {
            // What listens now is not to be reached through the proxy, and where it is was not known.
            let bound = sockets.bound().with_status(status.address());
            settings = Settings::load(&self.flags, &bound)?;
            // The file may be another one by now.
            settings.leaves.clone()?;
            self.shared
                .opens_nothing(&settings.accounts, settings.is_open)?;
        }
        let Settings {
            accounts,
            rules,
            fixed,
            ..
        } = &settings;
        self.shared.warn_of_what_is_gone(path, accounts, rules);
        warn_if_exposed(&self.flags, &settings);
        let directories: Vec<_> = accounts.directories().names().collect();
        // Nobody knows how many users they have.
        let users = (directories.is_empty() || accounts.len() > 0).then_some(accounts.len());
        let directories = (!directories.is_empty()).then(|| directories.join(", "));
        let counts = (users, rules.len());
        self.shared.replace(accounts.clone(), rules.clone());
        if let Err(problem) = self.shared.records.change(fixed) {
            tracing::error!("kept the log that was in force: {path}: {problem}");
        }
        self.shared.put_in_force(fixed.clone());
        self.sockets = sockets;
        let is_other_status = !status.is_same_as(&self.status_server);
        self.serve(&settings, status, control)?;
        let restart = fixed.needs_restart(&self.started);
        if !restart.is_empty() {
            let restart = restart.join(", ");
            tracing::warn!("{path}: these change with a restart only: {restart}");
        }
        for door in &settings.doors {
            if opened.contains(&door.place) {
                tracing::info!("{}", door.describe());
                tracing::info!(target: "listening", "listening on {door}");
            }
        }
        if is_other_status {
            self.say_where_metrics_are();
        }
        for place in closed {
            tracing::info!("no longer listening on {place}; its sessions go on");
        }
        let certificates = settings.tls.iter().flatten().count();
        let (users, rules) = counts;
        reloads::succeeded();
        tracing::info!(users, directories, rules, certificates, "reloaded {path}");
        self.users_file = settings.users_file;
        Ok(())
    }

    /// Reads the users' file alone. With a mistake in it its users stay as they are.
    async fn reload_users(&self) {
        let Some(UsersFile { path, .. }) = self.users_file.clone() else {
            return;
        };
        let in_force = self.shared.accounts().borrow().clone();
        let read = move || {
            let (_, users) = UsersFile::read(&path)?;
            Ok((in_force.with_file(&users)?, path))
        };
        let read = tokio::task::spawn_blocking(read).await;
        match read.unwrap_or_else(|error| Err(error.to_string())) {
            Ok((accounts, path)) => {
                let users = accounts.len();
                self.shared.replace_users(accounts);
                tracing::info!(users, "reloaded {}", path.display());
            }
            Err(problem) => tracing::warn!("kept the users that were in force: {problem}"),
        }
    }
}

/// Waits until something that is being read has been, and says so where that takes long.
async fn ended(
    loading: &mut Option<Loading>,
    flags: &Flags,
) -> Result<Result<Settings, BoxError>, JoinError> {
    let Some(Loading(task)) = loading else {
        return pending().await;
    };
    match timeout(LONG, &mut *task).await {
        Ok(read) => read,
        Err(_) => {
            let path = flags.config.as_deref().unwrap_or(Path::new(""));
            tracing::warn!(
                "{}: has been read for {LONG:?}, and nothing is reloaded before that ends: is a file that it names a named \
                 pipe, or on a disk that does not answer?",
                path.display()
            );
            task.await
        }
    }
}
