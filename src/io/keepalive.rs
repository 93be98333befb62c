use std::{io, time::Duration};

use socket2::{SockRef, TcpKeepalive};

/// The seconds that Linux takes for either time.
const SECONDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(32_767));

/// Probes that Linux takes.
const PROBES: (u32, u32) = (1, 127);

/// TCP keepalive: how soon a peer that has vanished without a word is noticed.
///
/// By default a connection on which nothing has come for 60 s is probed, every 10 s, and reset after
/// 6 probes without an answer. Listeners and connectors of this crate do that for the sockets that
/// they make: [`Serve::keepalive`](crate::server::Serve::keepalive),
/// [`Direct::keepalive`](crate::connector::direct::Direct::keepalive) and
/// [`Bind::keepalive`](crate::connector::bind::Bind::keepalive) change it. A peer that is there
/// answers the probes, whether its program reads or not. Where nobody probes, the tunnel of one that
/// is gone stays until the [idle limit](crate::relay::Relay::idle_timeout).
///
/// Probes are for connections on which everything is acknowledged. A peer that vanishes with bytes
/// sent and not acknowledged is given up by the system once it has sent them often enough: on Linux after some
/// 15 minutes (`net.ipv4.tcp_retries2`), or after [`unacknowledged`](Self::unacknowledged).
///
/// ```
/// use std::time::Duration;
/// use tower_socks::{connector::direct::Direct, io::Keepalive};
///
/// let patient = Keepalive::new().idle(Duration::from_secs(600));
/// let direct = Direct::new().keepalive(patient);
/// # _ = direct;
/// # assert_eq!(Keepalive::default(), Keepalive::new());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    on: bool,
    idle: Duration,
    interval: Duration,
    probes: u32,
    unacknowledged: Option<Duration>,
}

impl Keepalive {
    /// Probes after 60 s, every 10 s, 6 times.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            on: true,
            idle: Duration::from_secs(60),
            interval: Duration::from_secs(10),
            probes: 6,
            unacknowledged: None,
        }
    }

    /// Does not probe.
    #[must_use]
    pub const fn off() -> Self {
        let mut off = Self::new();
        off.on = false;
        off
    }

    /// Sets for how long nothing has to come before the first probe: whole seconds, from 1 to 32,767.
    #[must_use]
    pub const fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Sets the time between probes: whole seconds, from 1 to 32,767.
    #[must_use]
    pub const fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets after how many probes without an answer the connection is reset, from 1 to 127.
    #[must_use]
    pub const fn probes(mut self, probes: u32) -> Self {
        self.probes = probes;
        self
    }

    /// Resets a connection whose peer has not acknowledged bytes for so long (TCP_USER_TIMEOUT, on
    /// Linux alone); not set by default.
    ///
    /// That ends the wait for a vanished peer earlier. It also resets a peer that is there and has
    /// not read for so long, since it has no room to acknowledge anything: a player that is paused, or
    /// a slow disk. On a connection that is idle it takes the place of the number of probes.
    #[must_use]
    pub const fn unacknowledged(mut self, limit: Duration) -> Self {
        self.unacknowledged = Some(limit);
        self
    }

    /// Sets the options of a socket, or of a listener, whose connections inherit them.
    ///
    /// # Errors
    ///
    /// When the system does not take them.
    pub(crate) fn set(&self, socket: &SockRef<'_>) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if let Some(limit) = self.unacknowledged {
            socket.set_tcp_user_timeout(Some(limit))?;
        }
        if !self.on {
            return socket.set_keepalive(false);
        }
        let seconds = |time: Duration| time.clamp(SECONDS.0, SECONDS.1);
        let options = TcpKeepalive::new().with_time(seconds(self.idle));
        #[cfg(any(
            target_os = "android",
            target_os = "freebsd",
            target_os = "ios",
            target_os = "linux",
            target_os = "macos",
            target_os = "windows",
        ))]
        let options = options
            .with_interval(seconds(self.interval))
            .with_retries(self.probes.clamp(PROBES.0, PROBES.1));
        socket.set_tcp_keepalive(&options)
    }
}

impl Default for Keepalive {
    fn default() -> Self {
        Self::new()
    }
}
