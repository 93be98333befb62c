//! Control and bidirectional characters in names: of users, of targets and of rules, everywhere that the
//! example server shows them.

use std::{
    io::{BufRead, Read, Write},
    net::{SocketAddr, TcpListener},
};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::program::{Server, connect_request, exchange, file::File, http::get};

/// An escape sequence, a line of its own, and an order of characters that is another one than it
/// looks like.
const NAME: &str = "j\u{1b}[2J\u{202e}eo\u{2066}\nWARN\u{200b}";

/// The same name, as it is shown.
const SHOWN: &str = r"j\u{1b}[2J\u{202e}eo\u{2066}\nWARN\u{200b}";

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A file with that name for a user and for a rule.
fn file(format: &str) -> File {
    let name = r#""j\u001B[2J\u202Eeo\u2066\nWARN\u200B""#;
    File::new(&format!(
        "[users]\n{name} = \"secret\"\n[metrics]\nlisten = \"127.0.0.1:0\"\n[log]\nformat = \"{format}\"\n\
         [acl]\ndefault = \"allow\"\n[[acl.rules]]\nname = {name}\naction = \"deny\"\nport = 25\n\
         [[acl.rules]]\nname = {name}\naction = \"report\"\nport = 26\n"
    ))
}

fn start(file: &File, log: &str) -> Server {
    let flags = ["--listen", "127.0.0.1:0", "--allow-private", "--config"];
    Server::start(&[&flags[..], &[file.path()]].concat(), log)
}

/// The address of the numbers, out of the log of either format.
fn status(server: &mut Server) -> SocketAddr {
    let line = server.says("metrics at http://");
    let (_, address) = line.split_once("metrics at http://").unwrap();
    let address = address.split(['/', '"', '\n']).next().unwrap();
    address.parse().unwrap()
}

/// The method and the name of the user, let in.
fn log_in(server: &Server) -> std::net::TcpStream {
    let mut client = server.connect();
    exchange(&mut client, b"\x05\x01\x02", 2);
    let mut login = vec![1, u8::try_from(NAME.len()).unwrap()];
    login.extend(NAME.as_bytes());
    login.extend(b"\x06secret");
    assert_eq!(exchange(&mut client, &login, 2), b"\x01\x00");
    client
}

/// Reads lines up to one with this text. None has a character that is hidden, as it is or, in JSON,
/// as it would be shown.
fn says(server: &mut Server, format: &str, text: &str) -> String {
    loop {
        let mut line = String::new();
        assert!(
            server.log.read_line(&mut line).unwrap() > 0,
            "without: {text}"
        );
        let shown = line.trim_end_matches('\n');
        assert!(!shown.contains(is_hidden), "{shown:?}");
        if format == "json" {
            let line: Value = serde_json::from_str(shown).unwrap();
            assert!(is_clean(&line), "{shown}");
        }
        if shown.contains(text) {
            return line;
        }
    }
}

/// Whether no text in a document has a hidden character.
fn is_clean(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.contains(is_hidden),
        Value::Array(values) => values.iter().all(is_clean),
        Value::Object(fields) => fields
            .iter()
            .all(|(name, value)| !name.contains(is_hidden) && is_clean(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

/// What a name looks like in lines of this format.
fn in_line(format: &str) -> String {
    match format {
        "json" => SHOWN.replace('\\', r"\\"),
        _ => SHOWN.to_owned(),
    }
}

#[test]
fn in_both_formats_of_the_log_and_in_the_live_list() {
    for format in ["text", "json"] {
        let file = file(format);
        let mut server = start(&file, "debug");
        let status = status(&mut server);
        let target = TcpListener::bind("127.0.0.1:0").unwrap();

        let mut client = log_in(&server);
        let request = connect_request(target.local_addr().unwrap());
        assert_eq!(exchange(&mut client, &request, 10)[1], 0);
        let (mut accepted, _) = target.accept().unwrap();
        client.write_all(b"x").unwrap();
        accepted.read_exact(&mut [0]).unwrap();

        // The live list, at the signal and for the page.
        server.signal(Signal::USR1);
        let line = says(&mut server, format, "up");
        let line = match line.contains(&in_line(format)) {
            true => line,
            false => says(&mut server, format, &in_line(format)),
        };
        assert!(line.contains(&in_line(format)), "{line}");
        says(&mut server, format, "that is all");
        let (_, body) = get(status, "/status.json");
        let seen: Value = serde_json::from_str(&body).unwrap();
        assert!(is_clean(&seen), "{body}");
        assert_eq!(seen["tunnels"][0]["user"], SHOWN);

        // A rule that refuses, and one that reports.
        for (port, rule) in [(25, "rule 1"), (26, "rule 2")] {
            let mut other = log_in(&server);
            let target = SocketAddr::from(([127, 0, 0, 1], port));
            other.write_all(&connect_request(target)).unwrap();
            let by = format!("{rule} ({})", in_line(format));
            says(&mut server, format, &by);
        }
        let (_, numbers) = get(status, "/metrics");
        assert!(
            !numbers.contains(|c| c != '\n' && is_hidden(c)),
            "{numbers:?}"
        );
        assert!(
            numbers.contains("reason=\"rule 1 (j\\\\u{1b}[2J"),
            "{numbers}"
        );

        // A target whose name has such characters: refused, with a line that has none of them.
        let mut other = log_in(&server);
        let name = "a\u{1b}[2J\u{202e}.example";
        let mut request = vec![5, 1, 0, 3, u8::try_from(name.len()).unwrap()];
        request.extend(name.as_bytes());
        request.extend(80_u16.to_be_bytes());
        assert_ne!(exchange(&mut other, &request, 10)[1], 0);
        says(&mut server, format, "outcome");

        drop((client, accepted));
        server.signal(Signal::TERM);
        assert!(server.ends().success());
        let mut rest = String::new();
        server.log.read_to_string(&mut rest).unwrap();
        assert!(!rest.contains(|c| c != '\n' && is_hidden(c)), "{rest:?}");
        assert!(rest.contains(&in_line(format)), "{rest}");
    }
}

/// The page shows what it gets as text, never as markup.
#[test]
fn the_page_shows_text() {
    let file = file("text");
    let mut server = start(&file, "info");
    let status = status(&mut server);
    let (_, mut page) = get(status, "/");
    // And its scripts, of which it names some and they the rest.
    let mut shown = vec!["/".to_owned()];
    while let Some(script) = page
        .split(|c: char| !(c.is_ascii_lowercase() || c == '.'))
        .map(|name| format!("/{name}"))
        .find(|name| name.ends_with(".js") && !shown.contains(name))
    {
        page += &get(status, &script).1;
        shown.push(script);
    }
    assert!(shown.len() > 2, "{shown:?}");
    assert!(page.contains("textContent"));
    for markup in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
    ] {
        assert!(!page.contains(markup), "{markup}");
    }
}
