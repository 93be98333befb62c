//! What the errors of a socket that receives datagrams mean.

use std::{
    io,
    task::{Poll, ready},
};

/// Errors in a row, with no datagram among them and the queue never empty, after which they are the
/// socket's own. News of a datagram that did not arrive is reported once, and Linux keeps the latest only.
const LASTING: usize = 64;

/// Receives once `is_ready` is, and tries again after an error: most often that is news of an earlier
/// datagram, and costs nothing else.
///
/// # Errors
///
/// The last one of a socket that has only errors to report. It would be ready with them for ever.
pub(super) fn poll_past_errors(
    mut is_ready: impl FnMut() -> Poll<io::Result<()>>,
    mut receive: impl FnMut() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    let mut errors = 0;
    loop {
        ready!(is_ready())?;
        match receive() {
            Ok(count) => return Poll::Ready(Ok(count)),
            // Readiness was old news, and is asked for again.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => errors = 0,
            Err(error) => {
                errors += 1;
                if errors == LASTING {
                    tracing::debug!(%error, "a socket for datagrams has only errors to report");
                    return Poll::Ready(Err(error));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEWS: io::ErrorKind = io::ErrorKind::ConnectionRefused;
    const BROKEN: io::ErrorKind = io::ErrorKind::NetworkDown;

    /// Polls a socket that reports these in turn, then nothing. Returns the outcome and the calls.
    fn poll(
        script: impl IntoIterator<Item = io::Result<usize>>,
    ) -> (Poll<io::Result<usize>>, usize) {
        let mut script = script.into_iter().peekable();
        let mut calls = 0;
        let script = std::cell::RefCell::new(&mut script);
        let outcome = poll_past_errors(
            || match script.borrow_mut().peek() {
                Some(_) => Poll::Ready(Ok(())),
                None => Poll::Pending,
            },
            || {
                calls += 1;
                let next = script.borrow_mut().next();
                next.unwrap_or_else(|| Err(io::ErrorKind::WouldBlock.into()))
            },
        );
        (outcome, calls)
    }

    fn errors(kind: io::ErrorKind, count: usize) -> impl Iterator<Item = io::Result<usize>> {
        std::iter::repeat_with(move || Err(kind.into())).take(count)
    }

    #[test]
    fn news_of_earlier_datagrams_does_not_keep_the_next_from_coming() {
        let (outcome, calls) = poll(errors(NEWS, LASTING - 1).chain([Ok(3)]));
        assert!(matches!(outcome, Poll::Ready(Ok(3))), "{outcome:?}");
        assert_eq!(calls, LASTING);
    }

    #[test]
    fn an_error_that_lasts_is_returned_after_a_bounded_number_of_calls() {
        let for_ever = std::iter::repeat_with(|| Err(BROKEN.into()));
        let (outcome, calls) = poll(for_ever);
        let Poll::Ready(Err(error)) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!((error.kind(), calls), (BROKEN, LASTING));
    }

    /// However many come, with an empty queue in between.
    #[test]
    fn news_that_comes_again_and_again_is_no_lasting_error() {
        let round = || errors(NEWS, 1).chain(errors(io::ErrorKind::WouldBlock, 1));
        let (outcome, calls) = poll((0..LASTING * 2).flat_map(|_| round()));
        assert!(outcome.is_pending(), "{outcome:?}");
        assert_eq!(calls, LASTING * 4);
    }

    #[test]
    fn a_runtime_that_shuts_down_is_the_end() {
        let gone = || Poll::Ready(Err(io::ErrorKind::Other.into()));
        let outcome = poll_past_errors(gone, || Ok(1));
        assert!(matches!(outcome, Poll::Ready(Err(_))), "{outcome:?}");
    }
}
