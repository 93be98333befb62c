//! What rules are asked.

use std::{borrow::Cow, cell::OnceCell, net::SocketAddr, time::SystemTime};

use jiff::tz::TimeZone;

use super::{
    address_forms::Faces,
    normalize::{Host, normalized},
    schedule::Moment,
};
use crate::{
    proto::{Address, InvalidName},
    session::Request,
};

/// A request, and as much of its destination as is known.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) request: &'a Request,
    pub(super) name: Option<Cow<'a, str>>,
    /// The address, unless it is still to come.
    pub(super) faces: Option<Faces>,
    /// The port, unless there is no destination yet.
    pub(super) port: Option<u16>,
    /// Nobody here will know the address: another proxy resolves the name.
    pub(super) handed_on: bool,
    at: Option<SystemTime>,
    moment: OnceCell<Moment>,
}

impl<'a> Question<'a> {
    /// About a request as stated, or about an address that is about to be used for it.
    ///
    /// # Errors
    ///
    /// When its target is a name that nobody could judge.
    pub(super) fn new(
        request: &'a Request,
        address: Option<SocketAddr>,
        at: Option<SystemTime>,
    ) -> Result<Self, InvalidName> {
        let mut question = Self {
            request,
            name: None,
            faces: address.map(Faces::of),
            port: None,
            handed_on: false,
            at,
            moment: OnceCell::new(),
        };
        match request.destination() {
            None => {}
            Some(Address::Ip(stated)) => {
                question.port = Some(stated.port());
                question.faces.get_or_insert_with(|| Faces::of(*stated));
            }
            Some(Address::Name(name, port)) => {
                question.port = Some(*port);
                match normalized(name)? {
                    Host::Name(name) => question.name = Some(name),
                    Host::Address(ip) => {
                        let stated = SocketAddr::new(ip, *port);
                        question.faces.get_or_insert_with(|| Faces::of(stated));
                    }
                }
            }
        }
        if question.port.is_none() && address.is_some() {
            question.port = Some(request.target.port());
        }
        Ok(question)
    }

    /// The same about a name that another proxy resolves.
    pub(super) fn handed_on(mut self) -> Self {
        self.handed_on = true;
        self
    }

    /// When it is asked.
    pub(super) fn moment(&self, zone: &TimeZone) -> Moment {
        *self
            .moment
            .get_or_init(|| Moment::new(self.at.unwrap_or_else(SystemTime::now), zone))
    }
}
