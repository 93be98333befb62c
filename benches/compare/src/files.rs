//! The files of servers that are set up by one.

/// The targets are on loopback, and so are all clients, which are one for the server.
pub(crate) const DEFAULT: &str = "[acl]\ndefault = \"allow\"\nallow_private = true\n[limits]\nsessions_per_client = 10_000\nsessions_per_user = 10_000\nunauthenticated_per_client = 10_000\n";

pub(crate) fn dante(port: &str) -> String {
    format!(
        "errorlog: stderr\n\
         internal: 127.0.0.1 port = {port}\n\
         external: lo\n\
         clientmethod: none\n\
         socksmethod: none\n\
         user.privileged: root\n\
         user.unprivileged: nobody\n\
         client pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}\n\
         socks pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 command: bind connect udpassociate }}\n\
         socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 command: bindreply udpreply }}\n"
    )
}

pub(crate) fn three_proxy(port: &str) -> String {
    format!("auth none\nallow *\nmaxconn 20000\nsocks -i127.0.0.1 -p{port}\n")
}
