//! Authentication schemes that a proxy offers in `Proxy-Authenticate` (RFC 9110 section 11.7.1).

/// IANA's HTTP Authentication Scheme Registry, and `NTLM`, which is not in it. Errors name these
/// alone: a proxy might say our credentials back.
const SCHEMES: &[&str] = &[
    "Basic",
    "Bearer",
    "Concealed",
    "Digest",
    "DPoP",
    "GNAP",
    "HOBA",
    "Mutual",
    "Negotiate",
    "NTLM",
    "OAuth",
    "PrivateToken",
    "SCRAM-SHA-1",
    "SCRAM-SHA-256",
    "vapid",
];

/// Returns the schemes that a head offers, each once.
pub(super) fn offered(head: &[u8]) -> Vec<&'static str> {
    let mut offered = Vec::new();
    for line in head.split(|octet| *octet == b'\n') {
        let line = String::from_utf8_lossy(line);
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        if !name.trim_end().eq_ignore_ascii_case("Proxy-Authenticate") {
            continue;
        }
        for word in first_words(value) {
            let known = SCHEMES.iter().find(|it| it.eq_ignore_ascii_case(word));
            if let Some(scheme) = known.filter(|scheme| !offered.contains(*scheme)) {
                offered.push(*scheme);
            }
        }
    }
    offered
}

/// Returns the first word of each part between commas. A scheme is one of these; so are names of
/// parameters, behind which there is an equals sign. Commas in quotes are text.
fn first_words(value: &str) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let parts = value.split(move |c: char| {
        if is_escaped {
            is_escaped = false;
        } else if c == '\\' && is_quoted {
            is_escaped = true;
        } else if c == '"' {
            is_quoted = !is_quoted;
        }
        c == ',' && !is_quoted
    });
    parts.filter_map(|part| part.split_whitespace().next())
}
