//! URLs of proxies, and the environment.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use tokio::{io::AsyncWriteExt, net::TcpListener};
use tower::ServiceExt;
use tower_socks::{
    BoxError, ClientError, Connector, NoAuth,
    connector::{
        BoxConnector,
        direct::Direct,
        proxy_url::{InvalidProxyUrl, NoProxy, ProxyEnv, ProxyUrl},
    },
    proto::Address,
};

use crate::support::{
    Script, connect_to, proxy, stack, texts,
    upstream::{canned, http_proxy},
    within,
};

const CONNECTED: &[u8] = b"\x05\x00\x00\x01\xc6\x33\x64\x07\x10\xe1";

fn url(text: &str) -> ProxyUrl {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn forms_of_urls() {
    for (text, address, shown) in [
        (
            "socks5h://proxy.example",
            "proxy.example:1080",
            "socks5h://proxy.example:1080",
        ),
        (
            "socks5://proxy.example:9",
            "proxy.example:9",
            "socks5://proxy.example:9",
        ),
        (
            "http://proxy.example",
            "proxy.example:80",
            "http://proxy.example:80",
        ),
        (
            "http://proxy.example:3128/",
            "proxy.example:3128",
            "http://proxy.example:3128",
        ),
        (
            "SOCKS5H://Proxy.Example",
            "Proxy.Example:1080",
            "socks5h://proxy.example:1080",
        ),
        (
            " socks5h://127.0.0.1 ",
            "127.0.0.1:1080",
            "socks5h://127.0.0.1:1080",
        ),
        ("socks5h://[::1]:1081", "[::1]:1081", "socks5h://[::1]:1081"),
        (
            "http://[2001:db8::1]",
            "[2001:db8::1]:80",
            "http://[2001:db8::1]:80",
        ),
        (
            "http://[::ffff:192.0.2.1]",
            "192.0.2.1:80",
            "http://192.0.2.1:80",
        ),
        (
            "socks5h://joe@p.example",
            "p.example:1080",
            "socks5h://joe:***@p.example:1080",
        ),
        (
            "socks5h://joe:@p.example",
            "p.example:1080",
            "socks5h://joe:***@p.example:1080",
        ),
        (
            "http://joe:s%40%3A%2F@p.example",
            "p.example:80",
            "http://joe:***@p.example:80",
        ),
        (
            "socks5://j%C3%B6rg:x@p.example",
            "p.example:1080",
            "socks5://jörg:***@p.example:1080",
        ),
        (
            "socks5h://joe:%FF%00%0A@p.example",
            "p.example:1080",
            "socks5h://joe:***@p.example:1080",
        ),
        (
            "socks5h://j%FFe:x@p.example",
            "p.example:1080",
            "socks5h://j\u{fffd}e:***@p.example:1080",
        ),
        ("socks5h://127.1:9", "127.0.0.1:9", "socks5h://127.0.0.1:9"),
        (
            "socks4://127.1",
            "127.0.0.1:1080",
            "socks4://127.0.0.1:1080",
        ),
        (
            "socks4a://joe@p.example:9",
            "p.example:9",
            "socks4a://joe:***@p.example:9",
        ),
        (
            "socks://joe:x@p.example",
            "p.example:1080",
            "socks5h://joe:***@p.example:1080",
        ),
        (
            "http://joe:a%23b%2Fc%3Fd@p.example",
            "p.example:80",
            "http://joe:***@p.example:80",
        ),
        (
            "socks5://j%1Be:x@p.example",
            "p.example:1080",
            "socks5://j\\u{1b}e:***@p.example:1080",
        ),
    ] {
        let url = url(text);
        assert_eq!(
            url.address(),
            &address.parse::<Address>().unwrap(),
            "{text}"
        );
        assert_eq!(url.to_string(), shown, "{text}");
        assert_eq!(format!("{url:?}"), format!("ProxyUrl({shown})"), "{text}");
    }
}

#[test]
fn mistakes_have_a_message_that_says_what_to_write_and_no_secret() {
    let long = format!("socks5h://joe:{}@p.example", "s3cret".repeat(50));
    for (text, message) in [
        ("", "no scheme"),
        ("proxy.example:1080", "no scheme"),
        ("joe:s3cret@proxy.example", "no scheme"),
        ("socks4://joe:s3cret@p.example", "no password"),
        ("socks4a://joe:s3cret@p.example", "no password"),
        ("socks4a://joe%00@p.example", "USERID"),
        #[cfg(not(feature = "tls"))]
        ("https://joe:s3cret@p.example", "takes the feature `tls`"),
        #[cfg(not(feature = "tls"))]
        ("socks5s://joe:s3cret@p.example", "takes the feature `tls`"),
        ("ftp://joe:s3cret@p.example", "scheme is none of"),
        ("socks5h://", "no host"),
        ("socks5h://joe:s3cret@", "no host"),
        ("http://", "no host"),
        ("socks5h://p.example:0", "port 0"),
        ("socks5h://p.example:65536", "port is no number"),
        ("socks5h://p.example:http", "port is no number"),
        ("socks5h://p.example/path", "behind the port"),
        ("socks5h://joe:s3cret/x@p.example", "/ as %2F"),
        ("socks5h://joe:33#s3cret@p.example", "# as %23"),
        ("http://joe:33?s3cret@p.example", "? as %3F"),
        ("http://joe#s3cret@p.example", "# as %23"),
        ("http://joe?s3cret@p.example", "? as %3F"),
        ("socks5h://joe:s3cret@[fe80::1%25eth0]:1080", "zone"),
        ("socks5h://[fe80::1%eth0]", "zone"),
        ("http://[fe80::1%25eth0]", "zone"),
        ("socks5h://p.example?s3cret", "behind the port"),
        ("socks5h://p.example#s3cret", "behind the port"),
        ("socks5h://joe:s3cret%@p.example", "percent sign"),
        ("socks5h://joe:s3cret%4@p.example", "percent sign"),
        ("socks5h://joe:s3cret%zz@p.example", "percent sign"),
        ("http://joe:s3cret%FF@p.example", "not UTF-8"),
        ("socks5h://p%FF.example", "host is not UTF-8"),
        ("socks5h://joe:s3\ncret@p.example", "control character"),
        ("http://joe:s3\tcret@p.example", "control character"),
        ("http:///s3cret", "no host"),
        ("socks5h:///s3cret", "no host"),
        ("http:p.example", "no scheme"),
        ("socks5h://joe:s3cret/x@p.example", "port is no number"),
        ("socks5h://joe:33/s3cret@p.example", "behind the port"),
        ("socks5h://joe:33#s3cret@p.example", "behind the port"),
        ("http://joe:33\\s3cret@p.example", "behind the port"),
        ("socks5h://p.example:+80", "port is no number"),
        ("socks5h://[::1", "malformed"),
        ("http://j%3Ae:s3cret@p.example", "colon"),
        ("http://joe:s3cret%0D%0AX@p.example", "control character"),
        ("socks5h://256.0.0.1", "neither a name nor an address"),
        (
            "socks5h://s3cret%40p.example",
            "neither a name nor an address",
        ),
        (
            "socks5h://p.example%2Fs3cret",
            "neither a name nor an address",
        ),
        (
            "socks5://p%3Cs3cret.example",
            "neither a name nor an address",
        ),
        (
            "socks5://p%7Cs3cret.example",
            "neither a name nor an address",
        ),
        (&long, "longer than the 255 octets"),
    ] {
        let error = text.parse::<ProxyUrl>().expect_err(text);
        assert!(error.to_string().contains(message), "{text}: {error}");
        assert!(!texts(&error).contains("s3cret"), "{text}: {error}");
    }
}

#[tokio::test]
async fn what_the_url_says_is_what_the_proxy_hears() {
    let (way, logs) = canned([[b"\x05\x02\x01\x00", CONNECTED].concat()]);
    let connector = url("socks5h://joe:p%40ss@proxy.example").connector_via(way);
    connector
        .oneshot("target.example:80".parse::<Address>().unwrap())
        .await
        .unwrap();
    let said = [
        b"\x05\x02\x02\x00\x01\x03joe\x04p@ss",
        &*connect_to("target.example:80"),
    ];
    let mut heard = logs[0].written().0;
    // The order of the methods is the client's business.
    heard[2..4].sort_unstable_by(|one, other| other.cmp(one));
    assert_eq!(
        heard.escape_ascii().to_string(),
        said.concat().escape_ascii().to_string()
    );

    // Octets that are no text.
    let (way, logs) = canned([[b"\x05\x02\x01\x00", CONNECTED].concat()]);
    let connector = url("socks5h://j%FF:%00%0a@proxy.example").connector_via(way);
    connector
        .oneshot("target.example:80".parse::<Address>().unwrap())
        .await
        .unwrap();
    let heard = logs[0].written().0;
    assert!(heard[4..].starts_with(b"\x01\x02j\xff\x02\x00\x0a"));

    // socks5 without the h: an address.
    let (way, logs) = canned([[b"\x05\x00", CONNECTED].concat()]);
    let connector = url("socks5://proxy.example").connector_via(way);
    connector
        .oneshot(Address::new("localhost", 80).unwrap())
        .await
        .unwrap();
    let heard = logs[0].written().0;
    assert!(matches!(heard[3..7], [5, 1, 0, 1 | 4]), "{heard:?}");

    // SOCKS4: a USERID, and a name with the a alone.
    let granted = b"\x00\x5a\0\0\0\0\0\0";
    let (way, logs) = canned([granted]);
    let connector = url("socks4a://j%FFe@proxy.example").connector_via(way);
    let target = Address::new("target.example", 80).unwrap();
    connector.oneshot(target).await.unwrap();
    let heard = logs[0].written().0;
    assert_eq!(heard, b"\x04\x01\x00\x50\0\0\0\x01j\xffe\0target.example\0");
    let (way, logs) = canned([granted]);
    let connector = url("socks4://proxy.example").connector_via(way);
    let target = Address::new("localhost", 80).unwrap();
    connector.oneshot(target).await.unwrap();
    assert_eq!(logs[0].written().0, b"\x04\x01\x00\x50\x7f\0\0\x01\0");

    let (way, logs) = canned([b"HTTP/1.1 200 OK\r\n\r\n"]);
    let connector = url("http://Aladdin:open%20sesame@proxy.example").connector_via(way);
    connector
        .oneshot("target.example:80".parse::<Address>().unwrap())
        .await
        .unwrap();
    let heard = String::from_utf8(logs[0].written().0).unwrap();
    assert!(heard.contains("\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"));
}

#[tokio::test]
async fn urls_chain_at_run_time() {
    within(async {
        let heads = Arc::new(Mutex::new(Vec::new()));
        let first = http_proxy(Arc::clone(&heads)).await;
        let second = proxy(stack(NoAuth, Connector::direct())).await;
        let chain = url(&format!("socks5h://{second}"))
            .connector_via(url(&format!("http://{first}")).connector());
        let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::Ip(target.local_addr().unwrap());
        let mut stream = chain.oneshot(address).await.unwrap();
        let (mut accepted, _) = target.accept().await.unwrap();
        accepted.say(b"hello").await;
        accepted.shutdown().await.unwrap();
        stream.hear(b"hello").await;
        assert!(heads.lock().unwrap()[0].starts_with(&format!("CONNECT {second} ")));
    })
    .await;
}

#[tokio::test]
async fn a_list_of_urls_is_a_chain() {
    within(async {
        let heads = Arc::new(Mutex::new(Vec::new()));
        let mut urls = Vec::new();
        for _ in 0..2 {
            let http = http_proxy(Arc::clone(&heads)).await;
            let socks = proxy(stack(NoAuth, Connector::direct())).await;
            urls.push(format!("http://{http}"));
            urls.push(format!("socks5h://{socks}"));
        }
        let mut way: BoxConnector<Address> = BoxConnector::new(Direct::new());
        for text in &urls {
            way = BoxConnector::new(url(text).connector_via(way));
        }
        let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::Ip(target.local_addr().unwrap());
        let mut stream = way.oneshot(address).await.unwrap();
        let (mut accepted, _) = target.accept().await.unwrap();
        accepted.say(b"hello").await;
        stream.hear(b"hello").await;
        stream.say(b"goodbye").await;
        accepted.hear(b"goodbye").await;

        // Each HTTP proxy was asked for the SOCKS proxy behind it.
        let heads = heads.lock().unwrap();
        let behind = [&urls[1], &urls[3]].map(|url| url.replace("socks5h://", "CONNECT "));
        assert_eq!(heads.len(), 2);
        for (head, behind) in heads.iter().zip(behind) {
            assert!(head.starts_with(&format!("{behind} ")), "{head}");
        }
    })
    .await;
}

/// What curl 7.88 does too.
#[test]
fn hosts_without_a_proxy() {
    without_a_proxy(&[
        ("", "example.com:80", false),
        ("*", "example.com:80", true),
        ("*", "192.0.2.1:80", true),
        ("example.com", "example.com:80", true),
        ("example.com", "www.example.com:80", true),
        ("example.com", "wwwexample.com:80", false),
        ("example.com", "example.com.evil.test:80", false),
        (".example.com", "www.example.com:80", true),
        (".example.com", "example.com:80", true),
        ("example.com.", "example.com:80", true),
        ("example.com", "EXAMPLE.com.:80", true),
        ("EXAMPLE.COM", "example.com:80", true),
        ("localhost,example.com", "localhost:80", true),
        ("localhost, example.com", "example.com:80", true),
        ("localhost example.com", "example.com:80", true),
        (" , ,example.com,", "example.com:80", true),
        (",,", "example.com:80", false),
        ("192.0.2.1", "192.0.2.1:80", true),
        ("192.0.2.1", "192.0.2.10:80", false),
        ("192.0.2.0/24", "192.0.2.200:80", true),
        ("192.0.2.0/24", "192.0.3.1:80", false),
        ("192.0.2.0/33", "192.0.2.1:80", false),
        ("2001:db8::1", "[2001:db8::1]:80", true),
        ("10.0.0.0/8", "ten.example:80", false),
        ("example.com:8080", "example.com:80", false),
        ("[2001:db8::1]:8080", "[2001:db8::1]:80", false),
        ("*,example.org", "example.com:80", false),
        ("example.org,*", "192.0.2.1:80", false),
        ("localhost\texample.com", "example.com:80", true),
        ("192.0.2.77/24", "192.0.2.200:80", true),
        ("192.0.2.0", "192.0.2.1:80", false),
        ("0.0.0.0/0", "[2001:db8::1]:80", false),
        ("::/0", "192.0.2.1:80", false),
        ("::ffff:192.0.2.0/120", "192.0.3.1:80", false),
        ("::ffff:192.0.2.0/95", "192.0.2.1:80", false),
        ("2001:db8::1/129", "[2001:db8::1]:80", false),
        ("example.com:99999", "example.com:80", false),
        ("example.com:", "example.com:80", false),
        (".", "example.com:80", false),
        ("127.0.0.1", "0x7f.1:80", true),
    ]);
}

/// Networks of IPv6 are in curl's documentation and not in what 7.88 does; the rest is more than it
/// reads.
#[test]
fn hosts_without_a_proxy_that_curl_does_not_see() {
    without_a_proxy(&[
        ("192.0.2.1", "[::ffff:192.0.2.1]:80", true),
        ("[2001:db8::1]", "[2001:db8::1]:80", true),
        ("2001:db8::/32", "[2001:db8:1::1]:80", true),
        ("example.com:8080", "example.com:8080", true),
        ("[2001:db8::1]:8080", "[2001:db8::1]:8080", true),
        ("192.0.2.1:80", "192.0.2.1:80", true),
        ("0.0.0.0/0", "192.0.2.1:80", true),
        ("::ffff:192.0.2.1", "192.0.2.1:80", true),
        ("::ffff:192.0.2.0/120", "192.0.2.200:80", true),
        ("2001:db8::1/64", "[2001:db8::2]:80", true),
        (" *", "example.com:80", true),
        ("\t*\n", "192.0.2.1:80", true),
        ("*,", "[2001:db8::1]:80", true),
        ("*.example.com", "www.example.com:80", true),
        ("*.example.com", "example.com:80", false),
        ("*.example.com", "wwwexample.com:80", false),
        ("*.example.com:8080", "www.example.com:8080", true),
        ("*.example.com:8080", "www.example.com:80", false),
        ("10/8", "10.1.2.3:80", true),
        ("10/8", "11.1.2.3:80", false),
        ("192.168/16", "192.168.7.1:80", true),
        ("172.16/12:80", "172.31.0.1:80", true),
        ("172.16/12:80", "172.31.0.1:81", false),
        ("10/33", "10.1.2.3:80", false),
        ("a.example\nb.example", "b.example:80", true),
        ("a.example\u{a0}b.example", "b.example:80", true),
        ("bücher.example", "xn--bcher-kva.example:80", true),
        ("xn--bcher-kva.example", "bücher.example:80", true),
    ]);
}

#[test]
fn entries_that_are_not_understood_are_told() {
    let list = "a.example, http://b.example/ 10/33\n192.0.2.0/24,a*.example *. *, c.example:99999 \
                300.1.1.1/8 1.2.3.4.5/8 *.d.example 10/8 *";
    let Ok(hosts) = list.parse::<NoProxy>();
    let left_out: Vec<_> = hosts.left_out().collect();
    assert_eq!(
        left_out,
        [
            "http://b.example/",
            "10/33",
            "a*.example",
            "*.",
            "*",
            "c.example:99999",
            "300.1.1.1/8",
            "1.2.3.4.5/8",
            "*",
        ]
    );
    let env = env(&[("NO_PROXY", "a.example 10/33")]).unwrap();
    assert!(env.no_proxy().left_out().eq(["10/33"]));
    for list in ["", "*", " * ", "localhost", ", ,"] {
        let Ok(hosts) = list.parse::<NoProxy>();
        assert_eq!(hosts.left_out().count(), 0, "{list:?}");
    }
}

/// Nothing would go through that proxy.
#[test]
fn without_a_proxy_for_anything_its_url_does_not_matter() {
    for all_proxy in ["joe:s3cret@p.example", "ftp://p.example"] {
        let of = |no_proxy: &'static str| {
            ProxyEnv::from_lookup(|name| match name {
                "ALL_PROXY" => Some(all_proxy.into()),
                "NO_PROXY" => Some(no_proxy.into()),
                _ => None,
            })
        };
        of(" * ").unwrap();
        of("*,a.example").unwrap_err();
        of("").unwrap_err();
    }
    #[cfg(unix)]
    ProxyEnv::from_lookup(|name| {
        use std::os::unix::ffi::OsStringExt;

        match name {
            "all_proxy" => Some(std::ffi::OsString::from_vec(vec![0xff])),
            "no_proxy" => Some("*".into()),
            _ => None,
        }
    })
    .unwrap();
}

fn without_a_proxy(table: &[(&str, &str, bool)]) {
    for &(list, target, included) in table {
        let Ok(hosts) = list.parse::<NoProxy>();
        let target: Address = target.parse().unwrap();
        assert_eq!(hosts.includes(&target), included, "{list:?} {target}");
    }
}

fn env(variables: &'static [(&str, &str)]) -> Result<ProxyEnv, InvalidProxyUrl> {
    ProxyEnv::from_lookup(|name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).into())
    })
}

#[test]
fn the_environment() {
    let shown = |variables| format!("{:?}", env(variables).unwrap());
    let proxy = shown(&[("ALL_PROXY", "socks5h://joe:s3cret@p.example")]);
    assert!(
        proxy.contains("ProxyUrl(socks5h://joe:***@p.example:1080)"),
        "{proxy}"
    );
    let small = shown(&[("ALL_PROXY", "http://large"), ("all_proxy", "http://small")]);
    assert!(small.contains("http://small:80"), "{small}");
    let empty = shown(&[("all_proxy", ""), ("ALL_PROXY", "http://large")]);
    assert!(empty.contains("http://large:80"), "{empty}");
    assert!(shown(&[]).contains("proxy: None"));
    for (variables, told) in [
        (&[("ALL_PROXY", "joe:s3cret@p.example")], "ALL_PROXY is not"),
        (&[("all_proxy", "ftp://p.example")], "all_proxy is not"),
    ] {
        let error = env(variables).unwrap_err();
        assert!(error.to_string().starts_with(told), "{error}");
        assert!(!texts(&error).contains("s3cret"), "{error}");
    }
}

#[test]
fn connectors_show_no_secret() {
    for text in ["socks5://", "socks5h://", "http://"] {
        let url = url(&format!("{text}joe:s3cret@p.example"));
        let env = ProxyEnv::new(Some(url.clone()), NoProxy::default());
        let shown = format!("{:?} {env:?} {:?}", url.connector(), env.connector());
        assert!(!shown.contains("s3cret"), "{shown}");
        // "joe:s3cret", encoded.
        assert!(!shown.contains("am9lOnMzY3JldA"), "{shown}");
    }
}

#[tokio::test]
async fn the_environment_decides_for_each_target() {
    within(async {
        let heads = Arc::new(Mutex::new(Vec::new()));
        let through = http_proxy(Arc::clone(&heads)).await;
        let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = target.local_addr().unwrap().port();
        let without = "127.0.0.1".parse().unwrap();
        let env = ProxyEnv::new(Some(url(&format!("http://{through}"))), without);
        let connector = env.connector();

        let address = Address::new("127.0.0.1", port).unwrap();
        connector.clone().oneshot(address.clone()).await.unwrap();
        assert_eq!(heads.lock().unwrap().len(), 0);
        let name = Address::new("localhost", port).unwrap();
        connector.oneshot(name).await.unwrap();
        assert_eq!(heads.lock().unwrap().len(), 1);

        let none = ProxyEnv::default().connector();
        none.oneshot(address).await.unwrap();
        assert_eq!(heads.lock().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_url_to_nobody_says_who_cannot_be_reached() {
    let (port, _reserved) = crate::support::sockets::closed_port();
    let connector = url(&format!("socks5h://joe:s3cret@127.0.0.1:{port}")).connector();
    let target: Address = "target.example:80".parse().unwrap();
    let error: BoxError = connector.oneshot(target).await.unwrap_err();
    assert!(matches!(
        error.downcast_ref(),
        Some(ClientError::Unreachable { .. })
    ));
    assert!(!texts(&*error).contains("s3cret"));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), scheme in "socks5h?|http") {
        let _ = text.parse::<ProxyUrl>();
        let _ = text.parse::<NoProxy>();
        if let Ok(url) = format!("{scheme}://{text}").parse::<ProxyUrl>() {
            // What is shown leaves out the password and nothing else that matters.
            let again: ProxyUrl = url.to_string().parse().unwrap_or_else(|_| url.clone());
            prop_assert_eq!(again.address(), url.address());
        }
    }

    #[test]
    fn any_name_and_password_come_through(name in "[^:\u{0}-\u{1f}\u{7f}-\u{9f}]{1,40}", password in "[^\u{0}-\u{1f}\u{7f}-\u{9f}]{0,40}") {
        let encode = |text: &str| text.bytes().map(|octet| format!("%{octet:02x}")).collect::<String>();
        let text = format!("http://{}:{}@p.example", encode(&name), encode(&password));
        let url: ProxyUrl = text.parse().unwrap();
        let (way, logs) = canned([b"HTTP/1.1 200 OK\r\n\r\n"]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let target: Address = "a.example:1".parse().unwrap();
        runtime.block_on(url.connector_via(way).oneshot(target)).unwrap();
        let (way, expected) = canned([b"HTTP/1.1 200 OK\r\n\r\n"]);
        let basic = tower_socks::connector::upstream::BasicAuth::new(&name, &password).unwrap();
        let upstream = tower_socks::connector::upstream::HttpUpstream::new(url.address().clone());
        let target: Address = "a.example:1".parse().unwrap();
        runtime.block_on(upstream.credentials(basic).via(way).oneshot(target)).unwrap();
        prop_assert_eq!(logs[0].written(), expected[0].written());
    }
}
