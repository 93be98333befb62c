//! `[pac]`: the script for browsers. `.ci/clients.d/pac.sh` runs it.

use rustix::process::Signal;

use crate::{
    status::status,
    support::program::{
        complaint,
        file::File,
        http::{ask, get},
    },
};

const METRICS: &str = "[metrics]\nlisten = \"127.0.0.1:0\"\n";

/// The value of a variable of the script.
fn value(script: &str, name: &str) -> String {
    let line = format!("\nvar {name} = ");
    let (_, rest) = script.split_once(&line).unwrap();
    rest.lines()
        .next()
        .unwrap()
        .trim_end_matches(';')
        .to_owned()
}

#[test]
fn the_script_has_the_listeners_and_what_rules_allow() {
    let rules = "[acl]\ndefault = \"allow\"\n[[acl.rules]]\naction = \"allow\"\n\
                 to = [\"10.1.0.0/16\", \"*.corp\", \"wiki\", \"example.com\", \"2001:db8::/32\"]\n\
                 [[acl.rules]]\naction = \"deny\"\nto = [\"192.168.0.0/16\", \"intranet.lan\"]\n";
    let text = format!(
        "{rules}{METRICS}[pac]\nhost = \"127.0.0.1\"\ndirect = [\"192.0.2.0/24\", \"*.here.example\"]\n"
    );
    let file = File::new(&text);
    let mut server = file.server();
    let status = status(&mut server);
    let port = server.address.port();
    // By any name: it tells nothing of anybody.
    let request = "GET /wpad.dat HTTP/1.1\r\nHost: wpad.example\r\nConnection: close\r\n\r\n";
    let (head, script) = ask(status, request);
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(
        head.contains("content-type: application/x-ns-proxy-autoconfig\r\n"),
        "{head}"
    );
    assert_eq!(get(status, "/proxy.pac").1, script);
    assert_eq!(
        value(&script, "proxies"),
        format!("\"PROXY 127.0.0.1:{port}; SOCKS5 127.0.0.1:{port}; SOCKS 127.0.0.1:{port}\"")
    );
    let through: serde_json::Value = serde_json::from_str(&value(&script, "through")).unwrap();
    assert_eq!(through["names"], serde_json::json!(["wiki"]));
    assert_eq!(through["below"], serde_json::json!(["corp"]));
    assert_eq!(through["ipv4"], serde_json::json!(["0000101000000001"]));
    assert_eq!(through["ipv6"], serde_json::json!([]));
    let direct: serde_json::Value = serde_json::from_str(&value(&script, "direct")).unwrap();
    assert_eq!(
        direct["below"],
        serde_json::json!(["localhost", "here.example"])
    );
    assert_eq!(direct["ipv4"][0], "01111111");

    // It follows the rules.
    file.write(&text.replace("\"wiki\"", "\"intra\""));
    server.signal(Signal::HUP);
    server.says("reloaded");
    let (_, script) = get(status, "/proxy.pac");
    assert!(value(&script, "through").contains("\"intra\""), "{script}");
}

#[test]
fn an_address_of_its_own_has_nothing_else() {
    let pac = "[pac]\nproxies = [\"HTTPS proxy.example:443\", \"PROXY [2001:db8::1]:3128\"]\nlisten = \"127.0.0.1:0\"\n";
    let file = File::new(pac);
    let mut server = file.server();
    let line = server.says("pac at http://");
    let (_, place) = line.trim_end().split_once("http://").unwrap();
    let place = place.trim_end_matches("/proxy.pac").parse().unwrap();
    let (head, script) = get(place, "/proxy.pac");
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert_eq!(
        value(&script, "proxies"),
        "\"HTTPS proxy.example:443; PROXY [2001:db8::1]:3128\""
    );
    for path in ["/", "/metrics", "/status.json", "/live", "/admin/close"] {
        assert!(get(place, path).0.starts_with("HTTP/1.1 404"), "{path}");
    }
    let post = format!("POST /proxy.pac HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n");
    assert!(ask(place, &post).0.starts_with("HTTP/1.1 405"));
}

#[test]
fn without_the_table_there_is_none() {
    let file = File::new(METRICS);
    let mut server = file.server();
    let status = status(&mut server);
    for path in ["/proxy.pac", "/wpad.dat"] {
        assert!(get(status, path).0.starts_with("HTTP/1.1 404"), "{path}");
    }
}

/// With users, browsers have no way to say who they are by SOCKS.
#[test]
fn with_users_browsers_are_sent_to_http() {
    let file = File::new(&format!(
        "{METRICS}[users]\njoe = \"x\"\n[pac]\nhost = \"localhost\"\n"
    ));
    let mut server = file.server();
    let status = status(&mut server);
    let port = server.address.port();
    let (_, script) = get(status, "/proxy.pac");
    assert_eq!(
        value(&script, "proxies"),
        format!("\"PROXY localhost:{port}\"")
    );
}

#[test]
fn mistakes() {
    let with = |pac: &str| format!("{METRICS}[pac]\n{pac}");
    for (text, problem) in [
        (
            "[pac]\nhost = \"proxy.example\"\n".to_owned(),
            "pac: nobody gets it",
        ),
        (with(""), "pac: by which name or address"),
        (
            with("host = \"proxy.example\"\n"),
            "pac, host: no listener is one that browsers elsewhere can use",
        ),
        (with("host = 'x\";alert(1)//'\n"), "pac, host: "),
        (with("host = \"a b\"\n"), "pac, host: "),
        (
            with("proxies = [\"proxy.example:443\"]\n"),
            "expected KIND HOST:PORT",
        ),
        (
            with("proxies = [\"DIRECT proxy.example:443\"]\n"),
            "one of PROXY, HTTPS, SOCKS5 and SOCKS",
        ),
        (
            with("proxies = [\"PROXY proxy.example:0\"]\n"),
            "expected KIND HOST:PORT",
        ),
        (
            with("proxies = ['PROXY a\"; DIRECT:1']\n"),
            "is no name of a host",
        ),
        (
            with("host = \"x.example\"\nproxies = [\"PROXY x.example:1\"]\n"),
            "`host` is for the listeners",
        ),
        (with("direct = [\"http://x\"]\n"), "pac, direct"),
        (with("hosts = \"x\"\n"), "unknown field `hosts`"),
    ] {
        let file = File::new(&text);
        let said = complaint(&["--listen", "127.0.0.1:0", "--config", file.path()]);
        assert!(said.contains(problem), "{text}: {said}");
    }
}
