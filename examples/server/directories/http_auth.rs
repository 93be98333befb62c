//! `[http_auth]` of the file: users whom a service of HTTP knows.

use std::{num::NonZeroUsize, path::PathBuf};

use serde::Deserialize;
use tower_socks::layer::auth::http_call_out::HttpCallOut;

use super::{
    Directory, Verifier,
    secret::{self, Secret},
};
use crate::{authorities::trust, certificates::Certificates, timeouts::Span};

/// `[http_auth]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    /// It may have a token behind its host.
    url: Secret,
    /// The platform's, if it is left out.
    authorities: Option<PathBuf>,
    token: Option<Secret>,
    token_file: Option<PathBuf>,
    #[serde(default)]
    allow_clear_text: bool,
    at_once: Option<NonZeroUsize>,
    waiting: Option<NonZeroUsize>,
    timeout: Option<Span>,
}

impl Table {
    /// Whether it has a token.
    pub(crate) const fn has_secret(&self) -> bool {
        self.token.is_some()
    }

    /// Makes the directory. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// What is wrong with the table, or with a file that it names.
    pub(crate) fn directory(&self) -> Result<Directory, String> {
        let fail = |problem: String| format!("http_auth: {problem}");
        let token = secret::load(self.token.as_ref(), self.token_file.as_deref());
        let token = token.map_err(|problem| format!("http_auth, token: {problem}"))?;
        let mut builder = HttpCallOut::builder(self.url.text()).clear_text(self.allow_clear_text);
        if let Some(token) = &token {
            builder = builder.field("authorization", format!("Bearer {token}"));
        }
        let (mut authorities, mut certificates) = <(String, Certificates)>::default();
        if let Some(file) = &self.authorities {
            let trusted = trust(file).map_err(fail)?;
            builder = builder.tls(trusted.tls);
            (authorities, certificates) = (trusted.text, trusted.expires);
        }
        if let Some(most) = self.at_once {
            builder = builder.at_once(most.get());
        }
        if let Some(most) = self.waiting {
            builder = builder.waiting(most.get());
        }
        if let Some(longest) = self.timeout {
            builder = builder.timeout(longest.0);
        }
        let service = builder.build().map_err(|problem| {
            let problem = problem.to_string();
            fail(problem.replace("or allow it", "or write `allow_clear_text = true`"))
        })?;
        let warning = service.clear_text().map(|server| {
            format!("http_auth: passwords go to {server} in clear text: take https://")
        });
        let stated = format!("{self:?}{}{token:?}{authorities}", self.url.text());
        let waits = service.clone();
        let directory = Directory::new("http_auth", Verifier::new(service), stated)
            .queue(move || waits.queue())
            .warnings(warning)
            .needs_records()
            .certificates(certificates)
            .secret_files(self.token_file.clone());
        Ok(directory)
    }
}
