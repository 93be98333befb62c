//! What listens beside the doors, before it serves.

use tower_socks::BoxError;

use crate::{
    settings::Fixed,
    status::{ControlServer, PacServer, StatusServer},
    upgrade::Taken,
};

/// What is about to serve.
pub(super) struct Prepared {
    pub(super) status: StatusServer,
    pub(super) pac: PacServer,
    /// Another one than that which is there.
    pub(super) control: Option<ControlServer>,
}

impl Prepared {
    /// At the start: at sockets of another process, where it has given them away.
    ///
    /// # Errors
    ///
    /// Nobody can listen there.
    pub(super) fn taken(fixed: &Fixed, mut taken: Option<&mut Taken>) -> Result<Self, BoxError> {
        let (admin, pac) = (fixed.admin.as_ref(), fixed.pac.as_ref());
        let status = StatusServer::taken(fixed.metrics, taken.as_deref_mut());
        let pac_server = PacServer::taken(pac, taken.as_deref_mut());
        Ok(Self {
            status: status.at(fixed.metrics)?,
            pac: pac_server.at(pac)?,
            control: match ControlServer::taken(admin, taken) {
                Some(taken) => Some(taken),
                None => ControlServer::default().at(admin)?,
            },
        })
    }
}
