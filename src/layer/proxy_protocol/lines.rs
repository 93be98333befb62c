//! What the log says of connections without a header.

use std::{fmt, net::SocketAddr, time::Duration};

use super::header::HeaderError;
use crate::{admission::LogBudget, session::Senders};

/// Bounds the lines: of each network of senders one a minute, since an operator has to mend it there; and of
/// everybody else, who can connect as often as they like, a few.
#[derive(Debug)]
pub(super) struct Lines {
    senders: Box<[LogBudget]>,
    strangers: LogBudget,
}

impl Lines {
    pub(super) fn new(senders: &Senders) -> Self {
        let each = || LogBudget::new(1, Duration::from_secs(60));
        Self {
            senders: (0..senders.len()).map(|_| each()).collect(),
            strangers: LogBudget::new(5, Duration::from_secs(10)),
        }
    }

    /// Notes that a sender of the network with this number has sent no header.
    pub(super) fn headless(
        &self,
        senders: &Senders,
        number: usize,
        sender: SocketAddr,
        error: &HeaderError,
    ) {
        let Some(before) = self.senders.get(number).and_then(LogBudget::take) else {
            tracing::debug!(%sender, %error, "closed: no PROXY header from a trusted network");
            return;
        };
        let network = match senders.networks().get(number) {
            Some(network) => network as &dyn fmt::Display,
            None => &"Unix sockets",
        };
        let suppressed = before.field();
        tracing::warn!(
            %network,
            %sender,
            %error,
            suppressed,
            "closed: no PROXY header from a trusted network"
        );
    }

    /// Notes that somebody else was refused.
    pub(super) fn stranger(&self, peer: SocketAddr) {
        let Some(before) = self.strangers.take() else {
            tracing::debug!(%peer, "refused: not from a network that sends PROXY headers");
            return;
        };
        let suppressed = before.field();
        tracing::info!(%peer, suppressed, "refused: not from a network that sends PROXY headers");
    }
}
