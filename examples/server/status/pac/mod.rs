//! `[pac]`: a script that tells browsers and systems what goes through the proxy, at `/proxy.pac` and `/wpad.dat`.

mod proxies;
mod script;
mod server;
mod settings;
mod site;

pub(crate) use self::{server::PacServer, settings::Pac, site::Scripts};
