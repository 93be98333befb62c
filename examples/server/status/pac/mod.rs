//! `[pac]`: a script that tells browsers and systems what goes through the proxy, at `/proxy.pac` and `/wpad.dat`.

mod proxies;
mod script;
mod settings;
mod site;

pub(crate) use self::{settings::Pac, site::Scripts};
