//! Sizes and rates as people write them.

use std::fmt::{Debug, Display};

use serde_json::json;
use tower_socks::session::{Amounts, Bytes, BytesPerSecond, InvalidAmount};

/// A size, a rate and a number, of the same text.
pub fn amounts(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let size = one::<Bytes>(&text, |Bytes(bytes)| bytes);
    let rate = one::<BytesPerSecond>(&text, |BytesPerSecond(bytes)| bytes);
    if let Some(size) = size {
        // So much a second.
        let a_second = format!("{}/s", text.trim_end()).parse();
        let has_unit = text.contains(|shown: char| shown.is_ascii_alphabetic());
        let expected = has_unit && text != "off";
        assert_eq!(a_second.ok(), expected.then_some(BytesPerSecond(size)));
        // Without a unit it is a rate as it is.
        assert!(has_unit || rate == Some(size));
    }
    for name in Amounts::NAMES.into_iter().chain([&*text]) {
        let (before, mut amounts) = (Amounts::new(), Amounts::new());
        match amounts.set(name, &text) {
            Ok(()) => assert_ne!(amounts, before, "{name}"),
            Err(error) => {
                says(&error);
                assert_eq!(amounts, before, "{name}");
            }
        }
        assert_eq!(amounts.clone().or(&before), amounts.larger(&before));
    }
    assert_eq!(sum(&text, "upload"), rate);
    assert_eq!(sum(&text, "bytes_per_day"), size);
}

/// The amount of this name.
fn sum(text: &str, name: &str) -> Option<u64> {
    let mut amounts = Amounts::new();
    amounts.set(name, text).ok()?;
    amounts.upload.or(amounts.bytes_per_day)
}

/// What the text is as one of them. Its own text, and what serde makes of it, are the same.
fn one<T>(text: &str, bytes: impl Fn(T) -> u64) -> Option<u64>
where
    T: std::str::FromStr<Err = InvalidAmount>
        + serde::Serialize
        + serde::de::DeserializeOwned
        + Copy
        + Debug
        + Display
        + PartialEq,
{
    let by_serde: Result<T, _> = serde_json::from_value(json!(text));
    let amount: T = match text.parse() {
        Ok(amount) => amount,
        Err(error) => {
            says(&error);
            assert!(by_serde.is_err());
            return None;
        }
    };
    assert_eq!(by_serde.expect("what is parsed"), amount);
    let shown = amount.to_string();
    assert_eq!(shown.parse(), Ok(amount), "{shown}");
    assert_eq!(json!(amount), json!(shown));
    let bytes = bytes(amount);
    assert_eq!(bytes == u64::MAX, text == "off");
    let by_number: T = serde_json::from_value(json!(bytes)).expect("a number");
    assert_eq!(by_number, amount);
    Some(bytes)
}

/// An error says what would be right, and repeats little.
fn says(error: &InvalidAmount) {
    let shown = error.to_string();
    assert!(
        shown.len() < 800 && !shown.contains(char::is_control),
        "{shown:?}"
    );
}
