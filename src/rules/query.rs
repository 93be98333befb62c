//! Queries: what rules are evaluated for.

use std::{cell::OnceCell, time::SystemTime};

use jiff::tz::TimeZone;

use super::{address_forms::AddressForms, nat64::Nat64, schedule::Moment};
use crate::{
    proto::{Address, DomainName},
    session::{Check, Request},
};

/// A request, and as much of its destination as is known.
#[derive(Debug)]
pub(super) struct Query<'a> {
    pub(super) request: &'a Request,
    pub(super) name: Option<&'a DomainName>,
    /// The address, unless it is still to come.
    pub(super) forms: Option<AddressForms>,
    /// The port, unless there is no destination yet.
    pub(super) port: Option<u16>,
    /// Nobody here will know the address: an upstream resolves the name.
    pub(super) remote_dns: bool,
    at: Option<SystemTime>,
    moment: OnceCell<Moment>,
}

impl<'a> Query<'a> {
    /// Queries a request as stated, or what is about to be used for it.
    pub(super) fn new(
        request: &'a Request,
        check: Check,
        at: Option<SystemTime>,
        nat64: &[Nat64],
    ) -> Self {
        let forms_of = |address| AddressForms::of(address, nat64);
        let address = check.address();
        let mut query = Self {
            request,
            name: None,
            forms: address.map(forms_of),
            port: None,
            remote_dns: check == Check::Name,
            at,
            moment: OnceCell::new(),
        };
        match request.destination() {
            None => {}
            Some(Address::Ip(stated)) => {
                query.port = Some(stated.port());
                query.forms.get_or_insert_with(|| forms_of(*stated));
            }
            Some(Address::Name(name, port)) => {
                query.port = Some(*port);
                query.name = Some(name);
            }
        }
        if query.port.is_none() && address.is_some() {
            query.port = Some(request.target.port());
        }
        query
    }

    /// When it is asked.
    pub(super) fn moment(&self, zone: &TimeZone) -> Moment {
        *self
            .moment
            .get_or_init(|| Moment::new(self.at.unwrap_or_else(SystemTime::now), zone))
    }
}
