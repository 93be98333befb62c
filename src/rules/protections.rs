//! What keeps allow rules from destinations that they do not state.

use std::net::SocketAddr;

use super::{
    address_forms::AddressForms,
    compiled::Compiled,
    decision::Reason,
    own_host,
    query::Query,
    special_names::{self, SpecialName},
    special_purpose::SpecialPurpose,
};
use crate::session::Request;

/// What keeps an allow rule from an address, unless the rule states the address.
#[derive(Clone, Copy)]
pub(super) struct Protections {
    pub(super) special: Option<&'static SpecialPurpose>,
    pub(super) own: Option<Own>,
    /// Of a name that an upstream resolves.
    pub(super) name: Option<&'static SpecialName>,
}

/// What is the proxy's own about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// The proxy itself listens there.
    Listener,
    /// It is an address of the machine.
    Host,
}

impl Protections {
    pub(super) const fn any(self) -> bool {
        self.special.is_some() || self.own.is_some() || self.name.is_some()
    }

    /// What refuses where no rule matches.
    pub(super) fn reason(self) -> Option<Reason> {
        let own = self.own.map(|own| match own {
            Own::Listener => Reason::SelfConnection,
            Own::Host => Reason::OwnHost,
        });
        own.or(self.special.map(Reason::Special))
            .or(self.name.map(Reason::SpecialName))
    }
}

impl Compiled {
    /// What protects the address of a query, if it is known, or a name whose address nobody here will
    /// know.
    pub(super) fn protections(&self, query: &Query<'_>) -> Protections {
        let mut protections = Protections {
            special: None,
            own: None,
            name: None,
        };
        match (query.forms, query.name) {
            _ if self.allow_private => {}
            (Some(forms), _) => {
                protections.special = forms.special;
                protections.own = self.own(query.request, &forms, query.port);
            }
            (None, Some(name)) if query.remote_dns => {
                protections.name = special_names::special(name);
            }
            (None, _) => {}
        }
        protections
    }

    /// What is the proxy's own about an address.
    ///
    /// Loopback addresses are that only with a port where it listens: they are special-purpose in any
    /// case, and who opens them means other services of this machine.
    fn own(&self, request: &Request, forms: &AddressForms, port: Option<u16>) -> Option<Own> {
        let reached = Some(request.local).filter(|local| !local.ip().is_unspecified());
        let listening = || self.listening.iter().copied().chain(reached);
        let is_host = forms.all().any(|form| {
            !form.is_loopback()
                && (listening().any(|listening| listening.ip().to_canonical() == form)
                    || own_host::has(form))
        });
        let is_local = is_host || forms.all().any(|form| form.is_loopback());
        let is_listener = |listening: SocketAddr| {
            let ip = listening.ip().to_canonical();
            // A wildcard listens on all addresses of the machine.
            let is_target = if ip.is_unspecified() {
                is_local
            } else {
                forms.all().any(|form| form == ip)
            };
            Some(listening.port()) == port && is_target
        };
        if listening().any(is_listener) {
            return Some(Own::Listener);
        }
        let is_stated = |form| self.own.iter().any(|network| network.contains(form));
        (is_host || forms.all().any(is_stated)).then_some(Own::Host)
    }
}
