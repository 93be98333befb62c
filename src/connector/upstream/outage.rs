//! Whether a proxy works, as far as the log has told.

use std::{
    error::Error,
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    admission::{LogBudget, warned},
    client::{ClientError, ClientFault},
    error::{Chain, find, is_upstream_down},
    proto::Address,
};

/// An error of a request to a proxy, which says whose fault it is.
pub(super) trait UpstreamError: Error + Send + Sync + 'static {
    fn fault(&self) -> ClientFault;
}

impl UpstreamError for ClientError {
    fn fault(&self) -> ClientFault {
        self.fault()
    }
}

#[cfg(feature = "http-connect")]
impl UpstreamError for crate::error::http::HttpError {
    fn fault(&self) -> ClientFault {
        self.fault()
    }
}

/// Logs when a proxy stops working for anybody and when it works again: a line each, with the number of
/// requests that failed in between. A proxy that comes and goes has a few lines, and one in 10 s.
pub(super) struct Outage {
    /// Most of the time there is none.
    any: AtomicBool,
    now: Mutex<Option<Failures>>,
    lines: LogBudget,
}

/// The requests that failed since it worked.
struct Failures {
    count: u64,
    since: Instant,
    /// Whether the log knows.
    told: bool,
}

impl Outage {
    pub(super) const fn new() -> Self {
        Self {
            any: AtomicBool::new(false),
            now: Mutex::new(None),
            lines: LogBudget::new(4, Duration::from_secs(10)),
        }
    }

    /// Notes a request to the proxy that failed.
    pub(super) fn failed<E: UpstreamError>(&self, proxy: &Address, error: &E) {
        if is_of_transport(error) {
            return;
        }
        if !is_upstream_down(error) {
            // It has replied: this request was not to its liking, or the target cannot be reached.
            if matches!(error.fault(), ClientFault::Target(_) | ClientFault::Refused) {
                self.works(proxy);
            }
            return;
        }
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failures) = &mut *now {
            failures.count = failures.count.saturating_add(1);
            if failures.told {
                warned();
            }
            return;
        }
        let line = self.lines.take();
        *now = Some(Failures {
            count: 1,
            since: Instant::now(),
            told: line.is_some(),
        });
        self.any.store(true, Ordering::Relaxed);
        drop(now);
        if let Some(before) = line {
            let (suppressed, error) = (before.field(), Chain(error));
            tracing::warn!(%proxy, %error, suppressed, "upstream does not work");
            warned();
        }
    }

    /// Notes a request that the proxy executed, or replied to. Costs nothing while it works.
    pub(super) fn works(&self, proxy: &Address) {
        if !self.any.load(Ordering::Relaxed) {
            return;
        }
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        self.any.store(false, Ordering::Relaxed);
        let failures = now.take();
        drop(now);
        if let Some(Failures {
            count,
            since,
            told: true,
        }) = failures
        {
            let within = since.elapsed();
            tracing::info!(%proxy, failures = count, ?within, "upstream works again");
        }
    }
}

/// Whether another proxy failed, by which this one is reached: that one has its own line.
fn is_of_transport(error: &dyn Error) -> bool {
    error.source().is_some_and(|source| {
        #[cfg(feature = "http-connect")]
        if find::<crate::error::http::HttpError>(source).is_some() {
            return true;
        }
        find::<ClientError>(source).is_some()
    })
}

impl fmt::Debug for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outage")
            .field("any", &self.any)
            .finish_non_exhaustive()
    }
}
