//! The head of a request: where it ends, and whether it can be read in one manner only (RFC 9112).
//!
//! hyper parses heads as well, and takes some that could be read otherwise by the next server: lines that end
//! in LF alone, a length beside `Transfer-Encoding`. Here they are refused first.

use super::problem::Problem;

/// Octets of the longest head, its request line and the empty line included.
pub(super) const LONGEST: usize = 32 * 1024;

/// Fields of the largest head.
const MOST_FIELDS: usize = 100;

/// How the octets behind a head are cut into a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many octets.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// The head of a request, checked.
#[derive(Debug)]
pub(super) struct Head {
    /// Where the request target stands in the head.
    pub(super) target: std::ops::Range<usize>,
    pub(super) framing: Framing,
}

/// Finds the end of heads, octet by octet.
#[derive(Debug, Default)]
pub(super) struct End {
    /// Octets that have been looked at.
    seen: usize,
    /// How much of CR LF CR LF has just been seen.
    matched: u8,
}

impl End {
    /// Returns the length of the head at the beginning of `octets`, once they have all of it. They are those of the
    /// last call, and more.
    ///
    /// # Errors
    ///
    /// At the first octet that cannot be in a head.
    pub(super) fn find(&mut self, octets: &[u8]) -> Result<Option<usize>, Problem> {
        for octet in octets.get(self.seen..).unwrap_or_default() {
            if self.seen == 0 && !is_token(*octet) {
                return Err(Problem::Malformed("the first octet begins no method"));
            }
            self.seen += 1;
            self.matched = match (self.matched, octet) {
                (0 | 2, b'\r') => self.matched + 1,
                (1, b'\n') => 2,
                (3, b'\n') => return Ok(Some(self.seen)),
                (1 | 3, _) | (_, b'\r' | b'\n') => {
                    return Err(Problem::Malformed("a line ends in CR or LF alone"));
                }
                (_, b'\t' | b' '..=b'~' | 0x80..) => 0,
                _ => return Err(Problem::Malformed("a control character")),
            };
            if self.seen >= LONGEST {
                return Err(Problem::TooLarge);
            }
        }
        Ok(None)
    }
}

impl Head {
    /// Checks a whole head, which ends in an empty line and has no line that ends otherwise.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn check(octets: &[u8]) -> Result<Self, Problem> {
        let text = octets.strip_suffix(b"\r\n\r\n").unwrap_or(octets);
        let mut lines = text.split(|octet| *octet == b'\n').map(without_cr);
        let line = RequestLine::parse(lines.next().unwrap_or_default())?;
        let mut fields = Fields::default();
        for field in lines {
            fields.take(field)?;
        }
        fields.check(&line)
    }
}

/// A request line, in the one form that it has.
struct RequestLine<'a> {
    method: &'a [u8],
    target: std::ops::Range<usize>,
    is_1_1: bool,
}

impl<'a> RequestLine<'a> {
    fn parse(line: &'a [u8]) -> Result<Self, Problem> {
        const FORM: Problem = Problem::Malformed("the request line is not METHOD TARGET HTTP/1.1");

        let mut parts = line.split(|octet| *octet == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(FORM);
        };
        let is_visible = |octet: &u8| octet.is_ascii_graphic();
        if method.is_empty()
            || !method.iter().copied().all(is_token)
            || target.is_empty()
            || !target.iter().all(is_visible)
        {
            return Err(FORM);
        }
        let is_1_1 = match version {
            b"HTTP/1.1" => true,
            b"HTTP/1.0" => false,
            other if other.starts_with(b"HTTP/") => return Err(Problem::Version),
            _ => return Err(FORM),
        };
        let begin = method.len() + 1;
        Ok(Self {
            method,
            target: begin..begin + target.len(),
            is_1_1,
        })
    }
}

/// What the fields say that decides where the message ends and who it is for.
#[derive(Default)]
struct Fields {
    count: usize,
    hosts: usize,
    length: Option<u64>,
    is_chunked: bool,
    has_expectation: bool,
}

impl Fields {
    fn take(&mut self, line: &[u8]) -> Result<(), Problem> {
        self.count += 1;
        if self.count > MOST_FIELDS {
            return Err(Problem::TooLarge);
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            return Err(Problem::Malformed("a field goes on in a second line"));
        }
        let colon = line.iter().position(|octet| *octet == b':');
        let (name, value) = match colon.and_then(|colon| line.split_at_checked(colon)) {
            Some((name, value)) if !name.is_empty() => (name, value),
            _ => return Err(Problem::Malformed("a field without a name")),
        };
        if !name.iter().copied().all(is_token) {
            return Err(Problem::Malformed("the name of a field is no token"));
        }
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            self.length(value)
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.coding(value)
        } else if name.eq_ignore_ascii_case(b"host") {
            self.host(value)
        } else if name.eq_ignore_ascii_case(b"expect") {
            self.has_expectation |= !value.eq_ignore_ascii_case(b"100-continue");
            Ok(())
        } else {
            Ok(())
        }
    }

    fn length(&mut self, value: &[u8]) -> Result<(), Problem> {
        const LENGTH: Problem = Problem::Malformed("Content-Length is not one number");

        if self.length.is_some() || value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(LENGTH);
        }
        let number = str::from_utf8(value)
            .ok()
            .and_then(|text| text.parse().ok());
        // hyper has a use of its own for the largest numbers.
        self.length = Some(number.filter(|number| *number < 1 << 62).ok_or(LENGTH)?);
        Ok(())
    }

    fn coding(&mut self, value: &[u8]) -> Result<(), Problem> {
        if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Problem::Malformed("Transfer-Encoding is not chunked alone"));
        }
        self.is_chunked = true;
        Ok(())
    }

    fn host(&mut self, value: &[u8]) -> Result<(), Problem> {
        self.hosts += 1;
        let may_be_in_a_host =
            |octet: &u8| octet.is_ascii_alphanumeric() || b"-._~!$&'()*+;=:[]%".contains(octet);
        if self.hosts > 1 || !value.iter().all(may_be_in_a_host) {
            return Err(Problem::Malformed("Host is not one host"));
        }
        Ok(())
    }

    fn check(self, line: &RequestLine<'_>) -> Result<Head, Problem> {
        let is_connect = line.method == b"CONNECT";
        let length = self.length.unwrap_or(0);
        if self.is_chunked && self.length.is_some() {
            return Err(Problem::Malformed(
                "Content-Length beside Transfer-Encoding",
            ));
        }
        if self.is_chunked && !line.is_1_1 {
            return Err(Problem::Malformed("Transfer-Encoding in HTTP/1.0"));
        }
        if is_connect && (self.is_chunked || length > 0) {
            return Err(Problem::Malformed("CONNECT with a body"));
        }
        // What CONNECT is for stands in its target; some clients of HTTP/1.1 leave Host out of it.
        if line.is_1_1 && self.hosts == 0 && !is_connect {
            return Err(Problem::Malformed("HTTP/1.1 without Host"));
        }
        if self.has_expectation && line.is_1_1 {
            return Err(Problem::Expectation);
        }
        Ok(Head {
            target: line.target.clone(),
            framing: match self.is_chunked {
                true => Framing::Chunked,
                false => Framing::Length(length),
            },
        })
    }
}

/// Whether an octet can be in a token (RFC 9110 section 5.6.2).
fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}
