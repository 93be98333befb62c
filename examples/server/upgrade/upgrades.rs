//! Upgrades of this process: what it has from those before it, and what it tells the one that serves after it.

use std::os::fd::{AsFd, OwnedFd};

use tokio::{
    signal::unix::Signal,
    sync::{mpsc, oneshot},
    task::{JoinSet, spawn_blocking},
};
use tower_socks::BoxError;

use super::{Asked, Control, GENERATIONS, Handed, Role, Served, Taken, channel::is_there, control};
use crate::systemd;

/// Upgrades, of which one at a time is in progress, and the processes that came before.
#[derive(Debug)]
pub(crate) struct Upgrades {
    asked: mpsc::Receiver<Asked>,
    control: Option<Control>,
    /// What was given, while an upgrade is in progress.
    in_progress: Option<Vec<Role>>,
    /// Takes questions.
    asking: JoinSet<()>,
    superseded: Option<oneshot::Sender<Option<u32>>>,
    /// The streams to the processes that drain.
    predecessors: Vec<OwnedFd>,
    successor: Option<Served>,
}

impl Upgrades {
    /// Has upgrades asked for, at the socket, if there is one, and by the signal. The other value hears which process
    /// serves in place of this one.
    ///
    /// # Errors
    ///
    /// Descriptors have run out.
    pub(crate) fn new(
        control: Option<Control>,
        signal: Signal,
    ) -> Result<(Self, oneshot::Receiver<Option<u32>>), BoxError> {
        let listener = control.as_ref().map(Control::listener).transpose()?;
        let (server, asked) = mpsc::channel(1);
        let mut asking = JoinSet::new();
        asking.spawn(control::serve(listener, signal, server));
        let (superseded, by) = oneshot::channel();
        let upgrades = Self {
            asked,
            control,
            in_progress: None,
            asking,
            superseded: Some(superseded),
            predecessors: Vec::new(),
            successor: None,
        };
        Ok((upgrades, by))
    }

    /// Waits until something is asked.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub(crate) async fn next(&mut self) -> Option<Asked> {
        self.asked.recv().await
    }

    /// Whether sockets are with a process that does not serve yet: they are not to change.
    pub(crate) const fn is_in_progress(&self) -> bool {
        self.in_progress.is_some()
    }

    /// Adds what is given away besides listeners.
    ///
    /// # Errors
    ///
    /// Too many processes drain, or descriptors have run out.
    pub(crate) fn give(&mut self, mut given: Vec<Handed>) -> Result<Vec<Handed>, BoxError> {
        self.predecessors.retain(|stream| is_there(stream));
        // This one is about to be one of them.
        if self.predecessors.len() >= GENERATIONS {
            return Err(format!(
                "{GENERATIONS} earlier processes still have sessions: wait for them, or end them"
            )
            .into());
        }
        for stream in &self.predecessors {
            given.push(Handed {
                role: Role::Predecessor,
                socket: stream.as_fd().try_clone_to_owned()?,
            });
        }
        if let Some(control) = &self.control {
            given.push(control.give()?);
        }
        self.in_progress = Some(given.iter().map(|given| given.role.clone()).collect());
        Ok(given)
    }

    /// Nothing has come of it.
    pub(crate) fn go_on(&mut self) {
        self.in_progress = None;
    }

    /// Whether a process has taken something of this kind.
    pub(crate) fn is_taken(&self, served: &Served, is_it: impl Fn(&Role) -> bool) -> bool {
        let given = self.in_progress.iter().flatten().enumerate();
        let mut taken = given.filter(|(place, _)| served.taken.contains(place));
        taken.any(|(_, role)| is_it(role))
    }

    /// Whether another process serves.
    pub(crate) const fn have_succeeded(&self) -> bool {
        self.superseded.is_none()
    }

    /// Another process serves.
    pub(crate) fn succeeded(&mut self, served: Served) {
        self.asking.abort_all();
        let is_taken = self.is_taken(&served, |role| matches!(role, Role::Upgrade { .. }));
        if let Some(control) = self.control.take()
            && is_taken
        {
            control.leave();
        }
        self.in_progress = None;
        if let Some(pid) = served.pid {
            systemd::main_process(pid);
        }
        if let Some(superseded) = self.superseded.take() {
            // The signals are there for as long as the process.
            _ = superseded.send(served.pid);
        }
        self.successor = Some(served);
    }

    /// Says who is to have SIGHUP.
    pub(crate) fn say_who_serves(&self) {
        if let Some(served) = &self.successor {
            let pid = served.pid.unwrap_or_default();
            tracing::warn!(pid, "nothing to reload: another process serves by now");
        }
    }

    /// Has the process stop that has given its sockets away: this one serves at those listeners.
    ///
    /// # Errors
    ///
    /// It does not stop.
    pub(crate) async fn take_over(
        &mut self,
        taken: Taken,
        listeners: Vec<usize>,
    ) -> Result<(), BoxError> {
        let number = listeners.len();
        self.predecessors = spawn_blocking(move || taken.ready(listeners)).await??;
        if let Some(control) = &mut self.control {
            control.adopt();
        }
        tracing::info!(listeners = number, "took over from the server that ran");
        Ok(())
    }
}
