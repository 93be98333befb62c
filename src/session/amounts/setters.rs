//! Amounts that are stated one by one.

use super::Amounts;

impl Amounts {
    /// Sets [`tunnels`](Self#structfield.tunnels): open tunnels, dials included.
    #[must_use]
    pub const fn tunnels(mut self, most: usize) -> Self {
        self.tunnels = Some(most);
        self
    }

    /// Sets [`requests_per_second`](Self#structfield.requests_per_second): requests a second.
    #[must_use]
    pub const fn requests_per_second(mut self, most: u32) -> Self {
        self.requests_per_second = Some(most);
        self
    }

    /// Sets [`request_burst`](Self#structfield.request_burst): requests at once, after a pause.
    #[must_use]
    pub const fn request_burst(mut self, most: u32) -> Self {
        self.request_burst = Some(most);
        self
    }

    /// Sets [`upload`](Self#structfield.upload): bytes a second from clients to targets, of all tunnels together.
    #[must_use]
    pub const fn upload(mut self, most: u64) -> Self {
        self.upload = Some(most);
        self
    }

    /// Sets [`download`](Self#structfield.download): bytes a second from targets to clients, of all tunnels together.
    #[must_use]
    pub const fn download(mut self, most: u64) -> Self {
        self.download = Some(most);
        self
    }

    /// Sets [`upload_burst`](Self#structfield.upload_burst): bytes that may move up at once, after a pause.
    #[must_use]
    pub const fn upload_burst(mut self, most: u64) -> Self {
        self.upload_burst = Some(most);
        self
    }

    /// Sets [`download_burst`](Self#structfield.download_burst): bytes that may move down at once, after a pause.
    #[must_use]
    pub const fn download_burst(mut self, most: u64) -> Self {
        self.download_burst = Some(most);
        self
    }

    /// Sets [`bytes_per_day`](Self#structfield.bytes_per_day): bytes in both directions in a day of the calendar.
    #[must_use]
    pub const fn bytes_per_day(mut self, most: u64) -> Self {
        self.bytes_per_day = Some(most);
        self
    }

    /// Sets [`bytes_per_month`](Self#structfield.bytes_per_month): bytes in both directions in a month of the calendar.
    #[must_use]
    pub const fn bytes_per_month(mut self, most: u64) -> Self {
        self.bytes_per_month = Some(most);
        self
    }

    /// Sets [`associations`](Self#structfield.associations): open associations.
    #[must_use]
    pub const fn associations(mut self, most: usize) -> Self {
        self.associations = Some(most);
        self
    }

    /// Sets [`binds`](Self#structfield.binds): BINDs, those that wait for their peer among them.
    #[must_use]
    pub const fn binds(mut self, most: usize) -> Self {
        self.binds = Some(most);
        self
    }

    /// Sets [`sessions`](Self#structfield.sessions): live sessions, from authentication on.
    #[must_use]
    pub const fn sessions(mut self, most: usize) -> Self {
        self.sessions = Some(most);
        self
    }
}
