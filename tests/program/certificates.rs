//! Certificates that expire: what the example server tells of them in the log, in metrics and to the page, and when.

use std::{
    path::Path,
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::process::Signal;
use serde_json::Value;
use tracing::Level;

use super::{metrics::value, status::status};
use crate::support::{
    log::Log,
    program::{certificates::Authority, file::File, http::get, program},
};

#[path = "../../examples/server/certificates.rs"]
mod server;

use server::{Certificates, remind};

const DAY: Duration = Duration::from_secs(24 * 3600);
const METRIC: &str = "socks_certificate_expiry_timestamp_seconds";

/// One that is valid for so many days from now, and some more.
fn authority(days: u32) -> Authority {
    Authority::until(SystemTime::now() + DAY * days + DAY / 2)
}

/// What the program warns about a file.
fn warnings(file: &File) -> String {
    let output = Command::new(program())
        .args(["--config", file.path(), "--check"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_first_of_a_file_that_expires_is_told() {
    let own = authority(9).signs("proxy").files();
    let clients = File::new(&(authority(30).pem + &authority(3).pem));
    let upstream = File::new(&authority(13).pem);
    let later = File::new(&authority(15).pem);
    let file = File::new(&format!(
        "upstream = \"all\"\n[upstreams.all]\nfailover = [\"paris\", \"rome\"]\n\
         [upstreams.paris]\nurl = \"https://127.0.0.1:9\"\nauthorities = {:?}\n\
         [upstreams.rome]\nurl = \"socks5s://127.0.0.1:9\"\nauthorities = {:?}\n\
         [tls]\ncertificate = {:?}\nkey = {:?}\nclient_ca = {:?}\n[metrics]\nlisten = \"127.0.0.1:0\"\n",
        upstream.path(),
        later.path(),
        own.0.path(),
        own.1.path(),
        clients.path(),
    ));
    let said = warnings(&file);
    for (path, days) in [(clients.path(), 3), (upstream.path(), 13)] {
        let line = format!("{path}: a certificate in it expires soon days={days}\n");
        assert!(said.contains(&line), "{line} in {said}");
    }
    // Leaves of this authority are valid until long after it.
    assert!(
        !said.contains(own.0.path()) && !said.contains(later.path()),
        "{said}"
    );

    let mut server = file.server();
    let metrics = status(&mut server);
    let (_, numbers) = get(metrics, "/metrics");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    for (path, days) in [
        (clients.path(), 3),
        (upstream.path(), 13),
        (later.path(), 15),
    ] {
        let end = value(&numbers, &format!("{METRIC}{{file=\"{path}\"}}"));
        let left = (end - now.as_secs_f64()) / DAY.as_secs_f64();
        assert!(
            (f64::from(days)..f64::from(days + 1)).contains(&left),
            "{path}: {left}"
        );
    }
    let (_, body) = get(metrics, "/status.json");
    let seen: Value = serde_json::from_str(&body).unwrap();
    let certificates = seen["certificates"].as_array().unwrap();
    let shown = certificates
        .iter()
        .find(|it| it["file"] == clients.path())
        .unwrap();
    let end = value(
        &numbers,
        &format!("{METRIC}{{file=\"{}\"}}", clients.path()),
    );
    assert_eq!(shown["expires"].as_f64(), Some(end), "{body}");
    assert_eq!(certificates.len(), 4, "{body}");
}

/// A list of what an authority has revoked is out of date some day, and is replaced with a reload.
#[test]
fn a_list_of_revoked_certificates_is_told_as_certificates_are() {
    let clients = authority(90);
    let now = SystemTime::now();
    let list = |days: u32| clients.revokes_nothing_until(now + DAY * days + DAY / 2);
    let revoked = File::new(&(list(30) + &list(5)));
    let own = authority(90).signs("proxy").files();
    let authorities = File::new(&clients.pem);
    let file = File::new(&format!(
        "[tls]\ncertificate = {:?}\nkey = {:?}\nclient_ca = {:?}\nclient_crl = {:?}\n[metrics]\nlisten = \"127.0.0.1:0\"\n",
        own.0.path(),
        own.1.path(),
        authorities.path(),
        revoked.path(),
    ));
    let mut server = file.server();
    let metrics = status(&mut server);
    server.says(&format!(
        "{}: a list of revoked certificates in it expires soon days=5",
        revoked.path()
    ));
    let series = format!("{METRIC}{{file=\"{}\"}}", revoked.path());
    let (_, numbers) = get(metrics, "/metrics");
    let end = value(&numbers, &series);
    let (_, body) = get(metrics, "/status.json");
    let seen: Value = serde_json::from_str(&body).unwrap();
    let mut certificates = seen["certificates"].as_array().unwrap().iter();
    let shown = certificates
        .find(|it| it["file"] == revoked.path())
        .unwrap();
    assert_eq!(shown["expires"].as_f64(), Some(end), "{body}");

    revoked.write(&list(40));
    server.signal(Signal::HUP);
    server.silent_until("reloaded", "expires soon");
    let (_, numbers) = get(metrics, "/metrics");
    assert!(value(&numbers, &series) > end + 30.0 * DAY.as_secs_f64());

    revoked.write(&clients.revokes_nothing_until(now - DAY));
    server.signal(Signal::HUP);
    server.says(&format!(
        "{}: a list of revoked certificates in it has expired",
        revoked.path()
    ));
}

/// A reload has the end of what is there then, and those of files that are named no more are gone.
#[test]
fn a_reload_tells_of_other_certificates() {
    let (first, second) = (File::new(&authority(1).pem), File::new(&authority(90).pem));
    let text = |authorities: &File| {
        format!(
            "upstream = \"paris\"\n[upstreams.paris]\nurl = \"https://127.0.0.1:9\"\nauthorities = {:?}\n\
             [metrics]\nlisten = \"127.0.0.1:0\"\n",
            authorities.path()
        )
    };
    let file = File::new(&text(&first));
    let mut server = file.server();
    let metrics = status(&mut server);
    server.says(&format!(
        "{}: a certificate in it expires soon",
        first.path()
    ));
    file.write(&text(&second));
    server.signal(Signal::HUP);
    server.silent_until("reloaded", "a certificate in it");
    let (_, numbers) = get(metrics, "/metrics");
    assert!(
        numbers.contains(second.path()) && !numbers.contains(first.path()),
        "{numbers}"
    );

    // The same file with another certificate in it, which has expired.
    second.write(&Authority::until(SystemTime::now() - DAY).pem);
    server.signal(Signal::HUP);
    server.says(&format!(
        "{}: a certificate in it has expired",
        second.path()
    ));
    server.says("reloaded");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let (_, numbers) = get(metrics, "/metrics");
    let end = value(&numbers, &format!("{METRIC}{{file=\"{}\"}}", second.path()));
    assert!(end < now.as_secs_f64(), "{end}");
}

#[tokio::test(start_paused = true)]
async fn each_day_has_its_warning() {
    let (log, _guard) = Log::start(Level::WARN);
    let mut certificates = Certificates::default();
    let now = SystemTime::now();
    certificates.add(Path::new("/soon.pem"), Some(now + DAY / 2));
    let mut others = Certificates::default();
    others.add(Path::new("/late.pem"), Some(now + DAY * 15));
    others.add(Path::new("/soon.pem"), Some(now + DAY * 15));
    certificates.add_all(&others);
    certificates.add(Path::new("/unknown.pem"), None);
    certificates.add_lists(Path::new("/lists.pem"), Some(now + DAY * 17 + DAY / 2));
    assert_eq!(certificates.iter().count(), 3);
    let reminding = tokio::spawn(remind(move || certificates.clone()));
    tokio::time::sleep(DAY * 3 + DAY / 2).await;
    reminding.abort();
    let lines = log.lines();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for line in lines {
        assert!(
            line.ends_with("/soon.pem: a certificate in it expires within a day"),
            "{line}"
        );
    }
}
