//! Files with mistakes: an error that says what was expected and where, and never `Rules`.

use tower_socks::Rules;

use crate::support::rules::files::{assert_problem, problem};

#[test]
fn a_file_that_is_none() {
    const ACTION: &str = "write \"allow\", \"deny\" or \"report\"";
    const RULE: &str = "expected a rule: a table with `action` and conditions";
    for (text, line, fragment) in [
        ("", 1, "missing field `default`"),
        ("rules = []", 1, "missing field `default`"),
        ("[[rules]]\naction = 'allow'", 1, "missing field `default`"),
        ("\ndefault = 'Deny'", 2, ACTION),
        ("\ndefault = 'drop'", 2, "`drop` is no action"),
        ("\ndefault = ''", 2, ACTION),
        (
            "\ndefault = false",
            2,
            "expected \"allow\", \"deny\" or \"report\"",
        ),
        (
            "\ndefault = ['deny']",
            2,
            "expected \"allow\", \"deny\" or \"report\"",
        ),
        (
            "\ndefault = { allow = {} }",
            2,
            "expected \"allow\", \"deny\" or \"report\"",
        ),
        (
            "\n[default]\nallow = true",
            2,
            "expected \"allow\", \"deny\" or \"report\"",
        ),
        (
            "\ndefualt = 'deny'",
            2,
            "unknown field `defualt`, expected one of `default`",
        ),
        ("default = 'deny'\ndefault = 'allow'", 2, "duplicate key"),
        (
            "default = 'deny'\n\nversion = 1",
            3,
            "unknown field `version`",
        ),
        (
            "default = 'deny'\n[[rule]]\naction = 'allow'",
            2,
            "unknown field `rule`",
        ),
        (
            "default = 'deny'\n[rules]\naction = 'allow'",
            2,
            "expected a sequence",
        ),
        ("default = 'deny'\nrules = {}", 2, "expected a sequence"),
        (
            "default = 'deny'\nrules = 'allow'",
            2,
            "expected a sequence",
        ),
        ("default = 'deny'\nrules = [\n'allow',\n]", 3, RULE),
        ("default = 'deny'\nrules = [\n['allow'],\n]", 3, RULE),
        ("default = 'deny'\nrules = [\n[['allow']],\n]", 3, RULE),
        ("default = 'deny'\nrules = [\n5,\n]", 3, RULE),
        ("default = 'deny'\n[[rules]]", 2, "missing field `action`"),
        (
            "default = 'deny'\n[[rules]]\nto = 'a.example'",
            2,
            "missing field `action`",
        ),
        ("default = 'deny'\n[[rules]]\naction = 'permit'", 3, ACTION),
        ("default = 'deny'\n[[rules]]\naction = 'ALLOW'", 3, ACTION),
        (
            "default = 'deny'\n[[rules]]\naction = ['allow']",
            3,
            "expected \"allow\"",
        ),
        (
            "default = 'deny'\n[[rules]]\naction = { allow = {} }",
            3,
            "expected \"allow\"",
        ),
        (
            "default = 'deny'\n[[rules]]\naction = 'allow'\nto = 'a'\nto = 'b'",
            5,
            "duplicate key",
        ),
        (
            "default = 'deny'\nallow_private = 1",
            2,
            "expected a boolean",
        ),
        (
            "default = 'deny'\nallow_private = 'yes'",
            2,
            "expected a boolean",
        ),
        (
            "default = 'deny'\nallow-private = true",
            2,
            "unknown field `allow-private`",
        ),
        (
            "default = 'deny'\ntime_zone = 'Europe/Berlinn'",
            2,
            "like \"Europe/Berlin\" or \"UTC\"",
        ),
        (
            "default = 'deny'\ntime_zone = ''",
            2,
            "is no time zone that this machine knows",
        ),
        (
            "default = 'deny'\ntime_zone = '../../etc/passwd'",
            2,
            "is no time zone",
        ),
        (
            "default = 'deny'\ntime_zone = 1",
            2,
            "expected a time zone, such as \"Europe/Berlin\"",
        ),
        (
            "default = 'deny'\ngroups = []",
            2,
            "a list of users for each group",
        ),
        (
            "default = 'deny'\n[groups]\nstaff = 'joe'",
            3,
            "expected a sequence",
        ),
        (
            "default = 'deny'\n[groups]\nstaff = ['joe', 5]",
            3,
            "expected a name, as text",
        ),
        (
            "default = 'deny'\n[groups]\nstaff = ['']",
            3,
            "an empty name",
        ),
        (
            "default = 'deny'\n[groups]\n'' = ['joe']",
            3,
            "an empty name",
        ),
        (
            "default = 'deny'\n[groups]\nstaff = ['joe']\nstaff = []",
            4,
            "duplicate key",
        ),
        ("default = deny", 1, "string"),
        ("default: deny", 1, "expected"),
    ] {
        assert_problem(text, line, fragment);
    }
}

#[test]
fn a_group_that_is_none() {
    for (text, fragment) in [
        (
            "default = 'deny'\n[groups]\nstaff = []\nnight = []\n[[rules]]\naction = 'deny'\ngroup = 'stuff'",
            "rule 1, group: there is no group `stuff`: the groups are night, staff",
        ),
        (
            "default = 'deny'\nrules = [{ action = 'deny' }, { action = 'deny', group = ['a', 'b'] }]\n\
             [groups]\na = ['joe']",
            "rule 2, group: there is no group `b`: the groups are a",
        ),
        (
            "default = 'deny'\n[groups]\n[[rules]]\naction = 'deny'\ngroup = 'staff'",
            "rule 1, group: there is no group `staff`: `groups` is empty",
        ),
    ] {
        let (message, _) = problem(text);
        assert!(message.contains(fragment), "{message}");
    }
}

#[test]
fn json_that_is_none() {
    const RULE: &str = "expected a rule: a table with `action` and conditions";
    const FILE: &str = "expected a table with `default` and `rules`";
    for (text, fragment) in [
        ("", "EOF"),
        ("null", FILE),
        ("5", FILE),
        ("\"deny\"", FILE),
        ("[]", FILE),
        (r#"["allow"]"#, FILE),
        (r#"["allow", true, null, null, []]"#, FILE),
        (r#"{}"#, "missing field `default`"),
        (r#"{"default": null}"#, "expected \"allow\""),
        (r#"{"default": {"allow": null}}"#, "expected \"allow\""),
        (r#"{"default": "deny",}"#, "trailing comma"),
        (r#"{"default": "deny"} {}"#, "trailing characters"),
        (
            r#"{"default": "deny", "default": "allow"}"#,
            "duplicate field `default`",
        ),
        (
            r#"{"default": "deny", "rules": null}"#,
            "expected a sequence",
        ),
        (r#"{"default": "deny", "rules": {}}"#, "expected a sequence"),
        (r#"{"default": "deny", "rules": [null]}"#, RULE),
        (r#"{"default": "deny", "rules": [["allow"]]}"#, RULE),
        (
            r#"{"default": "deny", "rules": [{}]}"#,
            "missing field `action`",
        ),
        (
            r#"{"default": "deny", "allow_private": null}"#,
            "expected a boolean",
        ),
        (
            r#"{"default": "deny", "time_zone": null}"#,
            "expected a time zone",
        ),
        (
            r#"{"default": "deny", "groups": null}"#,
            "a list of users for each group",
        ),
        (
            r#"{"default": "deny", "groups": {"a": null}}"#,
            "expected a sequence",
        ),
        (
            r#"{"default": "deny", "groups": {"a": ["joe"], "b": [], "a": ["jim"]}}"#,
            "the group `a` is there twice",
        ),
    ] {
        let error = serde_json::from_str::<Rules>(text).unwrap_err();
        assert!(error.to_string().contains(fragment), "{text}: {error}");
    }
    for (condition, fragment) in [
        (r#""to": null"#, "expected a name, `*.` and a name"),
        (r#""to": [null]"#, "expected a name, `*.` and a name"),
        (
            r#""to": "a.example", "to": "b.example""#,
            "duplicate field `to`",
        ),
        (r#""action": "deny""#, "duplicate field `action`"),
        (r#""name": null"#, "expected a name, as text"),
        (
            r#""user": null"#,
            "expected a name, as text, or a list of those",
        ),
        (r#""port": null"#, "expected a port"),
        (r#""port": 1e2"#, "expected a port"),
        (
            r#""port": 18446744073709551615"#,
            "18446744073709551615 is no port",
        ),
        (r#""time": null"#, "expected a part of the day"),
        (r#""weekday": [null]"#, "expected a weekday"),
        (r#""command": null"#, "expected \"connect\""),
        (r#""port": {"": {"": [[[]]]}}"#, "expected a port"),
    ] {
        let text = format!(
            "{{\"default\": \"deny\",\n\"rules\": [{{\"action\": \"allow\",\n{condition}}}]}}"
        );
        let error = serde_json::from_str::<Rules>(&text).unwrap_err();
        assert!(error.to_string().contains(fragment), "{text}: {error}");
        assert_eq!(error.line(), 3, "{text}: {error}");
    }
    let not_text =
        b"{\"default\": \"deny\", \"rules\": [{\"action\": \"deny\", \"user\": \"\xff\"}]}";
    assert!(serde_json::from_slice::<Rules>(not_text).is_err());
    let deep = "[".repeat(100_000);
    assert!(serde_json::from_str::<Rules>(&deep).is_err());
}

#[test]
fn what_only_looks_strange_is_taken() {
    for (text, rules) in [
        ("default = 'deny'", 0),
        ("default = 'report'\nrules = []", 0),
        ("default = 'deny'\n[groups]", 0),
        ("default = 'deny'\n[groups]\nstaff = []", 0),
        (
            "default = 'deny'\ntime_zone = 'UTC'\nallow_private = false",
            0,
        ),
        (
            "default = 'deny'\n[[rules]]\naction = 'deny'\n[[rules]]\naction = 'deny'",
            2,
        ),
        // Without `groups` they are those of the identities.
        (
            "default = 'deny'\n[[rules]]\naction = 'deny'\ngroup = 'staff'",
            1,
        ),
        (
            "default = 'deny'\n[[rules]]\naction = 'deny'\nport = ['0', 65535, '0-65535', ' 1 - 2 ']",
            1,
        ),
        (
            "default = 'deny'\n[[rules]]\naction = 'deny'\nto = ['0.0.0.0/0', '::/0', '[::1]', '127.1']",
            1,
        ),
        (
            "default = 'deny'\n[[rules]]\naction = 'deny'\nto = ['a.', '_a', '*.x', 'a', 'a', 'xn--a']",
            1,
        ),
        (
            "default = 'deny'\n[[rules]]\naction = 'deny'\ntime = ['00:00-24:00', '23:59-00:00']",
            1,
        ),
        (
            "default = 'deny'\n[[rules]]\naction = 'deny'\nweekday = ['Sat-MON', 'tuesday', 'fri-fri']",
            1,
        ),
        (
            "default = 'deny'\n[[rules]]\naction = 'deny'\nname = \"new\\nline\"\nuser = ' '",
            1,
        ),
    ] {
        let read: Result<Rules, _> = toml::from_str(text);
        assert_eq!(read.map(|read| read.len()), Ok(rules), "{text}");
        let table: toml::Table = toml::from_str(text).unwrap();
        let read: Result<Rules, _> = serde_json::from_value(serde_json::to_value(table).unwrap());
        assert_eq!(read.map(|read| read.len()).ok(), Some(rules), "{text}");
    }
}
