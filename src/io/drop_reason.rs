/// The reason why a datagram was dropped. It is dropped in silence, as RFC 1928 section 7 demands,
/// but for [meters](super::Meter).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// It has no valid header of RFC 1928 section 7, or is for a name that cannot be a host's.
    Malformed,
    /// It is not protected as was agreed on with its client (RFC 1961): it was changed, repeated, made by somebody else, or
    /// travelled in clear.
    Unprotected,
    /// It is a fragment, and fragments are not reassembled.
    Fragment,
    /// Its source is not the client, or a peer that the client has not sent to.
    Stranger,
    /// Its destination is denied by a policy, or is not one host's.
    Refused,
    /// It goes to a socket at which this process takes datagrams of clients, or comes from one.
    SelfConnection,
    /// Its destination is a name that has no address.
    Unresolved,
    /// A meter has no room for it: a quota is used up.
    Limit,
    /// Too many wait: for lookups of names, or for a client whose datagrams travel in its stream and that does not
    /// read them.
    Overflow,
    /// It is too large, for the system or for a frame of UDP over TCP, or once it is sealed, or there is no route.
    Unsendable,
    /// Another reason, of a datagram transport or a filter.
    Other,
}

impl DropReason {
    /// All reasons.
    pub const ALL: [Self; 11] = [
        Self::Malformed,
        Self::Unprotected,
        Self::Fragment,
        Self::Stranger,
        Self::Refused,
        Self::SelfConnection,
        Self::Unresolved,
        Self::Limit,
        Self::Overflow,
        Self::Unsendable,
        Self::Other,
    ];

    /// Returns one word, as a label for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unprotected => "unprotected",
            Self::Fragment => "fragment",
            Self::Stranger => "stranger",
            Self::Refused => "refused",
            Self::SelfConnection => "self_connection",
            Self::Unresolved => "unresolved",
            Self::Limit => "limit",
            Self::Overflow => "overflow",
            Self::Unsendable => "unsendable",
            Self::Other => "other",
        }
    }
}

/// Counts of dropped datagrams, by reason.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Drops {
    counts: [u32; DropReason::ALL.len()],
    any: bool,
}

impl Drops {
    pub(crate) const fn new() -> Self {
        Self {
            counts: [0; DropReason::ALL.len()],
            any: false,
        }
    }

    pub(crate) fn add(&mut self, reason: DropReason, count: usize) {
        if let Some(sum) = self.counts.get_mut(reason as usize) {
            *sum = sum.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
            self.any |= count > 0;
        }
    }

    /// Takes the counts out. Most of the time there are none.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<Self> {
        self.any.then(|| std::mem::take(self))
    }

    /// Adds other counts.
    #[inline]
    pub(crate) fn add_all(&mut self, others: Option<Self>) {
        if let Some(others) = others {
            for (reason, count) in others.iter() {
                self.add(reason, count);
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (DropReason, usize)> {
        DropReason::ALL
            .into_iter()
            .zip(self.counts)
            .filter_map(|(reason, count)| (count > 0).then_some((reason, count as usize)))
    }
}
