use std::{error::Error, fmt};

/// Says why text is not the URL of a proxy. The text is not quoted, since it may have a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidProxyUrl {
    /// The environment variable that held it.
    variable: Option<&'static str>,
    why: &'static str,
}

impl InvalidProxyUrl {
    pub(super) const fn new(why: &'static str) -> Self {
        let variable = None;
        Self { variable, why }
    }

    /// Names the environment variable that held it.
    pub(super) const fn of_variable(mut self, name: &'static str) -> Self {
        self.variable = Some(name);
        self
    }
}

impl fmt::Display for InvalidProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.variable {
            Some(name) => write!(f, "{name} is not the URL of a proxy: {}", self.why),
            None => write!(f, "not the URL of a proxy: {}", self.why),
        }
    }
}

impl Error for InvalidProxyUrl {}
