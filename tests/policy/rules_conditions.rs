//! Conditions with mistakes: an error that says what was expected and where, and never `Rules`.

use crate::support::rules::files::assert_problem;

const EMPTY: &str = "leave the field out to match everything";

/// Each is on a line of its own, and among good ones.
fn assert_problems(conditions: &[(&str, &str)]) {
    for (condition, fragment) in conditions {
        let text = format!("default = \"allow\"\n\n[[rules]]\naction = \"deny\"\n{condition}\n");
        assert_problem(&text, 5, fragment);
        let rule = format!("{{ action = \"deny\", {condition} }}");
        let text =
            format!("default = \"allow\"\nrules = [\n{{ action = \"deny\" }},\n{rule},\n]\n");
        assert_problem(&text, 4, fragment);
    }
}

#[test]
fn a_destination_that_is_none() {
    const PLACE: &str = "a name, `*.` and a name, an address or a network, as text";
    assert_problems(&[
        ("to = 80", PLACE),
        ("to = true", PLACE),
        ("to = 1.5", PLACE),
        ("to = 2026-01-01", PLACE),
        ("to = { name = 'a.example' }", PLACE),
        ("to = []", EMPTY),
        ("to = [[]]", PLACE),
        ("to = [['a.example']]", PLACE),
        ("to = ['a.example', 5]", PLACE),
        (
            "to = ['a.example', '*']",
            "`*` would be everything: leave `to` out",
        ),
        ("to = ''", "`` is no name: host name is empty"),
        ("to = '.'", "`.` is no name: host name is empty"),
        ("to = '*'", "leave `to` out"),
        ("to = '*.'", "host name is empty"),
        (
            "to = '*.*'",
            "one is possible as the whole first label only",
        ),
        (
            "to = '*.*.example'",
            "one is possible as the whole first label only",
        ),
        (
            "to = 'a.*.example'",
            "one is possible as the whole first label only",
        ),
        (
            "to = '*a.example'",
            "one is possible as the whole first label only",
        ),
        (
            "to = 'a.example.*'",
            "one is possible as the whole first label only",
        ),
        ("to = '\u{ff0a}.example'", "no `*` in one"),
        (
            "to = '.example.com'",
            "write `*.example.com` for the names below, and `example.com` for",
        ),
        ("to = 'a..example'", "an empty label"),
        ("to = 'example.com..'", "an empty label"),
        ("to = '*..example'", "an empty label"),
        ("to = 'a\u{3002}\u{3002}b'", "an empty label"),
        (
            "to = 'http://example.com'",
            "is an URL: write its host, and the port as `port`",
        ),
        ("to = 'https://[::1]:8/x'", "is an URL"),
        ("to = 'example.com:443'", "has a port: write it as `port`"),
        ("to = '*.example.com:443'", "has a port"),
        ("to = '10.0.0.1:443'", "has a port"),
        ("to = '[::1]:443'", "has a port"),
        (
            "to = 'example.com/path'",
            "what stands before the slash is no address",
        ),
        ("to = 'a.example,b.example'", "no `,` in one"),
        ("to = 'a.example, b.example'", "is no name: "),
        ("to = ' a.example'", "is no name: "),
        ("to = '(www|mail).example'", "no `(` in one"),
        ("to = '!a.example'", "no `!` in one"),
        ("to = 'joe@a.example'", "no `@` in one"),
        ("to = \"a\\u0000b\"", "is no name: "),
        ("to = 'a\u{378}.example'", "is no name: "),
        ("to = '256.1.1.1'", "written like an address, but is none"),
        (
            "to = '10.0.0.0-10.0.0.9'",
            "written like an address, but is none",
        ),
        (
            "to = '10.*'",
            "one is possible as the whole first label only",
        ),
        ("to = '*.10.0.0.1'", "a star in front of an address"),
    ]);
}

#[test]
fn a_network_that_is_none() {
    assert_problems(&[
        ("to = '/8'", "what stands before the slash is no address"),
        ("to = '10/8'", "what stands before the slash is no address"),
        (
            "to = '010.0.0.0/8'",
            "what stands before the slash is no address",
        ),
        (
            "to = '[::1]/128'",
            "what stands before the slash is no address",
        ),
        ("to = '10.0.0.0/'", "must be a number from 0 to 32"),
        ("to = '10.0.0.0/33'", "must be a number from 0 to 32"),
        ("to = '10.0.0.0/-8'", "must be a number from 0 to 32"),
        ("to = '10.0.0.0/+8'", "must be a number from 0 to 32"),
        ("to = '10.0.0.0/8/8'", "must be a number from 0 to 32"),
        ("to = '10.0.0.0/ 8'", "must be a number from 0 to 32"),
        ("to = '10.0.0.0/255.0.0.0'", "must be a number from 0 to 32"),
        ("to = '2001:db8::/129'", "must be a number from 0 to 128"),
        (
            "to = '10.0.0.1/8'",
            "write 10.0.0.0/8 for all of it, or 10.0.0.1 for the address alone",
        ),
        ("to = '2001:db8::1/32'", "write 2001:db8::/32 for all of it"),
        ("to = '::ffff:10.0.0.1/104'", "an address within a network"),
        ("to = '0.0.0.1/0'", "write 0.0.0.0/0 for all of it"),
        ("to = '1:2:3'", "is no network: write it like 192.0.2.0/24"),
        ("to = 'fe80::1%eth0'", "is no network"),
        ("to = '[::1'", "is no network"),
        (
            "client = 'a.example'",
            "`a.example` is no network: write it like 192.0.2.0/24",
        ),
        ("client = '*'", "is no network"),
        ("client = '127.1'", "is no network"),
        (
            "client = '192.0.2.7/24'",
            "write 192.0.2.0/24 for all of it",
        ),
        ("client = 5", "expected an address or a network, as text"),
        ("client = []", EMPTY),
    ]);
}

#[test]
fn a_port_that_is_none() {
    const PORTS: &str = "expected a port, or a range of ports such as \"8000-8999\"";
    assert_problems(&[
        ("port = -1", "-1 is no port: they go from 0 to 65535"),
        ("port = 65536", "65536 is no port: they go from 0 to 65535"),
        ("port = 99999999999999999999", "99999999999999999999"),
        ("port = '65536'", "write a number from 0 to 65535"),
        ("port = '-1'", "or a range like \"8000-8999\""),
        ("port = '+1'", "write a number from 0 to 65535"),
        ("port = '9-8'", "`9-8` is empty: did you mean 8-9?"),
        ("port = '80-'", "is no port"),
        ("port = '80-90-99'", "is no port"),
        ("port = '80,443'", "is no port"),
        ("port = ''", "is no port"),
        ("port = 'http'", "`http` is no port"),
        ("port = true", PORTS),
        ("port = 80.5", PORTS),
        ("port = { first = 80 }", PORTS),
        ("port = [[80]]", "expected a port"),
        ("port = [80, 'x']", "`x` is no port"),
        ("port = []", EMPTY),
    ]);
}

#[test]
fn a_time_that_is_none() {
    const HOURS: &str = "write it like \"08:00-18:00\"";
    const WEEKDAYS: &str = "write mon, tue, wed, thu, fri, sat, sun, or a range like \"mon-fri\"";
    assert_problems(&[
        (
            "time = 8",
            "expected a part of the day, such as \"08:00-18:00\"",
        ),
        ("time = 08:00:00", "expected a part of the day"),
        ("time = '08:00'", HOURS),
        ("time = '8-18'", HOURS),
        ("time = '8:00-18:00'", HOURS),
        ("time = '08:60-09:00'", HOURS),
        ("time = '08:00-24:01'", HOURS),
        ("time = '08:00-18:00:00'", HOURS),
        ("time = '8am-6pm'", HOURS),
        ("time = '08:00-08:00'", "leave `time` out for all of it"),
        ("time = '24:00-06:00'", "it begins at 00:00"),
        ("time = []", EMPTY),
        (
            "weekday = 1",
            "expected a weekday, such as \"mon\" or \"mon-fri\"",
        ),
        ("weekday = 'mo'", WEEKDAYS),
        ("weekday = 'mon-'", WEEKDAYS),
        ("weekday = 'mon-fry'", WEEKDAYS),
        ("weekday = 'mon,tue'", WEEKDAYS),
        ("weekday = ''", WEEKDAYS),
        ("weekday = ['mon', 7]", "expected a weekday"),
        ("weekday = []", EMPTY),
    ]);
}

#[test]
fn a_protocol_that_is_none() {
    const PROTOCOL: &str = "\"socks5\", \"socks4\" or \"http\"";
    assert_problems(&[
        (
            "protocol = 'https'",
            "`https` is not a protocol: use \"socks5\", \"socks4\" or \"http\"",
        ),
        ("protocol = 'SOCKS5'", "`SOCKS5` is not a protocol"),
        ("protocol = ''", "`` is not a protocol"),
        ("protocol = 5", PROTOCOL),
        ("protocol = true", PROTOCOL),
        ("protocol = []", EMPTY),
        (
            "protocol = ['http', 'gopher']",
            "`gopher` is not a protocol",
        ),
        ("protocols = 'http'", "unknown field `protocols`"),
    ]);
}

#[test]
fn a_client_or_a_command_that_is_none() {
    assert_problems(&[
        ("user = 5", "expected a name, as text"),
        (
            "user = true",
            "expected a name, as text, or a list of those",
        ),
        ("user = ''", "an empty name"),
        ("user = ['joe', '']", "an empty name"),
        ("user = []", EMPTY),
        ("group = 5", "expected a name, as text"),
        ("group = ''", "an empty name"),
        ("group = []", EMPTY),
        (
            "command = 1",
            "expected \"connect\", \"bind\", \"udp\", \"resolve\" or \"resolve_ptr\"",
        ),
        (
            "command = 'tcp'",
            "`tcp` is no command: write \"connect\", \"bind\", \"udp\", \"resolve\" or \"resolve_ptr\"",
        ),
        (
            "command = 'CONNECT'",
            "write \"connect\", \"bind\", \"udp\", \"resolve\" or \"resolve_ptr\"",
        ),
        (
            "command = { connect = {} }",
            "expected \"connect\", \"bind\", \"udp\", \"resolve\" or \"resolve_ptr\"",
        ),
        ("command = []", EMPTY),
        ("name = 5", "expected a name, as text"),
        ("name = ['a']", "expected a name, as text"),
        ("name = ''", "an empty name"),
    ]);
}

#[test]
fn a_field_that_is_none() {
    assert_problems(&[
        (
            "users = 'joe'",
            "unknown field `users`, expected one of `action`, `name`, `user`",
        ),
        ("To = 'a.example'", "unknown field `To`"),
        ("ports = 80", "unknown field `ports`"),
        ("enabled = false", "unknown field `enabled`"),
    ]);
}
