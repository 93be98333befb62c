//! Distinguished names as text (RFC 4514).

/// Escapes a value, so that it is one whatever it has in it.
pub(super) fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (at, shown) in value.chars().enumerate() {
        match shown {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' => escaped.extend(['\\', shown]),
            '#' if at == 0 => escaped.push_str("\\#"),
            ' ' if at == 0 || at == last => escaped.push_str("\\ "),
            '\0'..='\x1f' | '\x7f' => escaped.push_str(&format!("\\{:02x}", u32::from(shown))),
            _ => escaped.push(shown),
        }
    }
    escaped
}

/// A parsed name: its relative names from the entry upwards, in small letters, with the first value as it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dn {
    /// The value of the first attribute of the first relative name, unescaped.
    pub(super) first: String,
    relative: Vec<String>,
}

impl Dn {
    /// Parses a name; `None` where it is none, or the empty one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut relative = Vec::new();
        let mut first = None;
        for part in split(text, ',')? {
            let mut attributes = Vec::new();
            for attribute in split(part, '+')? {
                let (name, value) = attribute.split_once('=')?;
                let name = name.trim();
                let is_letter = |shown: char| shown.is_ascii_alphanumeric() || "-.".contains(shown);
                if name.is_empty() || !name.chars().all(is_letter) {
                    return None;
                }
                // Other white space than spaces is part of the value.
                let value = unescape(value.trim_start_matches(' '))?;
                attributes.push(format!("{}={}", name, escape(&value)).to_lowercase());
                first.get_or_insert(value);
            }
            attributes.sort_unstable();
            relative.push(attributes.join("+"));
        }
        Some(Self {
            first: first?,
            relative,
        })
    }

    /// Whether it lies below another one.
    pub(super) fn is_below(&self, base: &Self) -> bool {
        self.relative.len() > base.relative.len() && self.relative.ends_with(&base.relative)
    }
}

/// Splits at a character where it is not escaped.
fn split(text: &str, at: char) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (index, shown) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if shown == '\\' {
            escaped = true;
        } else if shown == at {
            parts.push(text.get(start..index)?);
            start = index + at.len_utf8();
        }
    }
    parts.push(text.get(start..)?);
    Some(parts)
}

/// The value that is written; `None` for one that is in hexadecimal as a whole, or is malformed.
fn unescape(written: &str) -> Option<String> {
    if written.is_empty() || written.starts_with('#') {
        return None;
    }
    let mut value = Vec::new();
    let mut rest = written.as_bytes();
    // How long it is without spaces at the end that are not escaped.
    let mut len = 0;
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'\\' => {
                let pair = rest.get(..2).and_then(|pair| str::from_utf8(pair).ok());
                let hex = pair.filter(|pair| pair.bytes().all(|octet| octet.is_ascii_hexdigit()));
                match hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
                    Some(octet) => {
                        value.push(octet);
                        rest = rest.get(2..)?;
                    }
                    None => {
                        let (octet, after) = rest.split_first()?;
                        value.push(*octet);
                        rest = after;
                    }
                }
                len = value.len();
            }
            b'"' | b';' | b'<' | b'>' => return None,
            b' ' => value.push(b' '),
            octet => {
                value.push(*octet);
                len = value.len();
            }
        }
    }
    value.truncate(len);
    String::from_utf8(value).ok()
}
