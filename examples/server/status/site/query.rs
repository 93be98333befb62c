//! The query of an address: `?offset=200&search=example`.

/// The longest value: longer than any name.
const MOST: usize = 512;

/// Names and values, decoded.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Parses a query.
    ///
    /// # Errors
    ///
    /// It is not encoded as it should be, is too long, or has a name twice.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, String> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        let parts = query.unwrap_or_default().split('&');
        for part in parts.filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(format!("{} is there twice", name.escape_debug()));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// Takes a value out.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Takes a number out.
    pub(crate) fn number<T: std::str::FromStr>(&mut self, name: &str) -> Result<Option<T>, String> {
        let value = self.take(name).map(|value| value.parse());
        value
            .transpose()
            .map_err(|_| format!("{name} has to be a number"))
    }

    /// Checks that nothing is left.
    pub(crate) fn end(self) -> Result<(), String> {
        match self.0.first() {
            Some((name, _)) => Err(format!("{} is not known here", name.escape_debug())),
            None => Ok(()),
        }
    }
}

fn decode(text: &str) -> Result<String, String> {
    let wrong = || "the query is not encoded as it should be".to_owned();
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let [octet, more @ ..] = rest {
        rest = more;
        octets.push(match (octet, more) {
            (b'%', [high, low, more @ ..]) => {
                rest = more;
                let digit = |octet: &u8| char::from(*octet).to_digit(16);
                let octet = digit(high)
                    .zip(digit(low))
                    .map(|(high, low)| high * 16 + low);
                octet
                    .and_then(|octet| u8::try_from(octet).ok())
                    .ok_or_else(wrong)?
            }
            (b'%', _) => return Err(wrong()),
            (b'+', _) => b' ',
            (octet, _) => *octet,
        });
        if octets.len() > MOST {
            return Err(format!("a value may have {MOST} octets"));
        }
    }
    String::from_utf8(octets).map_err(|_| wrong())
}
