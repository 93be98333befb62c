//! `search_domain` of the file.

use std::fmt;

use serde::Deserialize;
use tower_socks::{
    Request,
    layer::search_domain::SearchDomainLayer,
    proto::{DomainName, InvalidName},
    session::SearchDomain,
};

/// The domain in which names of a single label are.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Domain(DomainName);

impl Domain {
    /// Completes names before anything judges them.
    pub(crate) fn layer(&self) -> SearchDomainLayer {
        SearchDomainLayer::new(self.0.clone())
    }

    /// Completes the target of a request that `--explain` asks about, as the layer would.
    pub(crate) fn complete(&self, mut request: Request) -> Request {
        request.target = SearchDomain::new(self.0.clone()).complete(request.target);
        request
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for Domain {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        DomainName::new(&text).map(Self)
    }
}
