//! The files of servers that are set up by one.

use std::{fmt::Write as _, net::SocketAddrV4};

use crate::{between::Login, work::in_flight};

/// The targets are on loopback, and so are all clients, which are one for the server.
pub(crate) const DEFAULT: &str = "[acl]\ndefault = \"allow\"\nallow_private = true\n[limits]\nsessions_per_client = 10_000\nsessions_per_user = 10_000\nunauthenticated_per_client = 10_000\nassociations_per_user = 2_000\n";

pub(crate) fn dante(at: SocketAddrV4) -> String {
    format!(
        "errorlog: stderr\n\
         internal: {} port = {}\n\
         external: lo\n\
         clientmethod: none\n\
         socksmethod: none\n\
         user.privileged: root\n\
         user.unprivileged: nobody\n\
         client pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}\n\
         socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 command: bind connect udpassociate }}\n\
         socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 command: bindreply udpreply }}\n",
        at.ip(),
        at.port()
    )
}

pub(crate) fn three_proxy(at: SocketAddrV4) -> String {
    format!(
        "auth none\nallow *\nmaxconn 20000\nsocks -i{} -p{}\n",
        at.ip(),
        at.port()
    )
}

/// Much of something in the file of the example server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amount {
    /// Users with limits, who take turns.
    Users(usize),
    /// Networks and names that are denied.
    Rules(usize),
    /// Lookups in flight, as far as there are descriptors.
    Lookups(usize),
}

impl Amount {
    pub(crate) fn login(self) -> Option<Login> {
        match self {
            Self::Users(many) => Some(Login {
                name: "joe",
                password: "secret",
                many,
            }),
            Self::Rules(_) | Self::Lookups(_) => None,
        }
    }

    /// The file; names are looked up at a name server.
    pub(crate) fn file(self, name_server: SocketAddrV4) -> String {
        let mut file = DEFAULT.to_owned();
        match self {
            Self::Lookups(many) => {
                // They, and others beside.
                let many = in_flight(many);
                let sessions = many + 1_000;
                // One client takes turns up to a fifth of all: no lookup is to wait for another one.
                let at_once = many * 6 + 1_000;
                file = format!(
                    "[acl]\ndefault = \"allow\"\nallow_private = true\n\
                     [limits]\nsessions = {sessions}\nsessions_per_client = {sessions}\nsessions_per_user = {sessions}\n\
                     unauthenticated_per_client = {sessions}\n[timeouts]\ndial = \"1m\"\n\
                     [resolver]\nkind = \"hickory\"\nservers = [\"{name_server}\"]\ntimeout = \"30s\"\nattempts = 1\n\
                     lookups_at_once = {at_once}\n"
                );
            }
            Self::Users(many) => {
                file.push_str(
                    "tunnels_per_user = 5_000\nrequests_per_second = 100_000\nupload = \"800 Gbit/s\"\n\
                     download = \"800 Gbit/s\"\nbytes_per_day = \"900 TB\"\n[users]\n",
                );
                match many {
                    1 => file.push_str("joe = \"secret\"\n"),
                    _ => (0..many).for_each(|user| {
                        let _ = writeln!(file, "joe{user} = \"secret\"");
                    }),
                }
            }
            Self::Rules(many) => {
                file.push_str("[[acl.rules]]\naction = \"deny\"\nto = [\n");
                for number in 0..many {
                    let [_, a, b, c] = (number as u32 / 2).to_be_bytes();
                    let _ = match number % 2 {
                        0 => writeln!(file, "\"{}.{b}.{c}.0/24\",", 128 + a % 64),
                        _ => writeln!(file, "\"*.games{number}.example\","),
                    };
                }
                file.push_str("]\n");
            }
        }
        file
    }
}
