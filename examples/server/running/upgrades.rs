//! What an upgrade changes of the server while it runs.

use tower_socks::BoxError;

use super::Running;
use crate::{
    signals::Phase,
    status::{ControlServer, PacServer, StatusServer},
    upgrade::{Asked, Handed, Role, Taken},
};

impl Running {
    /// Has the process stop that has given its sockets away, which this one serves at by now.
    pub(super) async fn take_over(&mut self, taken: Taken) -> Result<(), BoxError> {
        let places = self.sockets.places_taken();
        self.upgrades.take_over(taken, places).await?;
        self.sockets.adopt_files();
        self.control.adopt_file();
        Ok(())
    }

    /// Gives the sockets to another process, or stops once that one serves.
    pub(super) fn upgrade(&mut self, asked: Asked) {
        let is_served = *self.stop.borrow() == Phase::Served;
        // Who has asked may be gone.
        match asked {
            Asked::Sockets(answer) => {
                let given = match is_served {
                    true => self.give().map_err(|error| error.to_string()),
                    false => Err("it is stopping".to_owned()),
                };
                _ = answer.send(given);
            }
            Asked::Stop(served, answer) if is_served => {
                self.sockets.leave_files(&served.taken);
                self.sockets.close();
                self.status_server = StatusServer::default();
                self.pac_server = PacServer::default();
                let is_admin = |role: &Role| matches!(role, Role::Admin { .. });
                if self.upgrades.is_taken(&served, is_admin) {
                    self.control.leave_file();
                }
                self.control = ControlServer::default();
                self.upgrades.succeeded(served);
                _ = answer.send(Ok(()));
            }
            Asked::Stop(_, answer) => _ = answer.send(Err("it is stopping".to_owned())),
            Asked::GoOn => self.upgrades.go_on(),
        }
    }

    fn give(&mut self) -> Result<Vec<Handed>, BoxError> {
        let mut given = self.sockets.give()?;
        given.extend(self.status_server.give()?);
        given.extend(self.pac_server.give()?);
        given.extend(self.control.give()?);
        self.upgrades.give(given)
    }
}
