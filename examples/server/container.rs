//! Started in a container: what is different there is said aloud.

/// Whether an image or its engine says that this is a container, by the variable that systemd's conventions have for it.
fn is_container() -> bool {
    std::env::var_os("container").is_some_and(|engine| !engine.is_empty())
}

/// Returns what else there is to do about a proxy that anyone could use.
pub(crate) fn how_to_add_users() -> &'static str {
    if is_container() {
        ". In a container: docker run -p 1080:1080 IMAGE --user NAME:PASSWORD, or \
         -v ./config.toml:/etc/tower-socks/config.toml:ro in front of IMAGE"
    } else {
        ""
    }
}

/// Logs what holds in a container alone.
pub(crate) fn log_defaults() {
    if is_container() {
        tracing::info!(
            "in a container: BIND and UDP ASSOCIATE tell clients addresses of the container, unless `public_address` and \
             `ports` of [udp] and [bind] say others that are published; UDP over TCP needs no second port. It writes to \
             /var/lib/tower-socks and /var/log/tower-socks alone, and stops after `drain`, which has to be shorter than \
             docker stop --time"
        );
    }
}
