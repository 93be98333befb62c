use crate::proto::ProtectionLevel;

/// The levels of protection that a server allows (RFC 1961 section 4).
#[derive(Clone, Debug)]
pub(super) struct Levels {
    /// Levels that encapsulate, in order of preference.
    preferred: Vec<ProtectionLevel>,
    pub(super) clear: Clear,
    pub(super) bare: Bare,
}

/// Whether nothing may be encapsulated, at level 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clear {
    Refused,
    Allowed,
}

/// Whether the level itself may be unprotected, as NEC's clients send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bare {
    Refused,
    Allowed,
}

impl Levels {
    /// Allows encryption before integrity alone.
    pub(super) fn new() -> Self {
        let preferred = vec![ProtectionLevel::CONFIDENTIALITY, ProtectionLevel::INTEGRITY];
        Self {
            preferred,
            clear: Clear::Refused,
            bare: Bare::Refused,
        }
    }

    /// Prefers these, as far as they encapsulate, and allows no others that do.
    pub(super) fn prefer(&mut self, levels: impl IntoIterator<Item = ProtectionLevel>) {
        let levels = levels.into_iter();
        self.preferred = levels.filter(|level| encapsulates(*level)).collect();
    }

    /// Chooses the level that rules: the one that the client asks for, or else the first that is allowed.
    /// `None` where none is left that the context can do.
    pub(super) fn choose(
        &self,
        asked: ProtectionLevel,
        can_encrypt: bool,
    ) -> Option<ProtectionLevel> {
        let clear = match self.clear {
            Clear::Allowed => Some(ProtectionLevel::CLEAR),
            Clear::Refused => None,
        };
        let possible = |level: &ProtectionLevel| can_encrypt || !encrypts(*level);
        let allowed = || {
            let preferred = self.preferred.iter().copied();
            preferred.filter(possible).chain(clear)
        };
        let as_asked = allowed().find(|level| *level == asked);
        as_asked.or_else(|| allowed().next())
    }
}

/// Whether messages at this level are encapsulated.
fn encapsulates(level: ProtectionLevel) -> bool {
    encrypts(level) || level == ProtectionLevel::INTEGRITY
}

/// Whether we encrypt at this level.
fn encrypts(level: ProtectionLevel) -> bool {
    matches!(
        level,
        ProtectionLevel::CONFIDENTIALITY | ProtectionLevel::SELECTIVE
    )
}
