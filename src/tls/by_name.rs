use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio_rustls::rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign,
};

use super::CertifiedKey;
use crate::admission::LogBudget;

/// Chooses a key by the name that the client asks for.
#[derive(Debug)]
pub(super) struct ByName {
    keys: Vec<CertifiedKey>,
    /// Of lines that a certificate has expired.
    lines: LogBudget,
}

impl ByName {
    pub(super) const fn new(keys: Vec<CertifiedKey>) -> Self {
        Self {
            keys,
            lines: LogBudget::new(1, Duration::from_secs(60 * 60)),
        }
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<sign::CertifiedKey>> {
        let verifiable = |key: &&CertifiedKey| {
            let schemes = hello.signature_schemes();
            key.key.key.choose_scheme(schemes).is_some()
        };
        let keys = || self.keys.iter().filter(verifiable);
        let named = |fits: fn(&str, &str) -> bool| {
            let name = hello.server_name()?;
            keys().find(|key| key.names().iter().any(|own| fits(own, name)))
        };
        let key = named(str::eq_ignore_ascii_case)
            .or_else(|| named(is_wildcard_of))
            .or_else(|| keys().next())?;
        if key.expires() < SystemTime::now()
            && let Some(before) = self.lines.take()
        {
            let suppressed = before.field();
            tracing::warn!(names = ?key.names(), suppressed, "a certificate of ours has expired");
        }
        Some(Arc::clone(&key.key))
    }
}

/// Whether a name with `*` as its first label stands for this one.
fn is_wildcard_of(own: &str, name: &str) -> bool {
    let parent = name.split_once('.').map(|(_, parent)| parent);
    let own = own.strip_prefix("*.");
    parent
        .zip(own)
        .is_some_and(|(parent, own)| own.eq_ignore_ascii_case(parent))
}
