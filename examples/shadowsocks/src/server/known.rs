//! The sessions of all clients, for as long as a datagram of theirs could be sent again.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use shadowsocks::config::ServerUser;
use tokio::time::Instant;

use super::session::{Inlet, Outlet};
use crate::{receive::Received, window::Window};

/// How many sessions there may be. What would need one more is dropped.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// In all.
    pub sessions: usize,
    /// Of one user.
    pub per_user: usize,
}

impl Default for Bounds {
    /// 1,024 in all and 64 of each user.
    fn default() -> Self {
        Self {
            sessions: 1_024,
            per_user: 64,
        }
    }
}

/// How long somebody who has recorded a datagram could send it again: half a minute in the past, and half a minute of
/// clocks that are ahead.
const STAMPED: Duration = Duration::from_secs(60);

/// A session that was refused, or has ended, is opened again by a datagram after this time.
const AGAIN: Duration = Duration::from_secs(1);

/// The user, by the hash of the key, and the number that the client has given to the session.
type Name = (Bytes, u64);

pub(super) struct KnownSessions {
    bounds: Bounds,
    sessions: HashMap<Name, Known>,
}

struct Known {
    window: Window,
    heard: Instant,
    opened: Instant,
    inlet: Inlet,
}

impl KnownSessions {
    pub(super) fn new(bounds: Bounds) -> Self {
        let sessions = HashMap::new();
        Self { bounds, sessions }
    }

    /// Gives a datagram of `user` to its session, unless it has come before. Where that is not open, `create` makes its
    /// ends, and the one that is returned is to be served.
    pub(super) fn push(
        &mut self,
        user: &ServerUser,
        datagram: Received<'_>,
        create: impl FnOnce(&Received<'_>) -> (Inlet, Outlet),
    ) -> Option<Outlet> {
        let name = (
            user.clone_identity_hash(),
            datagram.control.client_session_id,
        );
        let (number, now) = (datagram.control.packet_id, Instant::now());
        if let Some(known) = self.sessions.get_mut(&name) {
            if !known.window.take(number) {
                return None;
            }
            known.heard = now;
            if !known.inlet.is_closed() {
                known.inlet.push(datagram);
                return None;
            }
            if now < known.opened + AGAIN {
                return None;
            }
            let (inlet, outlet) = create(&datagram);
            inlet.push(datagram);
            known.inlet = inlet;
            known.opened = now;
            return Some(outlet);
        }
        if !self.has_room(&name.0, now) {
            tracing::debug!(user = user.name(), "too many sessions");
            return None;
        }
        let mut window = Window::new();
        window.take(number);
        let (inlet, outlet) = create(&datagram);
        inlet.push(datagram);
        let known = Known {
            window,
            heard: now,
            opened: now,
            inlet,
        };
        self.sessions.insert(name, known);
        Some(outlet)
    }

    /// Whether a user may have another session. Forgets those that have ended only if there is no room: none comes to
    /// more than the bounds.
    fn has_room(&mut self, user: &Bytes, now: Instant) -> bool {
        if self.is_full(user) {
            let could_come_again = |known: &Known| now < known.heard + STAMPED;
            self.sessions
                .retain(|_, known| !known.inlet.is_closed() || could_come_again(known));
        }
        !self.is_full(user)
    }

    fn is_full(&self, user: &Bytes) -> bool {
        let of_user = self.sessions.keys().filter(|name| name.0 == user);
        self.sessions.len() >= self.bounds.sessions || of_user.count() >= self.bounds.per_user
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shadowsocks::config::ServerUser;
    use tokio::time::advance;

    use super::{Bounds, KnownSessions};
    use crate::server::session::{
        Outlet,
        tests::{inlet_and_outlet, received},
    };

    /// Sends the datagram of this number in a session.
    async fn push(known: &mut KnownSessions, session: u64, number: u64) -> Option<Outlet> {
        let user = ServerUser::new("joe", vec![0; 32]);
        let ends = inlet_and_outlet().await;
        let mut datagram = received(b"payload");
        datagram.control.client_session_id = session;
        datagram.control.packet_id = number;
        known.push(&user, datagram, |_| ends)
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_ended_is_opened_again_after_a_second() {
        let mut known = KnownSessions::new(Bounds::default());
        let open = push(&mut known, 1, 0).await.unwrap();
        assert!(push(&mut known, 1, 1).await.is_none());
        drop(open);
        assert!(push(&mut known, 1, 2).await.is_none());
        advance(Duration::from_secs(1)).await;
        assert!(push(&mut known, 1, 1).await.is_none()); // it has come before
        assert!(push(&mut known, 1, 3).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_ended_takes_room_until_nothing_of_it_could_come_again() {
        let mut known = KnownSessions::new(Bounds {
            sessions: 9,
            per_user: 2,
        });
        drop(push(&mut known, 1, 0).await.unwrap());
        let _open = push(&mut known, 2, 0).await.unwrap();
        assert!(push(&mut known, 3, 0).await.is_none());
        advance(Duration::from_secs(59)).await;
        assert!(push(&mut known, 1, 0).await.is_none());
        assert!(push(&mut known, 3, 0).await.is_none());
        advance(Duration::from_secs(1)).await;
        let _open = push(&mut known, 3, 0).await.unwrap();
        // The one that is open is not forgotten, however silent it is.
        advance(Duration::from_secs(600)).await;
        assert!(push(&mut known, 4, 0).await.is_none());
        assert!(push(&mut known, 2, 0).await.is_none());
    }
}
