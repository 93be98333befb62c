//! What is wrong with a file.

use tower_socks::Rules;

/// The error of a file, which has to be one: its message and the lines from which and to which it
/// goes, if it says.
pub fn problem(text: &str) -> (String, Option<(usize, usize)>) {
    let Err(error) = toml::from_str::<Rules>(text) else {
        panic!("accepted: {text}");
    };
    let line = |at: usize| {
        1 + text
            .bytes()
            .take(at)
            .filter(|octet| *octet == b'\n')
            .count()
    };
    let lines = error.span().map(|span| (line(span.start), line(span.end)));
    (error.message().to_owned(), lines)
}

/// The error has to say this, in JSON as well.
pub fn assert_problem(text: &str, line: usize, fragment: &str) {
    let (message, lines) = problem(text);
    assert!(message.contains(fragment), "{text}\n{message}");
    assert_eq!(lines, Some((line, line)), "{text}\n{message}");
    if let Ok(table) = toml::from_str::<toml::Table>(text) {
        let json = serde_json::to_string(&table).unwrap();
        let Err(error) = serde_json::from_str::<Rules>(&json) else {
            panic!("accepted: {json}");
        };
        assert!(error.to_string().contains(fragment), "{json}\n{error}");
    }
}
