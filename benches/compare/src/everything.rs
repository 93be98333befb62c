//! The file of a company: all that the example server can watch and limit is on.

use std::{fmt::Write as _, path::Path};

use crate::between::Login;

/// For the report.
pub(crate) const ABOUT: &str = "the example server: a user whose password is hashed, 1,000 rules, limits of each user and client \
     (tunnels, requests, bandwidth, quotas), metrics, the page with its live list, an access log in JSON; SOCKS5, SOCKS4 and HTTP \
     on one port, log at info";

/// Who all clients are.
pub(crate) const LOGIN: Login = Login {
    name: "joe",
    password: "secret",
    many: 1,
};

/// The hash of that password: `server hash-password`.
const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$DRNN1pYZoYbQHtO8FEUByw$jbb0lvLvisRVpmWRu5Or4C1L5Ijbm8YRU9ztcT1gJs0";

/// The limits are in force and never reached: what they cost is measured, and not what they forbid.
const LIMITS: &str = r#"
[limits]
sessions = 20_000
sessions_per_client = 20_000
sessions_per_user = 20_000
unauthenticated_per_client = 20_000
associations_per_user = 2_000
tunnels_per_user = 20_000
requests_per_second = 1_000_000
upload = "800 Gbit/s"
download = "800 Gbit/s"
bytes_per_day = "900 TB"
bytes_per_month = "9000 TB"
"#;

/// The file, with numbers at a port of loopback and the access log at a path.
pub(crate) fn file(metrics: u16, access_log: &Path) -> String {
    let mut file = format!(
        "[password_hashes]\n{} = \"{HASH}\"\n{LIMITS}\
         [metrics]\nlisten = \"127.0.0.1:{metrics}\"\ndashboard = true\n\
         [access_log]\nfile = \"{}\"\nformat = \"json\"\n\
         [acl]\ndefault = \"allow\"\nallow_private = true\n",
        LOGIN.name,
        access_log.display(),
    );
    for number in 0..1_000_u32 {
        let (high, low) = (number / 250, number % 250);
        let what = match number % 4 {
            0 => format!("to = \"198.18.{high}.{low}\""),
            1 => format!("to = [\"games{number}.example\", \"*.games{number}.example\"]"),
            2 => format!(
                "client = \"198.19.{high}.0/24\"\nport = [25, {}]",
                10_000 + number
            ),
            _ => format!(
                "user = \"{}\"\nport = \"{}-{}\"",
                LOGIN.name,
                1 + number,
                2 + number
            ),
        };
        let _ = write!(file, "[[acl.rules]]\naction = \"deny\"\n{what}\n");
    }
    file
}
