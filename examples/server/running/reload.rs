//! What a reload changes of the server while it runs.

use std::{future::pending, path::Path, time::Duration};

use tokio::{sync::oneshot, time::timeout};
use tower_socks::BoxError;

use super::{Prepared, Running};
use crate::{
    accounts::{Accounts, Successors},
    background,
    cli::Flags,
    htpasswd::UsersFile,
    listen::Bound,
    settings::Settings,
    signals::Phase,
    status::reloads,
    systemd,
    warnings::warn_if_exposed,
};

/// A file that is read for so long has something in it that does not answer.
const LONG: Duration = Duration::from_secs(10);

/// What is being read, in a thread of its own: reading a file blocks, and so does sorting a million names.
pub(super) struct Loading(oneshot::Receiver<Result<Loaded, BoxError>>);

/// What was read, with its users compared with those in force: nothing else changes them while it is read.
pub(super) struct Loaded {
    settings: Settings,
    users: Successors,
}

impl Loaded {
    fn read(
        flags: &Flags,
        bound: &Bound,
        users_file: Option<&UsersFile>,
        in_force: &Accounts,
    ) -> Result<Self, BoxError> {
        let settings = Settings::load(flags, bound, users_file)?;
        let users = settings.accounts.clone().after(in_force);
        Ok(Self { settings, users })
    }
}

/// What is said of a thread that gave no answer.
const PANICKED: &str = "what read it has panicked";

impl Running {
    /// Begins to read the file.
    pub(super) fn load(&self) -> Option<Loading> {
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
        let in_force = self.shared.accounts().borrow().clone();
        let file = self.users_file.clone();
        let load = move || Loaded::read(&flags, &bound, file.as_ref(), &in_force);
        match background::spawn(load) {
            Ok(outcome) => Some(Loading(outcome)),
            Err(error) => {
                reloads::failed();
                tracing::error!("kept what was in force: there is no thread to read by: {error}");
                systemd::ready();
                None
            }
        }
    }

    /// Puts in force what was read, or says why not.
    pub(super) fn change(&mut self, loaded: Result<Loaded, BoxError>) {
        if *self.stop.borrow() >= Phase::Drained {
            return;
        }
        let path = self.flags.config.as_ref();
        let path = path.map_or_else(String::new, |path| path.display().to_string());
        match loaded {
            Ok(loaded) => {
                if let Err(problem) = self.put_in_force(loaded, &path) {
                    reloads::failed();
                    tracing::error!("kept what was in force: {path}: {problem}");
                }
            }
            Err(error) => {
                reloads::failed();
                let mistakes = error.to_string().replace('\n', "; ");
                tracing::error!("kept what was in force: {mistakes}");
            }
        }
    }

    /// All of it, or nothing.
    fn put_in_force(&mut self, loaded: Loaded, path: &str) -> Result<(), BoxError> {
        let Loaded {
            mut settings,
            mut users,
        } = loaded;
        settings.leaves.clone()?;
        self.shared.opens_nothing(&settings)?;
        let sockets = self.sockets.at(&settings.fixed.doors)?;
        let prepared = Prepared {
            status: self.status_server.at(settings.fixed.metrics)?,
            pac: self.pac_server.at(settings.fixed.pac.as_ref())?,
            control: self.control.at(settings.fixed.admin.as_ref())?,
        };
        let (opened, closed) = (
            sockets.besides(&self.sockets),
            self.sockets.besides(&sockets),
        );
        if !opened.is_empty() || prepared.status.address() != self.status_server.address() {
            // What listens now is not to be reached through the proxy, and where it is was not known.
            let bound = sockets.bound().with_status(prepared.status.address());
            let in_force = self.shared.accounts().borrow().clone();
            Loaded { settings, users } =
                Loaded::read(&self.flags, &bound, self.users_file.as_ref(), &in_force)?;
            // The file may be another one by now.
            settings.leaves.clone()?;
            self.shared.opens_nothing(&settings)?;
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
        let known = match (accounts.len(), directories.is_empty()) {
            (0, false) => None,
            (known, _) => Some(known),
        };
        let directories = (!directories.is_empty()).then(|| directories.join(", "));
        let counts = (known, rules.len());
        self.shared.replace(users, rules.clone());
        if let Err(problem) = self.shared.records.change(fixed) {
            tracing::error!("kept the log that was in force: {path}: {problem}");
        }
        self.shared.put_in_force(fixed.clone());
        self.sockets = sockets;
        self.store.keep(&self.sockets.to_keep());
        let is_other_status = !prepared.status.is_same_as(&self.status_server);
        let is_other_script = !prepared.pac.is_same_as(&self.pac_server);
        self.serve(&settings, prepared)?;
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
        if is_other_script {
            self.say_where_the_script_is();
        }
        for place in closed {
            tracing::info!("no longer listening on {place}; its sessions go on");
        }
        let certificates = settings.tls.iter().flatten().count();
        let (users, rules) = counts;
        reloads::succeeded();
        tracing::info!(users, directories, rules, certificates, "reloaded {path}");
        self.users_file = settings.users_file.clone();
        background::drop(settings);
        Ok(())
    }

    /// Reads the users' file alone. With a mistake in it its users stay as they are.
    pub(super) async fn reload_users(&mut self) {
        let Some(UsersFile { path, .. }) = self.users_file.clone() else {
            return;
        };
        let in_force = self.shared.accounts().borrow().clone();
        let read = move || {
            let (file, users) = UsersFile::read(&path, None)?;
            Ok((in_force.with_file(&users)?.after(&in_force), file))
        };
        let read = match background::spawn(read) {
            Ok(outcome) => outcome.await.unwrap_or_else(|_| Err(PANICKED.into())),
            Err(error) => Err(error.to_string()),
        };
        match read {
            Ok((successors, file)) => {
                let users = successors.accounts.len();
                self.shared.replace_users(successors);
                tracing::info!(users, "reloaded {}", file.path.display());
                self.users_file = Some(file);
            }
            Err(problem) => tracing::warn!("kept the users that were in force: {problem}"),
        }
    }
}

/// Waits until something that is being read has been, and says so where that takes long.
pub(super) async fn ended(
    loading: &mut Option<Loading>,
    flags: &Flags,
) -> Result<Loaded, BoxError> {
    let Some(Loading(task)) = loading else {
        return pending().await;
    };
    let read = match timeout(LONG, &mut *task).await {
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
    };
    read.unwrap_or_else(|_| Err(PANICKED.into()))
}
