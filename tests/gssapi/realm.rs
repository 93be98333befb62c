//! A realm of Kerberos: `EXAMPLE.TEST`, with joe in it, and the proxy on localhost. The bench `gssapi` has it too.

#![allow(dead_code)]

use std::{
    env, fs,
    io::Write,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::LazyLock,
    thread::sleep,
    time::{Duration, Instant},
};

use tower_socks::{
    BoxError,
    gssapi::{
        Establishment, Initiator, Mechanism, Step,
        kerberos::{KerberosContext, KerberosInitiator, KerberosMechanism},
    },
    proto::Command as Requested,
};

/// Says to the process of a test that the variables are set.
const INSIDE: &str = "TOWER_SOCKS_IN_REALM";

/// The programs, and Debian's packages of them.
const PROGRAMS: [(&str, &str); 4] = [
    ("krb5kdc", "krb5-kdc"),
    ("kdb5_util", "krb5-kdc"),
    ("kadmin.local", "krb5-admin-server"),
    ("kinit", "krb5-user"),
];

/// Runs the body of a test in a process of its own, whose variables say where the realm is: the library
/// looks at nothing else. `other` are variables with files of the realm's folder that differ from the usual.
pub(crate) fn within(test: &str, other: &[(&str, &str)], body: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        return body();
    }
    let Some(realm) = &*REALM else {
        return;
    };
    let (_, name) = test.split_once("::").unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]);
    command.env(INSIDE, "1").envs(realm.variables());
    for (variable, file) in other {
        let file = realm.folder.join(file);
        command.env(variable, file);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    let passed = output.status.success() && said.contains("1 passed");
    assert!(passed, "{said}\n{failed}");
}

/// Runs this program once more, in the realm, and returns how that ended: `None` in the second one.
pub(crate) fn program() -> Option<bool> {
    if env::var_os(INSIDE).is_some() {
        return None;
    }
    let Some(realm) = &*REALM else {
        return Some(true);
    };
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(env::args_os().skip(1));
    command.env(INSIDE, "1").envs(realm.variables());
    Some(command.status().unwrap().success())
}

/// Names the test that stands around it, and runs its body in the realm.
#[allow(unused_macros)]
macro_rules! in_realm {
    ($name:ident, $body:expr) => {
        in_realm!($name, &[], $body);
    };
    ($name:ident, $other:expr, $body:expr) => {
        crate::realm::within(
            concat!(module_path!(), "::", stringify!($name)),
            $other,
            $body,
        )
    };
}
#[allow(unused_imports)]
pub(crate) use in_realm;

/// The file of that name in the folder of the realm, inside of a test.
pub(crate) fn file(name: &str) -> PathBuf {
    let config = PathBuf::from(env::var_os("KRB5_CONFIG").unwrap());
    config.with_file_name(name)
}

/// One of a process, for all tests of it.
static REALM: LazyLock<Option<Realm>> = LazyLock::new(|| {
    if let Some(missing) = missing() {
        eprintln!("SKIPPED: tests with a KDC: {missing}");
        return None;
    }
    Some(Realm::start())
});

fn missing() -> Option<String> {
    let path = path();
    let missing = PROGRAMS
        .iter()
        .find(|(program, _)| !env::split_paths(&path).any(|place| place.join(program).exists()));
    missing.map(|(program, package)| format!("no {program} (Debian: {package})"))
}

/// Where the programs are, of which some are for root.
fn path() -> String {
    format!("{}:/usr/sbin:/sbin", env::var("PATH").unwrap_or_default())
}

struct Realm {
    folder: PathBuf,
    /// That of who stops the KDC and removes the folder when it ends: with this process, in whatever manner that ends.
    _stdin: Option<ChildStdin>,
}

impl Realm {
    fn start() -> Self {
        let name = format!("tower-socks-realm-{}", std::process::id());
        let folder = env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        // An address that no other process of the tests listens to.
        let [.., high, low] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, 88, high, low);
        let unused = TcpListener::bind((address, 0)).unwrap();
        let kdc = unused.local_addr().unwrap();
        drop(unused);
        let place = folder.display();
        let config = |extra: &str, kdc: SocketAddr| {
            format!(
                "[libdefaults]\n default_realm = EXAMPLE.TEST\n dns_lookup_kdc = false\n dns_lookup_realm = false\n \
                 dns_canonicalize_hostname = false\n rdns = false\n udp_preference_limit = 1\n {extra}\n\
                 [realms]\n EXAMPLE.TEST = {{\n kdc = {kdc}\n }}\n[domain_realm]\n localhost = EXAMPLE.TEST\n"
            )
        };
        let nobody = SocketAddr::from((address, 9));
        for (name, text) in [
            ("krb5.conf", config("", kdc)),
            ("strict.conf", config("clockskew = 1", kdc)),
            ("lonely.conf", config("", nobody)),
            (
                "weak.conf",
                config("default_tgs_enctypes = arcfour-hmac", kdc),
            ),
            (
                "kdc.conf",
                format!(
                    "[kdcdefaults]\n kdc_listen = \"\"\n kdc_tcp_listen = {kdc}\n[realms]\n EXAMPLE.TEST = {{\n \
                     database_name = {place}/principal\n key_stash_file = {place}/stash\n acl_file = {place}/acl\n \
                     max_life = 1h\n }}\n[logging]\n kdc = FILE:{place}/kdc.log\n"
                ),
            ),
        ] {
            fs::write(folder.join(name), text).unwrap();
        }
        let mut stdin = spawn(&folder).stdin.take().unwrap();
        let mut realm = Self {
            folder,
            _stdin: None,
        };
        realm.populate();
        // The keeper waits for this line: a database first, then the KDC.
        stdin.write_all(b"go\n").unwrap();
        realm._stdin = Some(stdin);
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(kdc).is_err() {
            assert!(Instant::now() < deadline, "the KDC does not listen");
            sleep(Duration::from_millis(10));
        }
        realm.run("kinit", &["-k", "-t", "joe.keytab", "joe"], "");
        // Another with the first ticket alone, since those for services are kept beside it.
        fs::copy(realm.folder.join("tickets"), realm.folder.join("fresh")).unwrap();
        realm
    }

    fn populate(&self) {
        self.run(
            "kdb5_util",
            &["create", "-s", "-P", "master", "-r", "EXAMPLE.TEST"],
            "",
        );
        // Each `ktadd` makes a new key: what `old.keytab` has fits no ticket any more.
        let input = "addprinc -pw secret joe\nktadd -k joe.keytab -norandkey joe\n\
             addprinc -randkey socks/localhost\nktadd -k old.keytab socks/localhost\nktadd -k socks.keytab socks/localhost\n\
             addprinc -randkey other/localhost\nktadd -k other.keytab other/localhost\n\
             addprinc -randkey -e arcfour-hmac:normal weak/localhost\nktadd -k socks.keytab -e arcfour-hmac:normal weak/localhost\n";
        self.run("kadmin.local", &["-r", "EXAMPLE.TEST"], input);
    }

    fn run(&self, program: &str, arguments: &[&str], input: &str) {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&self.folder)
            .envs(self.variables())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let failed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program}: {failed}");
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        variables(&self.folder)
    }
}

fn variables(folder: &Path) -> Vec<(&'static str, String)> {
    let file = |name: &str| folder.join(name).display().to_string();
    vec![
        ("PATH", path()),
        ("KRB5_CONFIG", file("krb5.conf")),
        ("KRB5_KDC_PROFILE", file("kdc.conf")),
        ("KRB5_KTNAME", file("socks.keytab")),
        ("KRB5_CLIENT_KTNAME", file("nothing.keytab")),
        ("KRB5CCNAME", file("tickets")),
        ("KRB5RCACHENAME", format!("file2:{}", file("replays"))),
    ]
}

fn spawn(folder: &Path) -> Child {
    const KEEPER: &str = "read go; krb5kdc -n & cat; kill $!; wait $!; cd /; rm -rf \"$1\"";
    let mut command = Command::new("sh");
    command
        .args(["-c", KEEPER, "keeper"])
        .arg(folder)
        .current_dir(folder)
        .envs(variables(folder))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Has a client and a server establish a context, and returns both ends of it.
pub(crate) fn established(command: Requested) -> (KerberosContext, KerberosContext) {
    let initiator = KerberosInitiator::service_on("socks", "localhost");
    let mechanism = KerberosMechanism::service("socks");
    let (client, server) = establish(&initiator, &mechanism, command).unwrap();
    assert_eq!(client.1, "socks/localhost@EXAMPLE.TEST");
    assert_eq!(server.1, "joe@EXAMPLE.TEST");
    (client.0, server.0)
}

type End = (KerberosContext, String);

/// Carries tokens until both sides are done.
pub(crate) fn establish(
    initiator: &KerberosInitiator,
    mechanism: &KerberosMechanism,
    command: Requested,
) -> Result<(End, End), BoxError> {
    let begun = initiator.initiate(command)?.step(b"")?;
    let Step::Continue { token, next } = begun else {
        panic!("the client asks for mutual authentication");
    };
    let Step::Done {
        token,
        context: server,
        peer: joe,
    } = mechanism.accept()?.step(&token)?
    else {
        panic!("Kerberos needs one token of the client");
    };
    let token = token.expect("the client wants to know who the server is");
    let Step::Done {
        token: None,
        context: client,
        peer: proxy,
    } = next.step(&token)?
    else {
        panic!("Kerberos needs one token of the server");
    };
    Ok(((client, proxy), (server, joe)))
}
