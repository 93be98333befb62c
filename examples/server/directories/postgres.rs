//! `[postgres]` of the file: users of a database.

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc};

use serde::Deserialize;
use tower::Layer;
use tower_socks::layer::auth::postgres::PostgresLayer;

use super::{
    Directory, Verifier,
    secret::{self, Secret},
};
use crate::{authorities::trust, certificates::Certificates, timeouts::Span};

/// `[postgres]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    /// It may have a password.
    database: Secret,
    password: Option<Secret>,
    password_file: Option<PathBuf>,
    /// The platform's, if it is left out.
    authorities: Option<PathBuf>,
    query: String,
    connections: Option<NonZeroUsize>,
    waiting: Option<NonZeroUsize>,
    connect_timeout: Option<Span>,
    answer_timeout: Option<Span>,
}

impl Table {
    /// Whether it has a password.
    pub(crate) fn has_secret(&self) -> bool {
        let database = self.database.text();
        let user = database.split_once("://").map_or("", |(_, rest)| rest);
        let user = user.split_once('@').map_or("", |(user, _)| user);
        self.password.is_some() || database.contains("password") || user.contains(':')
    }

    /// Makes the directory. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// What is wrong with the table, or with a file that it names.
    pub(crate) fn directory(&self) -> Result<Directory, String> {
        let fail = |problem: String| format!("postgres: {problem}");
        let password = secret::load(self.password.as_ref(), self.password_file.as_deref());
        let password = password.map_err(|problem| format!("postgres, password: {problem}"))?;
        let builder = PostgresLayer::builder(self.database.text(), &self.query);
        let mut builder = builder.map_err(|problem| format!("postgres, database: {problem}"))?;
        if let Some(password) = &password {
            builder = builder.password(password);
        }
        let (mut authorities, mut certificates) = <(String, Certificates)>::default();
        if let Some(file) = &self.authorities {
            let trusted = trust(file).map_err(fail)?;
            builder = builder.tls(trusted.tls);
            (authorities, certificates) = (trusted.text, trusted.expires);
        }
        if let Some(most) = self.connections {
            builder = builder.connections(most.get());
        }
        if let Some(most) = self.waiting {
            builder = builder.waiting(most.get());
        }
        if let Some(longest) = self.connect_timeout {
            builder = builder.connect_timeout(longest.0);
        }
        if let Some(longest) = self.answer_timeout {
            builder = builder.answer_timeout(longest.0);
        }
        let layer = builder.build();
        let layer = layer.map_err(|problem| fail(problem.to_string()))?;
        let warnings: Vec<_> = layer
            .clear_text()
            .map(|server| {
                format!("postgres: {server} is asked in clear text: leave `sslmode=disable` out")
            })
            .collect();
        let asked = layer.clone().layer(());
        let stated = format!("{self:?}{}{password:?}{authorities}", self.database.text());
        let waits = layer.clone();
        let directory = Directory::new("postgres", Verifier::Hashes(layer), stated)
            .queue(move || waits.queue())
            .warnings(warnings)
            .certificates(certificates)
            .secret_files(self.password_file.clone())
            .knows(Arc::new(move |name| {
                let asked = asked.clone();
                Box::pin(async move { asked.knows(&name).await.map(Some) })
            }));
        Ok(directory)
    }
}
