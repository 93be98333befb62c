//! Errors with their causes.

use std::{
    error::Error,
    fmt::{self, Write},
    io,
};

/// An error and its causes on one line. What could forge another line, or show this one in another order
/// than it is, is escaped: control characters, bidirectional ones and those that nobody sees.
#[derive(Debug)]
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = self.0.to_string();
        Escaped(&last).fmt(f)?;
        for cause in causes(self.0).skip(1) {
            // Wrappers often repeat what they wrap.
            let text = cause.to_string();
            if !last.ends_with(&text) {
                f.write_str(": ")?;
                Escaped(&text).fmt(f)?;
            }
            last = text;
        }
        Ok(())
    }
}

/// A text in which control characters, bidirectional ones and those that nobody sees are escaped. Quotes
/// and backslashes stay, since texts that have been escaped before have them.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for shown in self.0.chars() {
            if matches!(shown, ' '..='~') {
                f.write_char(shown)?;
            } else {
                fmt::Display::fmt(&shown.escape_debug(), f)?;
            }
        }
        Ok(())
    }
}

/// The first error of type `E` in the chain.
pub(crate) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// The error and everything it came from, outermost first.
pub(super) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // `io::Error::source` skips the error that it wraps.
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|inner| inner as &(dyn Error + 'static));
        wrapped.or_else(|| error.source())
    })
}
