use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// The bytes that a tunnel has moved in each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Traffic {
    /// Payload from the client to the target, in bytes: read on one side and written on the other,
    /// without the SOCKS messages.
    pub up: u64,
    /// Payload from the target to the client, in bytes.
    pub down: u64,
}

impl Add for Traffic {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            up: self.up.saturating_add(other.up),
            down: self.down.saturating_add(other.down),
        }
    }
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
