//! What is told of a tunnel, as attributes.

use std::time::{SystemTime, UNIX_EPOCH};

use super::super::{
    attribute::*,
    packet::{Attributes, LONGEST_VALUE},
    service::Accepted,
};
use crate::session::record::{EndKind, Record};

pub(super) const START: u32 = 1;
pub(super) const STOP: u32 = 2;
pub(super) const INTERIM_UPDATE: u32 = 3;
pub(super) const ACCOUNTING_ON: u32 = 7;
pub(super) const ACCOUNTING_OFF: u32 = 8;

/// A record that is to be sent.
pub(super) struct Told {
    pub(super) attributes: Attributes,
    /// When it was so.
    pub(super) at: SystemTime,
    /// `None` of the proxy itself.
    session: Option<u64>,
}

impl Told {
    /// Of the proxy itself.
    pub(super) fn of_nas(status: u32, nas: &str) -> Self {
        let mut attributes = Attributes::default();
        attributes.add(NAS_IDENTIFIER, nas.as_bytes());
        attributes.add_number(ACCT_STATUS_TYPE, status);
        let at = SystemTime::now();
        attributes.add_number(EVENT_TIMESTAMP, seconds(at));
        Self {
            attributes,
            at,
            session: None,
        }
    }

    pub(super) fn of(record: &Record, status: u32, nas: &str) -> Self {
        let at = SystemTime::now();
        let mut all = Attributes::default();
        all.add(NAS_IDENTIFIER, nas.as_bytes());
        all.add_number(ACCT_STATUS_TYPE, status);
        let session = record.session.to_string();
        let request = format!("{session}-{}", record.request);
        all.add(ACCT_SESSION_ID, request.as_bytes());
        all.add(ACCT_MULTI_SESSION_ID, session.as_bytes());
        let name = record.identity.name().unwrap_or_default();
        all.add(USER_NAME, name.get(..LONGEST_VALUE).unwrap_or(name));
        let accepted: Option<&Accepted> = record.identity.extensions().get();
        all.add_number(ACCT_AUTHENTIC, if accepted.is_some() { 1 } else { 2 });
        all.add_number(NAS_PORT_TYPE, VIRTUAL);
        all.add_number(SERVICE_TYPE, LOGIN);
        let client = record.client.ip().to_canonical().to_string();
        all.add(CALLING_STATION_ID, client.as_bytes());
        all.add(CALLED_STATION_ID, record.local.to_string().as_bytes());
        if let (Some(protocol), Some(command)) = (record.protocol, record.command) {
            let info = format!("{protocol} {command}");
            all.add(CONNECT_INFO, info.as_bytes());
        }
        all.add_number(EVENT_TIMESTAMP, seconds(at));
        if status != START {
            add_counts(&mut all, record);
        }
        if status == STOP {
            let kind = record.end.as_ref().map_or(EndKind::Done, |end| end.kind);
            all.add_number(ACCT_TERMINATE_CAUSE, cause(kind));
        }
        // Last: servers may send as much of it as a packet has.
        for class in accepted.iter().flat_map(|accepted| &accepted.classes) {
            all.add(CLASS, class);
        }
        Self {
            attributes: all,
            at,
            session: Some(record.session.number()),
        }
    }

    /// The lane of its session. The proxy itself has the first.
    pub(super) fn lane(&self, lanes: usize) -> usize {
        let lanes = u64::try_from(lanes).unwrap_or(1).max(1);
        let lane = self.session.unwrap_or_default() % lanes;
        lane.try_into().unwrap_or_default()
    }

    /// Whether it is about the proxy itself.
    pub(super) const fn is_of_nas(&self) -> bool {
        self.session.is_none()
    }

    /// How many seconds ago it was.
    pub(super) fn delay(&self) -> u32 {
        let elapsed = self.at.elapsed().unwrap_or_default().as_secs();
        elapsed.try_into().unwrap_or(u32::MAX)
    }
}

fn add_counts(all: &mut Attributes, record: &Record) {
    let time = record.duration.as_secs();
    all.add_number(ACCT_SESSION_TIME, time.try_into().unwrap_or(u32::MAX));
    let (up, down) = (record.traffic.up, record.traffic.down);
    for (octets, gigawords, count) in [
        (ACCT_INPUT_OCTETS, ACCT_INPUT_GIGAWORDS, up),
        (ACCT_OUTPUT_OCTETS, ACCT_OUTPUT_GIGAWORDS, down),
    ] {
        all.add_number(octets, low(count));
        all.add_number(gigawords, low(count >> 32));
    }
    if record.destinations.is_some() {
        all.add_number(ACCT_INPUT_PACKETS, low(record.datagrams.up));
        all.add_number(ACCT_OUTPUT_PACKETS, low(record.datagrams.down));
    }
}

/// The lower 32 bits.
const fn low(count: u64) -> u32 {
    let [.., a, b, c, d] = count.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

fn seconds(at: SystemTime) -> u32 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs().try_into().unwrap_or(u32::MAX)
}

/// Acct-Terminate-Cause (RFC 2866 section 5.10).
const fn cause(kind: EndKind) -> u32 {
    match kind {
        EndKind::Done => 1,
        EndKind::ClientBroke | EndKind::TransportBroke | EndKind::Client => 2,
        EndKind::IdleTimeout | EndKind::HalfCloseTimeout => 4,
        EndKind::Closed | EndKind::Policy => 6,
        EndKind::Drained | EndKind::Dropped => 7,
        EndKind::Failed | EndKind::Panicked => 9,
        EndKind::Limit | EndKind::LoginFailed | EndKind::Refused => 10,
        EndKind::TargetBroke | EndKind::Unreachable | EndKind::Upstream => 18,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_their_gigawords() {
        let count = (7 << 32) | 0xffff_fffe;
        assert_eq!((low(count), low(count >> 32)), (0xffff_fffe, 7));
        assert_eq!(low(u64::MAX), u32::MAX);
    }
}
