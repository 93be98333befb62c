//! Mistakes in what the example server is told about its listeners: each is said with its place.

use crate::support::program::{complaint, file::File};

#[test]
fn a_mistake_is_said_with_the_listener_and_its_field() {
    for (listen, expected) in [
        (
            "[[listen]]\n",
            "listener 1: a listener has an `address` or a `path`",
        ),
        (
            "[[listen]]\naddress = \"127.0.0.1:0\"\npath = \"/x\"\n",
            "listener 1: a listener has an `address` or a `path`, one of them",
        ),
        (
            "[[listen]]\naddress = \"127.0.0.1:0\"\n[[listen]]\npath = \"/x\"\nmode = \"9\"\n",
            "listener 2, mode: permissions",
        ),
        (
            "[[listen]]\naddress = \"127.0.0.1:0\"\nmode = \"0600\"\n",
            "listener 1: `mode`",
        ),
        (
            "[[listen]]\npath = \"/x\"\nmode = 660\n",
            "listener 1, mode: ",
        ),
        ("[[listen]]\npath = \"\"\n", "listener 1: the path is empty"),
        (
            "[[listen]]\naddress = \"1080\"\n",
            "listener 1: 1080: expected ADDR:PORT",
        ),
        (
            "[[listen]]\nadress = \"127.0.0.1:0\"\n",
            "listener 1, adress: unknown field",
        ),
        (
            "listen = [\"127.0.0.1:0\", \"x\"]\n",
            "listener 2: x: expected ADDR:PORT",
        ),
        (
            "listen = []\n",
            "listen: nobody could connect to an empty list",
        ),
        (
            "protocols = [\"gopher\"]\n",
            "protocols: `gopher` is not socks5, socks4 or http",
        ),
        ("protocols = []\n", "protocols: nobody could speak"),
        (
            "[[listen]]\naddress = \"127.0.0.1:0\"\nprotocols = [\"SOCKS5\"]\n",
            "listener 1, protocols: `SOCKS5` is not",
        ),
        (
            "[[listen]]\naddress = \"127.0.0.1:0\"\ntls = true\n",
            "listener at 127.0.0.1:0, tls: `true` takes the settings of `[tls]`",
        ),
        (
            "[[listen]]\naddress = \"127.0.0.1:0\"\ntls = { certificate = \"/x\" }\n",
            "listener 1, tls: missing field `key`",
        ),
        (
            "[[listen]]\naddress = \"127.0.0.1:0\"\ntls = { certificate = \"/x\", key = \"/y\", identity = \"common_name\" }\n",
            "listener at 127.0.0.1:0, tls: `identity` is about certificates of clients",
        ),
        (
            "[tls]\ncertificate = \"/nowhere/c.pem\"\nkey = \"/nowhere/k.pem\"\n",
            "listener at 127.0.0.1:1080, tls: /nowhere/c.pem: ",
        ),
        (
            "[[listen]]\npath = \"/x\"\nproxy_protocol = { from = [\"10.0.0.0/8\"] }\n",
            "listener at /x, proxy_protocol: nobody comes to a Unix socket from a network",
        ),
        (
            "[proxy_protocol]\nfrom = [\"10.0.0.1/8\"]\n",
            "proxy_protocol, from: `10.0.0.1/8`: ",
        ),
        (
            "[proxy_protocol]\nfrom = []\n",
            "proxy_protocol, from: nobody is in an empty list",
        ),
        (
            "[[listen]]\npath = \"/x\"\nname = \"a\"\n[[listen]]\npath = \"/y\"\nname = \"a\"\n",
            "listen: two listeners have one name",
        ),
    ] {
        let file = File::new(listen);
        let said = complaint(&["--config", file.path(), "--check"]);
        assert!(said.contains(expected), "{listen}: {said}");
    }
}

#[test]
fn flags_that_do_not_go_together_are_said() {
    for (flags, expected) in [
        (
            &["--tls-key", "/x"][..],
            "--tls-key needs --tls-certificate",
        ),
        (
            &["--tls-certificate", "/x"],
            "--tls-certificate needs --tls-key",
        ),
        (
            &["--protocols", "socks5,gopher"],
            "--protocols: `gopher` is not",
        ),
        (&["--protocols", ""], "--protocols: "),
        (
            &["--proxy-protocol-from", "x"],
            "--proxy-protocol-from `x`: ",
        ),
    ] {
        let said = complaint(flags);
        assert!(said.contains(expected), "{flags:?}: {said}");
    }
}
