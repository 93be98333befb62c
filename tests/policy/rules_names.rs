//! Names in `Rules`: one host, however it is written.

use tower_socks::proto::DomainName;

use crate::support::rules::{allows, named, only, toml};

#[test]
fn case_and_dots_at_the_end_mean_nothing() {
    for to in [
        "example.com",
        "EXAMPLE.COM",
        "Example.Com.",
        "*.com",
        "*.COM.",
    ] {
        let rules = only(to);
        for name in [
            "example.com",
            "ExAmPlE.cOm",
            "example.com.",
            "EXAMPLE.COM...",
            "example.com..",
        ] {
            assert!(allows(&rules, name), "{to}: {name}");
        }
        assert!(!allows(&rules, "example.comx"), "{to}");
        assert!(!allows(&rules, "example.com.x"), "{to}");
        assert!(!allows(&rules, "com"), "{to}");
    }
}

#[test]
fn a_name_has_one_form_in_every_script() {
    let same: &[&[&str]] = &[
        &[
            "b\u{fc}cher.example",
            "B\u{dc}CHER.EXAMPLE",
            "bu\u{308}cher.example",
            "xn--bcher-kva.example",
            "XN--BCHER-KVA.EXAMPLE",
            "Xn--Bcher-Kva.Example.",
            "b\u{fc}cher\u{3002}example",
            "b\u{fc}cher.example\u{3002}",
            "b\u{fc}\u{ad}cher.example",
            "\u{ff42}\u{fc}\u{ff43}\u{ff48}\u{ff45}\u{ff52}\u{ff0e}example",
        ],
        &[
            "example.com",
            "\u{ff45}\u{ff58}\u{ff41}\u{ff4d}\u{ff50}\u{ff4c}\u{ff45}.com",
            "\u{ff25}XAMPLE.\u{ff23}OM",
            "example\u{3002}com",
            "example\u{ff0e}com\u{ff61}",
            "ex\u{ad}ample.com",
            "\u{24d4}xample.com",
            "exam\u{200b}ple.com",
        ],
        &[
            "fa\u{df}.example",
            "FA\u{1e9e}.example",
            "xn--fa-hia.example",
        ],
        &["fass.example", "FASS.example"],
        &[
            "\u{4f8b}\u{3048}.jp",
            "xn--r8jz45g.jp",
            "XN--R8JZ45G.JP",
            "\u{4f8b}\u{3048}\u{3002}jp",
        ],
        &["\u{3b1}\u{3c2}.gr", "xn--mxa8a.gr"],
        &["\u{3b1}\u{3c3}.gr", "\u{391}\u{3a3}.GR", "xn--mxa0b.gr"],
    ];
    for (number, one) in same.iter().enumerate() {
        for stated in *one {
            let exact = only(stated);
            let below = only(&format!("*.{stated}"));
            for (other, names) in same.iter().enumerate() {
                for name in *names {
                    assert_eq!(allows(&exact, name), number == other, "{stated}: {name}");
                    let sub = format!("www.{name}");
                    assert_eq!(allows(&below, &sub), number == other, "*.{stated}: {sub}");
                    assert!(!allows(&below, name), "*.{stated}: {name}");
                }
            }
        }
    }
}

#[test]
fn exact_names_what_is_below_and_the_apex() {
    let rules = toml(
        r#"
        default = "deny"
        rules = [
            { action = "allow", to = ["exact.example", "*.below.example"] },
            { action = "allow", to = ["both.example", "*.both.example"] },
            { action = "deny", to = "secret.deep.example" },
            { action = "allow", to = "*.deep.example" },
            { action = "allow", to = "*.tld" },
            { action = "allow", to = "single" },
        ]
        "#,
    );
    for (name, rule) in [
        ("exact.example", 1),
        ("www.exact.example", 0),
        ("inexact.example", 0),
        ("below.example", 0),
        ("a.below.example", 1),
        ("a.b.c.d.e.f.below.example", 1),
        ("abelow.example", 0),
        ("below.example.com", 0),
        ("both.example", 2),
        ("a.both.example", 2),
        ("secret.deep.example", 3),
        ("a.secret.deep.example", 4),
        ("deep.example", 0),
        ("example", 0),
        ("tld", 0),
        ("anything.tld", 5),
        ("single", 6),
        ("a.single", 0),
    ] {
        let decided = rules.explain(&named(name)).rule().unwrap_or_default();
        assert_eq!(decided, rule, "{name}");
        let decided = rules.explain(&named(&name.to_uppercase())).rule();
        assert_eq!(decided.unwrap_or_default(), rule, "{name}");
    }
}

#[test]
fn labels_are_compared_whole() {
    let rules = only("*.example.com");
    for name in [
        "xexample.com",
        "www.xexample.com",
        "www.example.comx",
        "www.example-com",
        "wwwexample.com",
    ] {
        assert!(!allows(&rules, name), "{name}");
    }
    for name in [
        "_dmarc.example.com",
        "a_b.example.com",
        "-.example.com",
        "a--b.example.com",
    ] {
        assert!(allows(&rules, name), "{name}");
        assert!(allows(&only(name), name), "{name}");
    }
}

#[test]
fn the_longest_names_with_the_most_labels() {
    let labels = |count: usize| vec!["a"; count].join(".");
    // 127 labels in 253 octets, and two dots.
    let hostile = format!("{}..", labels(127));
    assert_eq!(hostile.len(), DomainName::MAX_LEN);
    let name = labels(127);
    for (to, expected) in [
        (labels(127), true),
        (labels(126), false),
        ("*.a".to_owned(), true),
        (format!("*.{}", labels(63)), true),
        (format!("*.{}", labels(126)), true),
        (format!("*.{}", labels(127)), false),
        (format!("*.b.{}", labels(3)), false),
    ] {
        let rules = only(&to);
        assert_eq!(allows(&rules, &hostile), expected, "{to}");
        assert_eq!(allows(&rules, &name), expected, "{to}");
    }
    let dots = ".".repeat(DomainName::MAX_LEN);
    assert!(DomainName::new(&dots).is_err());
    let octets = "a".repeat(DomainName::MAX_LEN);
    assert!(allows(&only(&octets), &octets));
    // One character of two octets in each label makes Punycode of more than 255.
    let wide = vec!["\u{fc}"; 85].join(".");
    assert_eq!(wide.len(), 254);
    assert!(DomainName::new(&wide).is_err());
}
