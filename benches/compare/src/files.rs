//! The files of servers that are set up by one.

use std::net::SocketAddrV4;

/// The targets are on loopback, and so are all clients, which are one for the server.
pub(crate) const DEFAULT: &str = "[acl]\ndefault = \"allow\"\nallow_private = true\n[limits]\nsessions_per_client = 10_000\nsessions_per_user = 10_000\nunauthenticated_per_client = 10_000\n";

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
