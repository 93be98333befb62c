/// Why a datagram was dropped. RFC 1928 section 7 has nobody be told; [meters](super::Meter) are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// No header of RFC 1928 section 7, or one that makes no sense.
    Malformed,
    /// A fragment, where fragments are not put together.
    Fragment,
    /// From somebody who is not the client, or whom the client has not sent to.
    Stranger,
    /// To a destination that a policy refuses, or that is no single host's.
    Refused,
    /// To a name that has no address.
    Unresolved,
    /// Too many of them wait for the lookups of names.
    Overflow,
    /// The system would not send it: too large, or no way there.
    Unsendable,
    /// For another reason: a path's own.
    Other,
}

impl DropReason {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Malformed,
        Self::Fragment,
        Self::Stranger,
        Self::Refused,
        Self::Unresolved,
        Self::Overflow,
        Self::Unsendable,
        Self::Other,
    ];

    /// One word: a label for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Fragment => "fragment",
            Self::Stranger => "stranger",
            Self::Refused => "refused",
            Self::Unresolved => "unresolved",
            Self::Overflow => "overflow",
            Self::Unsendable => "unsendable",
            Self::Other => "other",
        }
    }
}

/// How many were dropped, by reason.
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

    /// What there is, which is then taken out. Most of the time it is nothing.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<Self> {
        self.any.then(|| std::mem::take(self))
    }

    /// What is in `others`, too.
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
