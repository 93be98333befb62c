//! Names, addresses, and addresses that pose as names.

use proptest::prelude::*;
use tower_socks::proto::{
    self, Address, Decode, Decoded, DomainName, InvalidName, ParseAddressError, UdpHeader,
};

fn host(text: &str) -> Result<String, InvalidName> {
    Address::new(text, 0).map(|address| match address {
        Address::Ip(address) => address.ip().to_string(),
        Address::Name(name, _) => format!("name {name}"),
    })
}

#[test]
fn r13_every_notation_of_an_address_is_that_address() {
    for (text, address) in [
        ("127.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("127.0.1", "127.0.0.1"),
        ("127.65535", "127.0.255.255"),
        ("127.0.65535", "127.0.255.255"),
        ("127.16777215", "127.255.255.255"),
        ("0x7f.1", "127.0.0.1"),
        ("0X7F.0x0.0.0X1", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0x7F000001", "127.0.0.1"),
        ("0x000000007f000001", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("0000177.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("4294967295", "255.255.255.255"),
        ("0", "0.0.0.0"),
        ("00", "0.0.0.0"),
        ("0x0", "0.0.0.0"),
        ("0.0", "0.0.0.0"),
        ("10.0x10", "10.0.0.16"),
        ("1.2.3.010", "1.2.3.8"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::FFFF:7F00:1", "127.0.0.1"),
        ("[::ffff:127.0.0.1]", "127.0.0.1"),
        ("0:0:0:0:0:ffff:7f00:0001", "127.0.0.1"),
        ("fe80::1", "fe80::1"),
        ("2001:DB8::1", "2001:db8::1"),
        // Digits, dots and letters that UTS 46 maps to those of ASCII, and characters that it drops.
        ("127.0.0.\u{ff11}", "127.0.0.1"),
        ("\u{ff11}\u{ff12}\u{ff17}.0.0.1", "127.0.0.1"),
        ("127.0.0.\u{1d7cf}", "127.0.0.1"),
        ("127.0.0.\u{2460}", "127.0.0.1"),
        ("127\u{3002}0\u{3002}0\u{3002}1", "127.0.0.1"),
        ("127\u{ff0e}0\u{ff0e}0\u{ff0e}1", "127.0.0.1"),
        ("127\u{ff61}1", "127.0.0.1"),
        ("0\u{ff58}7f000001", "127.0.0.1"),
        ("127.0.0.\u{ad}1", "127.0.0.1"),
        ("127.0.0.\u{200b}1", "127.0.0.1"),
        ("127.0.0.1\u{ad}", "127.0.0.1"),
        ("\u{ff3b}::1\u{ff3d}", "::1"),
    ] {
        assert_eq!(host(text).as_deref(), Ok(address), "{text}");
        for dots in [".", "..", "..."] {
            let dotted = format!("{text}{dots}");
            assert_eq!(host(&dotted).as_deref(), Ok(address), "{dotted}");
        }
    }
}

#[test]
fn r13_what_only_looks_like_an_address_is_refused() {
    for text in [
        "1.2.3.4.5",
        "1.2.3.4.5.6.7.8.9",
        "256.1.1.1",
        "1.256.1.1",
        "1.1.1.256",
        "127.0.0.256",
        "127.16777216",
        "127.0.65536",
        "4294967296",
        "99999999999999999999999",
        "0x100000000",
        "0x",
        "0X",
        "127.0.0.0x",
        "1.0x.1.1",
        "08",
        "09.1",
        "127.0.0.08",
        "0o177.1",
        "a.1",
        "example.1",
        "example.0x7f",
        "1..1",
        ".1",
        "..127.1",
        // Digits that UTS 46 leaves as they are.
        "127.0.0.\u{0661}",
        "127.0.0.\u{ff12}56",
        "a.\u{ff11}",
        // IPv6 that is none, or that names an interface.
        "fe80::1%eth0",
        "fe80::1%1",
        "[fe80::1%25eth0]",
        "::1%",
        ":",
        ":::",
        "::g",
        "1:2:3:4:5:6:7:8:9",
        "::127.1",
        "::ffff:0x7f.1",
        "[::1",
        "::1]",
        "[]",
        "[[::1]]",
        "[127.0.0.1]",
        "[example.com]",
        "example.com:80",
        "127.0.0.1:80",
        "127.0.0.1%eth0",
    ] {
        for dots in ["", "."] {
            let text = format!("{text}{dots}");
            assert_eq!(host(&text), Err(InvalidName::Address), "{text}");
        }
    }
}

#[test]
fn r13_names_stay_names() {
    for text in [
        "localhost",
        "example.com",
        "1.example",
        "127.0.0.1.example",
        "0x7f.com",
        "0x7f.0x7g",
        "1e3",
        "deadbeef",
        "0xg",
        "a--b.c",
        "xn--nxasmq6b.example",
        "127-0-0-1.example",
        "1.2.3.4.in-addr.arpa",
        "_srv._tcp.example",
        "-",
        "+1",
        "-1",
        "127.0.0.+1",
        "1a",
        "under_score",
        "10.0.0.1.nip.io",
    ] {
        assert_eq!(host(text), Ok(format!("name {text}")), "{text}");
    }
}

/// Whatever a client writes for one host, there is one name for it: rules, resolvers, upstreams, limits and
/// the log see no other.
#[test]
fn a_name_has_one_form() {
    for (written, name) in [
        ("example.com", "example.com"),
        ("EXAMPLE.Com", "example.com"),
        ("example.com.", "example.com"),
        ("example.com...", "example.com"),
        ("_Srv.Example.", "_srv.example"),
        ("B\u{fc}cher.example", "xn--bcher-kva.example"),
        ("BU\u{308}CHER.example.", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.Example", "xn--bcher-kva.example"),
        (
            "b\u{fc}cher\u{3002}example\u{3002}",
            "xn--bcher-kva.example",
        ),
        ("\u{ff25}XAMPLE\u{ff0e}com", "example.com"),
        ("ex\u{ad}ample.com", "example.com"),
        ("fa\u{df}.example", "xn--fa-hia.example"),
        ("m\u{fc}nchen.example", "xn--mnchen-3ya.example"),
        ("\u{4f8b}\u{3048}.example", "xn--r8jz45g.example"),
        ("a+b~c.example", "a+b~c.example"),
        ("*.example", "*.example"),
    ] {
        let made = DomainName::new(written).unwrap();
        assert_eq!(made.as_str(), name, "{written}");
        assert_eq!(made, DomainName::new(name).unwrap(), "{written}");
        let target: Address = format!("{written}:80").parse().unwrap();
        assert_eq!(target.to_string(), format!("{name}:80"), "{written}");
        // As it comes from a client, in a request and in a datagram.
        let len = u8::try_from(written.len()).unwrap();
        let field = [&[3, len], written.as_bytes(), &[0, 80]].concat();
        let request = [&[5, 1, 0][..], &field].concat();
        let Ok(Decoded::Done(request, _)) = proto::Request::decode(&request) else {
            panic!("{written}")
        };
        assert_eq!(request.target, target, "{written}");
        let Ok(Decoded::Done(header, _)) = UdpHeader::decode(&[&[0, 0, 0][..], &field].concat())
        else {
            panic!("{written}")
        };
        assert_eq!(header.address, target, "{written}");
    }
}

#[test]
fn what_no_host_can_be_called_is_no_name() {
    use InvalidName::{Address as Looks, Empty, Literal, Octet, TooLong};

    for (text, problem) in [
        ("a<b", Octet),
        ("a>b", Octet),
        ("a\"b", Octet),
        ("a/b", Octet),
        ("a?b", Octet),
        ("a#b", Octet),
        ("a@b", Octet),
        ("a^b", Octet),
        ("a|b", Octet),
        ("a`b", Octet),
        ("a{b}", Octet),
        // To resolvers that read names as zone files have them, `ex\097mple.com` is example.com.
        ("ex\\097mple.com", Octet),
        ("ex\u{ff3c}ample.com", Octet),
        ("a\u{ff1c}b.example", Octet),
        ("a\u{a8}b.example", Octet),
        ("xn--\u{fc}.example", Octet),
        ("a\u{378}.example", Octet),
        ("\u{202e}moc.elpmaxe", Octet),
        ("a..b", Empty),
        (".a", Empty),
        ("a\u{3002}\u{ff0e}b", Empty),
        ("\u{3002}", Empty),
        ("\u{ad}", Empty),
        ("a:80", Looks),
        ("a%b", Looks),
        ("a\u{ff1a}80", Looks),
        ("a.\u{ff11}", Looks),
        ("127.1", Literal),
        ("[::1]", Literal),
        ("\u{ff11}\u{ff12}\u{ff17}.1", Literal),
    ] {
        assert_eq!(DomainName::new(text), Err(problem), "{text}");
    }
    // An A-label can be longer than what it is made of.
    let wide = vec!["\u{fc}"; 85].join(".");
    assert_eq!(wide.len(), 254);
    assert_eq!(DomainName::new(&wide), Err(TooLong));
}

#[test]
fn r13_a_mapped_address_is_the_address_that_a_dial_reaches() {
    let mapped = Address::Ip("[::ffff:127.0.0.1]:80".parse().unwrap());
    let canonical = mapped.canonical().unwrap();
    assert_eq!(canonical, Address::Ip("127.0.0.1:80".parse().unwrap()));
    // The same bits elsewhere mean something else.
    let compatible: Address = "[::127.0.0.1]:80".parse().unwrap();
    assert_eq!(compatible.ip().map(|address| address.is_ipv6()), Some(true));
}

#[test]
fn r5_names_have_1_to_255_octets_without_spaces_and_controls() {
    use InvalidName::{Empty, Octet, TooLong};

    assert!(DomainName::new("x").is_ok());
    assert!(DomainName::new(&"x".repeat(255)).is_ok());
    assert_eq!(DomainName::new(""), Err(Empty));
    assert_eq!(DomainName::new(&"x".repeat(256)), Err(TooLong));
    // Octets count, not characters.
    assert_eq!(DomainName::new(&"\u{fc}".repeat(128)), Err(TooLong));
    for bad in [
        "a\0",
        "\0a",
        "a b",
        " a",
        "a ",
        "a\tb",
        "a\r\n",
        "a\x7f",
        "a\x1b[0m",
        "a\u{85}b",
        "a\u{a0}b",
        "a\u{3000}b",
        "a\u{2028}b",
    ] {
        assert_eq!(DomainName::new(bad), Err(Octet), "{bad:?}");
        assert_eq!(host(bad), Err(Octet), "{bad:?}");
    }
    for dots in [".", "..", "..."] {
        assert_eq!(host(dots), Err(Empty), "{dots}");
    }
}

#[test]
fn text_needs_a_port_and_ipv6_brackets() {
    let parse = str::parse::<Address>;
    assert_eq!(parse("[::1]:80").unwrap().to_string(), "[::1]:80");
    assert_eq!(parse("example.com:0").unwrap().port(), 0);
    assert_eq!(
        parse("0x7f.1:65535").unwrap().to_string(),
        "127.0.0.1:65535"
    );
    assert_eq!(parse("::1:80"), Err(ParseAddressError::Brackets));
    for text in [
        "",
        "example.com",
        "example.com:",
        "a:65536",
        "a:-1",
        "a:+1",
        "a: 1",
        "a:1 ",
        "a:http",
        "a:\u{0661}",
        "[::1]",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
    let no_host = ParseAddressError::Host(InvalidName::Empty);
    assert_eq!(parse(":80"), Err(no_host));
}

#[test]
fn a_link_local_address_may_have_a_zone_in_text() {
    let parse = str::parse::<Address>;
    let scoped = parse("[fe80::1%7]:80").unwrap();
    assert_eq!(scoped.to_string(), "[fe80::1%7]:80");
    assert!(matches!(scoped.ip(), Some(std::net::SocketAddr::V6(v6)) if v6.scope_id() == 7));
    for text in [
        "[fe80::1%no-such-interface]:80",
        "[fe80::1%]:80",
        "[fe80::1%e th]:80",
        "[2001:db8::1%7]:80",
        "[example.com%7]:80",
        "fe80%7:80",
        "example.com%7:80",
    ] {
        let malformed = Err(ParseAddressError::Host(InvalidName::Address));
        assert_eq!(parse(text), malformed, "{text}");
    }
    // From a client it is none.
    assert_eq!(host("fe80::1%7"), Err(InvalidName::Address));
}

proptest! {
    #[test]
    fn r13_all_numeric_notations_agree(address: u32) {
        let [a, b, c, d] = address.to_be_bytes();
        let (low24, low16) = (address & 0x00ff_ffff, address & 0xffff);
        let expected = format!("{a}.{b}.{c}.{d}");
        for text in [
            format!("{address}"),
            format!("{address:#x}"),
            format!("0{address:o}"),
            format!("{a}.{low24}"),
            format!("{a:#x}.0{b:o}.{low16:#X}").replace("0X", "0x"),
            format!("0{a:o}.{b:#x}.{c}.0{d:o}"),
            format!("::ffff:{expected}"),
            format!("[::ffff:{:x}:{:x}]", address >> 16, low16),
        ] {
            prop_assert_eq!(host(&text), Ok(expected.clone()), "{}", text);
        }
    }

    /// A name in normal form is its own normal form, and nothing in it ends a line or a host.
    #[test]
    fn the_normal_form_is_settled(text in "\\PC{1,20}(\\.\\PC{1,12}){0,2}") {
        if let Ok(name) = DomainName::new(&text) {
            prop_assert_eq!(DomainName::new(&name), Ok(name.clone()));
            let plain = |octet: u8| octet.is_ascii_graphic() && !b"/\\?#@\"<>:[]%".contains(&octet);
            prop_assert!(name.bytes().all(plain) && !name.ends_with('.'), "{}", name);
            prop_assert_eq!(name.to_ascii_lowercase(), name.as_str());
        }
    }

    /// Resolvers take nothing for an address whose last part is no number.
    #[test]
    fn r13_a_name_never_ends_in_a_number(
        text in "(0[xX]?)?[0-9a-fA-F]{0,11}(\\.(0[xX]?)?[0-9a-fA-F]{0,4}){0,4}\\.?",
    ) {
        if let Ok(seen) = host(&text) && seen.starts_with("name ") {
            let last = text.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
            let digits = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
            let number = digits.is_some_and(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))
                || last.bytes().all(|b| b.is_ascii_digit());
            prop_assert!(!number, "{}", text);
        }
    }
}
