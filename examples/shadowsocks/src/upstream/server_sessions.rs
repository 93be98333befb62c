use std::time::Duration;

use tokio::time::Instant;

use crate::window::Window;

/// For how long a datagram can be sent again before its time stamp gives it away: half a minute in the past, and
/// half a minute of clocks that are ahead.
const STAMPED: Duration = Duration::from_secs(60);

/// The sessions of a server that answer one of ours: a server that was restarted has another.
#[derive(Default)]
pub(super) struct ServerSessions {
    latest: Option<Session>,
    before: Option<Session>,
}

struct Session {
    id: u64,
    since: Instant,
    window: Window,
}

impl ServerSessions {
    /// Takes the number of a datagram that has the server's key, unless it was taken before or is of a session that
    /// cannot be told from one that has been forgotten.
    pub(super) fn take(&mut self, id: u64, number: u64) -> bool {
        let known = [&mut self.latest, &mut self.before];
        if let Some(session) = known.into_iter().flatten().find(|known| known.id == id) {
            return session.window.take(number);
        }
        let now = Instant::now();
        let is_too_soon = self.before.is_some()
            && (self.latest.as_ref()).is_some_and(|latest| now < latest.since + STAMPED);
        if is_too_soon {
            return false;
        }
        self.before = self.latest.take();
        let session = self.latest.insert(Session {
            id,
            since: now,
            window: Window::new(),
        });
        session.window.take(number)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::ServerSessions;

    #[tokio::test(start_paused = true)]
    async fn two_sessions_at_a_time_and_a_third_after_a_minute() {
        let mut sessions = ServerSessions::default();
        assert!(sessions.take(1, 0));
        assert!(!sessions.take(1, 0));
        assert!(sessions.take(2, 0)); // the server was restarted
        assert!(sessions.take(1, 1)); // what the network still had
        assert!(!sessions.take(3, 0));
        advance(Duration::from_secs(59)).await;
        assert!(!sessions.take(3, 0));
        advance(Duration::from_secs(1)).await;
        assert!(sessions.take(3, 0));
        assert!(!sessions.take(1, 1)); // neither new nor known, and too soon
        assert!(sessions.take(2, 1));
    }
}
