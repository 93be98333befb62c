use std::{error::Error, fmt};

/// What the library says, in the words that an operator needs: what was tried, and what is missing for it.
#[derive(Debug)]
pub(super) struct Failure {
    tried: &'static str,
    reason: String,
}

impl Failure {
    /// Takes down what the library says. It keeps the words by thread: so this is called in the thread where it
    /// failed, at once.
    pub(super) fn new(tried: &'static str, error: libgssapi::error::Error) -> Self {
        let text = error.to_string();
        Self {
            tried,
            reason: reason(&text).to_owned(),
        }
    }

    /// A failure of which the library knows nothing.
    pub(super) fn own(tried: &'static str, reason: impl Into<String>) -> Self {
        Self {
            tried,
            reason: reason.into(),
        }
    }
}

/// The words of the mechanism, where it has some: those of GSS-API in front of them are the same for everything.
fn reason(text: &str) -> &str {
    let text = text.trim_end();
    let Some((general, special)) = text
        .strip_suffix(')')
        .and_then(|text| text.split_once(" ("))
    else {
        return text;
    };
    match special {
        // What the library says where the mechanism has said nothing.
        "" | "Success" | "Unknown error" | "Unknown code 0" => general,
        special => special,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.tried, self.reason)
    }
}

impl Error for Failure {}
