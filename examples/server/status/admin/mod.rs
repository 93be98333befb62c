//! `[admin]`: closing tunnels, from the page with a password, and over a Unix socket.

mod attempts;
mod close;
mod page;
mod settings;
mod sign_ins;
mod socket;

pub(crate) use self::close::Closer;
#[cfg(feature = "redis")]
pub(crate) use self::close::close_user;
pub(super) use self::page::AdminPage;
pub(crate) use self::{
    settings::Admin,
    socket::{ControlServer, PATH as CLOSE},
};
