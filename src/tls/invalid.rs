use std::{
    error::Error,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::error::BoxError;

/// Says why keys, certificates or settings cannot be used. Nothing of a file is quoted.
#[derive(Clone, Debug)]
pub struct InvalidTls {
    file: Option<PathBuf>,
    why: &'static str,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl InvalidTls {
    pub(super) const fn new(why: &'static str) -> Self {
        Self {
            file: None,
            why,
            source: None,
        }
    }

    pub(super) fn because(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into().into());
        self
    }

    pub(super) fn in_file(mut self, file: &Path) -> Self {
        self.file.get_or_insert_with(|| file.to_owned());
        self
    }

    /// Returns the file that is at fault, where it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

impl fmt::Display for InvalidTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}: {}", file.display(), self.why),
            None => f.write_str(self.why),
        }
    }
}

impl Error for InvalidTls {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}
