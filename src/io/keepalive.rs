use std::{io, time::Duration};

use socket2::{SockRef, TcpKeepalive};

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
    // As the system takes them: connectors hold these, and each connection in its handshake holds connectors.
    idle_seconds: u16,
    interval_seconds: u16,
    probes: u8,
    unacknowledged_millis: u32,
}

impl Keepalive {
    /// Probes after 60 s, every 10 s, 6 times.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            on: true,
            idle_seconds: 60,
            interval_seconds: 10,
            probes: 6,
            unacknowledged_millis: 0,
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
        self.idle_seconds = seconds(idle);
        self
    }

    /// Sets the time between probes: whole seconds, from 1 to 32,767.
    #[must_use]
    pub const fn interval(mut self, interval: Duration) -> Self {
        self.interval_seconds = seconds(interval);
        self
    }

    /// Sets after how many probes without an answer the connection is reset, from 1 to 127.
    #[must_use]
    pub const fn probes(mut self, probes: u32) -> Self {
        self.probes = match probes {
            0 => 1,
            1..=127 => probes as u8,
            _ => 127,
        };
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
        let millis = limit.as_millis();
        self.unacknowledged_millis = match millis {
            0 => 1,
            _ if millis > u32::MAX as u128 => u32::MAX,
            _ => millis as u32,
        };
        self
    }

    /// Sets the options of a listener that may have had others: one that is served anew.
    ///
    /// # Errors
    ///
    /// When the system does not take them.
    pub(crate) fn replace(&self, socket: &SockRef<'_>) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if self.unacknowledged_millis == 0 {
            socket.set_tcp_user_timeout(None)?;
        }
        self.set(socket)
    }

    /// Sets the options of a socket, or of a listener, whose connections inherit them.
    ///
    /// # Errors
    ///
    /// When the system does not take them.
    pub(crate) fn set(&self, socket: &SockRef<'_>) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if self.unacknowledged_millis > 0 {
            let limit = Duration::from_millis(self.unacknowledged_millis.into());
            socket.set_tcp_user_timeout(Some(limit))?;
        }
        if !self.on {
            return socket.set_keepalive(false);
        }
        let seconds = |seconds: u16| Duration::from_secs(seconds.into());
        let options = TcpKeepalive::new().with_time(seconds(self.idle_seconds));
        #[cfg(any(
            target_os = "android",
            target_os = "freebsd",
            target_os = "ios",
            target_os = "linux",
            target_os = "macos",
            target_os = "windows",
        ))]
        let options = options
            .with_interval(seconds(self.interval_seconds))
            .with_retries(self.probes.into());
        socket.set_tcp_keepalive(&options)
    }
}

impl Default for Keepalive {
    fn default() -> Self {
        Self::new()
    }
}

/// Whole seconds that the system takes.
const fn seconds(time: Duration) -> u16 {
    match time.as_secs() {
        0 => 1,
        seconds @ 1..=32_767 => seconds as u16,
        _ => 32_767,
    }
}
