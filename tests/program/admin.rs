//! `[admin]`: who can close tunnels, and who cannot.

use std::{
    io::Read,
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    page::{json, json_once, target, tunnel},
    status::status,
    support::program::{Server, complaint, file::File, http::ask, program},
};

/// Of the password `open sesame`, cheap to verify.
fn hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| bcrypt::hash("open sesame", 4).unwrap())
}

fn file(admin: &str) -> File {
    let users = "[users]\njoe = \"x\"\njane = \"x\"\n\"<b>\" = \"x\"\n";
    File::new(&format!(
        "{users}[metrics]\nlisten = \"127.0.0.1:0\"\n{admin}"
    ))
}

/// A browser, as far as this goes.
struct Browser {
    status: SocketAddr,
    cookie: String,
    token: String,
}

impl Browser {
    fn headers(&self) -> String {
        let Self {
            status,
            cookie,
            token,
        } = self;
        format!(
            "Host: {status}\r\nOrigin: http://{status}\r\nSec-Fetch-Site: same-origin\r\n\
             Content-Type: application/json\r\nCookie: other=1; {cookie}\r\nX-Admin-Token: {token}\r\n"
        )
    }

    fn post(&self, path: &str, body: &str) -> (String, String) {
        post(self.status, path, &self.headers(), body)
    }

    fn sign_in(status: SocketAddr, password: &str) -> Result<Self, String> {
        let mut browser = Self {
            status,
            cookie: String::new(),
            token: String::new(),
        };
        let body = serde_json::json!({ "password": password }).to_string();
        let (head, body) = browser.post("/admin/sign-in", &body);
        if !head.starts_with("HTTP/1.1 200") {
            return Err(head);
        }
        let (_, cookie) = head.split_once("set-cookie: ").unwrap();
        let cookie = cookie.lines().next().unwrap();
        let port = status.port();
        assert!(
            cookie.starts_with(&format!("tower-socks-admin-{port}=")),
            "{cookie}"
        );
        assert!(
            cookie.ends_with("; Path=/admin; HttpOnly; SameSite=Strict"),
            "{cookie}"
        );
        let body: Value = serde_json::from_str(&body).unwrap();
        cookie
            .split(';')
            .next()
            .unwrap()
            .clone_into(&mut browser.cookie);
        body["token"]
            .as_str()
            .unwrap()
            .clone_into(&mut browser.token);
        Ok(browser)
    }
}

fn post(status: SocketAddr, path: &str, headers: &str, body: &str) -> (String, String) {
    let length = body.len();
    ask(
        status,
        &format!(
            "POST {path} HTTP/1.1\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ),
    )
}

fn code(answer: &(String, String)) -> &str {
    answer.0.split(' ').nth(1).unwrap()
}

/// The server has ended the connection.
fn is_closed(mut client: TcpStream) {
    let mut rest = Vec::new();
    // A reset is an end as well.
    _ = client.read_to_end(&mut rest);
    assert!(rest.is_empty());
}

fn page_admin() -> File {
    file(&format!("[admin]\npassword_hash = \"{}\"\n", hash()))
}

#[test]
fn tunnels_are_closed_from_the_page() {
    let file = page_admin();
    let mut server = file.server();
    let status = status(&mut server);
    let target = target();
    let [joe, other, jane, odd] =
        ["joe", "joe", "jane", "<b>"].map(|user| tunnel(&server, user, target));
    let seen = json(status, "/status.json?user=jane");
    assert_eq!(seen["admin"], true);
    let id = &seen["tunnels"][0]["id"];

    let browser = Browser::sign_in(status, "open sesame").unwrap();
    let line = server.says("signed in");
    assert!(
        line.contains(" INFO admin: ") && line.contains("by=127.0.0.1:"),
        "{line}"
    );
    let closed = browser.post("/admin/close", &format!("{{\"id\":{id}}}"));
    assert_eq!(closed.1, "{\"closed\":1}", "{}", closed.0);
    let line = server.says("closing a tunnel");
    for part in [
        &format!("id={id}"),
        "user=\"jane\"",
        &format!("target=\"{target}\""),
        "by=127.0.0.1:",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    // The line of the session tells this from a limit.
    server.says("closed by the operator");
    is_closed(jane);
    // Not listed a second later, but at once.
    json_once(status, "/status.json", |seen| seen["matching"] == 3);
    assert_eq!(
        browser.post("/admin/close", &format!("{{\"id\":{id}}}")).1,
        "{\"closed\":0}"
    );

    assert_eq!(
        browser.post("/admin/close", "{\"user\":\"joe\"}").1,
        "{\"closed\":2}"
    );
    server.says("asked to close tunnels of joe");
    is_closed(joe);
    is_closed(other);
    assert_eq!(
        browser.post("/admin/close", "{\"user\":\"<b>\"}").1,
        "{\"closed\":1}"
    );
    is_closed(odd);

    assert_eq!(code(&browser.post("/admin/sign-out", "")), "200");
    assert_eq!(
        code(&browser.post("/admin/close", "{\"user\":\"joe\"}")),
        "401"
    );
}

#[test]
fn forged_requests_close_nothing() {
    let file = page_admin();
    let mut server = file.server();
    let status = status(&mut server);
    let _open = tunnel(&server, "joe", target());
    let browser = Browser::sign_in(status, "open sesame").unwrap();
    let good = browser.headers();
    let close = "{\"user\":\"joe\"}";
    let own = format!("Origin: http://{status}\r\n");
    let port = status.port();
    for (from, to, expected) in [
        // Another page, in whatever it may do.
        (&*own, "", "403"),
        (&own, "Origin: null\r\n", "403"),
        (&own, "Origin: http://evil.example\r\n", "403"),
        (&own, &*format!("Origin: https://{status}\r\n"), "403"),
        (
            &own,
            &format!("Origin: http://{status}.evil.example\r\n"),
            "403",
        ),
        (&own, &format!("Origin: http://localhost:{port}\r\n"), "403"),
        ("same-origin", "cross-site", "403"),
        ("same-origin", "same-site", "403"),
        ("application/json", "text/plain", "415"),
        (
            "application/json",
            "application/x-www-form-urlencoded",
            "415",
        ),
        // A name of somebody else's that leads here.
        (
            &format!("Host: {status}"),
            &format!("Host: evil.example:{port}"),
            "421",
        ),
        // One half of the secrets, and guesses.
        ("Cookie: other=1; tower", "Cookie: other=1; power", "401"),
        ("X-Admin-Token: ", "X-Admin: ", "401"),
        ("X-Admin-Token: ", "X-Admin-Token: 0", "401"),
    ] {
        let headers = good.replace(from, to);
        assert_ne!(headers, good);
        let answer = post(status, "/admin/close", &headers, close);
        assert_eq!(code(&answer), expected, "{to}: {answer:?}");
        assert!(!answer.0.contains("access-control"), "{}", answer.0);
    }
    for method in ["GET", "PUT", "OPTIONS", "HEAD"] {
        let answer = ask(
            status,
            &format!("{method} /admin/close?user=joe HTTP/1.1\r\n{good}Connection: close\r\n\r\n"),
        );
        assert_eq!(code(&answer), "405", "{method}");
        assert!(!answer.0.contains("access-control"), "{}", answer.0);
    }
    for body in [
        "",
        "{}",
        "joe",
        "{\"user\":\"joe\",\"id\":0}",
        "{\"all\":true}",
        &"x".repeat(9000),
    ] {
        assert_eq!(
            code(&post(status, "/admin/close", &good, body)),
            "400",
            "{body}"
        );
    }
    // Everything was well formed but what was changed.
    assert_eq!(json(status, "/status.json")["open"], 1);
    assert_eq!(
        post(status, "/admin/close", &good, close).1,
        "{\"closed\":1}"
    );
}

#[test]
fn guesses_are_slow() {
    let file = page_admin();
    let mut server = file.server();
    let status = status(&mut server);
    let refused = |password: &str| Browser::sign_in(status, password).err().unwrap();
    assert!(refused("open").starts_with("HTTP/1.1 401"));
    server.says("wrong password");
    let head = refused("open sesame");
    assert!(
        head.starts_with("HTTP/1.1 429") && head.contains("retry-after: "),
        "{head}"
    );
    // Those that are sent together are no faster.
    let guesses: Vec<_> = (0..20)
        .map(|_| std::thread::spawn(move || Browser::sign_in(status, "guess").err().unwrap()))
        .collect();
    let looked_at = guesses.into_iter().filter_map(|guess| {
        let head = guess.join().unwrap();
        assert!(head.starts_with("HTTP/1.1 4"), "{head}");
        head.starts_with("HTTP/1.1 401").then_some(())
    });
    assert!(looked_at.count() <= 1);
    // Whoever knows it gets in after some seconds.
    let started = Instant::now();
    while Browser::sign_in(status, "open sesame").is_err() {
        assert!(started.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn without_the_table_there_is_no_such_address() {
    let file = file("");
    let mut server = file.server();
    let status = status(&mut server);
    assert_eq!(json(status, "/status.json")["admin"], false);
    for path in ["/admin/sign-in", "/admin/close", "/admin/", "/close"] {
        let answer = post(
            status,
            path,
            &format!("Host: {status}\r\n"),
            "{\"user\":\"joe\"}",
        );
        assert_eq!(code(&answer), "404", "{path}");
        let answer = ask(
            status,
            &format!("GET {path} HTTP/1.1\r\nHost: {status}\r\nConnection: close\r\n\r\n"),
        );
        assert_eq!(code(&answer), "404", "{path}");
    }
    // Nor with a socket, on the page.
    let socket = std::env::temp_dir().join(format!("tower-socks-only-{}", std::process::id()));
    let file = self::file(&format!("[admin]\nsocket = {socket:?}\n"));
    let mut server = file.server();
    let status = self::status(&mut server);
    let answer = post(
        status,
        "/admin/sign-in",
        &format!("Host: {status}\r\n"),
        "{}",
    );
    assert_eq!(code(&answer), "404");
}

fn close(server: &std::path::Path, what: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.arg("close").arg("--socket").arg(server).args(what);
    command.output().unwrap()
}

#[test]
fn tunnels_are_closed_over_the_socket() {
    let socket = std::env::temp_dir().join(format!("tower-socks-admin-{}", std::process::id()));
    let file = file(&format!("[admin]\nsocket = {socket:?}\n"));
    let mut server: Server = file.server();
    let status = status(&mut server);
    let mode = std::fs::symlink_metadata(&socket)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let target = target();
    let [joe, other, jane] = ["joe", "joe", "jane"].map(|user| tunnel(&server, user, target));

    let closed = close(&socket, &["--user", "joe"]);
    assert_eq!(
        (&*closed.stdout, closed.status.code()),
        (&b"closed 2 tunnels\n"[..], Some(0))
    );
    let user = rustix::process::getuid().as_raw();
    let line = server.says("asked to close tunnels of joe");
    assert!(line.contains(&format!("by=uid {user}")), "{line}");
    is_closed(joe);
    is_closed(other);
    let closed = close(&socket, &["--user", "nobody"]);
    assert_eq!(
        (&*closed.stdout, closed.status.code()),
        (&b"closed 0 tunnels\n"[..], Some(1))
    );
    let id = json(status, "/status.json?user=jane")["tunnels"][0]["id"].to_string();
    let closed = close(&socket, &["--id", &id]);
    assert_eq!(closed.stdout, b"closed 1 tunnel\n");
    is_closed(jane);

    // The file goes with the server.
    server.signal(rustix::process::Signal::TERM);
    assert!(server.ends().success());
    assert!(!socket.exists());
    let nobody = close(&socket, &["--user", "joe"]);
    assert_eq!(nobody.status.code(), Some(1));
    let said = String::from_utf8(nobody.stderr).unwrap();
    assert!(said.starts_with("server: close: /"), "{said}");
}

#[test]
fn mistakes() {
    for (text, problem) in [
        ("[admin]\n", "admin: nothing is in it"),
        (
            "[admin]\npassword_hash = \"open sesame\"\n",
            ":2:17: admin, password_hash: this is no hash that is taken",
        ),
        ("[admin]\nmode = 600\n", "admin, mode: "),
        ("[admin]\nsockets = \"/run/x\"\n", "unknown field `sockets`"),
    ] {
        let said = complaint(&["--config", File::new(text).path()]);
        assert!(said.contains(problem), "{text}: {said}");
        assert!(!said.contains("sesame"), "{said}");
    }
    let no_page = format!("[admin]\npassword_hash = \"{}\"\n", hash());
    let far = format!("[metrics]\nlisten = \"0.0.0.0:0\"\n{no_page}");
    for text in [no_page, far] {
        let said = complaint(&["--config", File::new(&text).path()]);
        assert!(
            said.contains("admin, password_hash: it is for the page"),
            "{said}"
        );
    }
    for (flags, problem) in [
        (&["close"][..], "--socket PATH says which server"),
        (
            &["close", "--socket", "/x"],
            "expected --user NAME or --id NUMBER",
        ),
        (
            &["close", "--socket", "/x", "--user", "joe", "--id", "1"],
            "expected --user NAME or --id",
        ),
        (
            &["close", "--socket", "/x", "--id", "one"],
            "expected the number of a tunnel",
        ),
        (&["close", "--all"], "close: invalid option '--all'"),
    ] {
        let said = complaint(flags);
        assert!(said.contains(problem), "{flags:?}: {said}");
    }
}
