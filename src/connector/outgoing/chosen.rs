//! What connectors have: one for all requests, or one for each.

use std::{fmt, sync::Arc};

use super::Outgoing;
use crate::session::Request;

/// What is asked for each request.
type Function = dyn Fn(Option<&Request>) -> Outgoing + Send + Sync;

/// One for all requests, or one for each.
#[derive(Clone)]
pub(in crate::connector) enum ChosenOutgoing {
    Same(Outgoing),
    By(Arc<Function>),
}

impl ChosenOutgoing {
    pub(in crate::connector) const fn new() -> Self {
        Self::Same(Outgoing::new())
    }

    pub(in crate::connector) fn by(
        function: impl Fn(Option<&Request>) -> Outgoing + Send + Sync + 'static,
    ) -> Self {
        Self::By(Arc::new(function))
    }

    /// Chooses, and settles what depends on the request.
    pub(in crate::connector) fn of(&self, request: Option<&Request>) -> Outgoing {
        let outgoing = match self {
            Self::Same(outgoing) => outgoing.clone(),
            Self::By(function) => function(request),
        };
        outgoing.for_request(request)
    }
}

impl fmt::Debug for ChosenOutgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same(outgoing) => outgoing.fmt(f),
            Self::By(_) => f.write_str("by a function"),
        }
    }
}
