//! Directories of the example server, as far as it goes without one.

use crate::support::program::{complaint, file::File};

fn said(text: &str) -> String {
    let file = File::new(text);
    complaint(&["--config", file.path(), "--check"])
}

#[cfg(not(feature = "ldap"))]
#[test]
fn a_build_without_ldap_says_how_to_have_it() {
    let said = said("[ldap]\nservers = [\"ldap://127.0.0.1\"]\n");
    assert!(
        said.contains(":1:1: ldap: this server is built without LDAP: build it by `cargo build"),
        "{said}"
    );
    assert!(
        said.trim_end()
            .ends_with("--example server --features ldap`"),
        "{said}"
    );
}

#[cfg(not(feature = "postgres"))]
#[test]
fn a_build_without_postgres_says_how_to_have_it() {
    let said = said("[postgres]\nquery = \"SELECT 1\"\n");
    assert!(
        said.contains(
            "postgres: this server is built without PostgreSQL: build it by `cargo build"
        ),
        "{said}"
    );
    assert!(
        said.trim_end()
            .ends_with("--example server --features postgres`"),
        "{said}"
    );
}

#[test]
fn an_order_of_directories_that_are_not_there_is_a_mistake() {
    let said = said("directories = [\"ldap\"]\n");
    assert!(
        said.contains("directories: there is no table [ldap], or it is named twice"),
        "{said}"
    );
}

#[cfg(all(feature = "ldap", feature = "postgres"))]
mod built {
    use std::{fs, os::unix::fs::PermissionsExt};

    use rustix::process::Signal;

    use super::said;
    use crate::{program_logins::log_in, support::program::file::File};

    #[test]
    fn mistakes_are_said_with_their_table() {
        let ldap = "[ldap]\nservers = [\"ldap://127.0.0.1\"]\n";
        let postgres = "[postgres]\ndatabase = \"postgres://p@127.0.0.1/u\"\n";
        for (table, more, problem) in [
            (
                ldap,
                "",
                "ldap: it takes either `user_dn`, or `base` with `filter`",
            ),
            (
                ldap,
                "base = \"dc=x\"\nuser_dn = \"uid={user}\"",
                "ldap: it takes either",
            ),
            (
                ldap,
                "base = \"dc=x\"\naccount = \"cn=p\"",
                "ldap: `account` needs `password`",
            ),
            (
                ldap,
                "base = \"dc=x\"\npassword = \"s3cret\"",
                "ldap: there is a password and no `account`",
            ),
            (
                ldap,
                "base = \"dc=x\"\npassword_file = \"/nowhere\"",
                "ldap, password: /nowhere: ",
            ),
            (
                ldap,
                "base = \"dc=x\"\npassword_file = \"$CREDENTIALS_DIRECTORY/a\"",
                "LoadCredential=",
            ),
            (
                ldap,
                "base = \"dc=x\"\npassword_file = \"/dev/null\"",
                "the secret is empty",
            ),
            (
                ldap,
                "base = \"dc=x\"\ngroups_base = \"dc=y\"",
                "`groups_base` and `groups_filter` go together",
            ),
            (
                ldap,
                "base = \"dc=x\"\nauthorities = \"/nowhere\"",
                "ldap: authorities /nowhere: ",
            ),
            (
                ldap,
                "base = \"dc=x\"\nfilter = \"(uid=joe)\"",
                "has no {user}",
            ),
            (
                postgres,
                "query = \"SELECT 1\"",
                "postgres: the query has no $1",
            ),
            (
                postgres,
                "query = \"SELECT $1\"\nlimit = 1",
                "postgres, limit: ",
            ),
        ] {
            let said = said(&format!("{table}{more}\n"));
            assert!(said.contains(problem), "{said}");
            assert!(!said.contains("s3cret"), "{said}");
        }
    }

    #[test]
    fn a_directory_that_is_away_lets_nobody_in_and_the_users_of_the_file_still() {
        let secret = File::new("s3cret\n");
        fs::set_permissions(&secret.0, fs::Permissions::from_mode(0o644)).unwrap();
        let config = File::new(&format!(
            "[users]\njoe = \"plain\"\n[ldap]\nservers = [\"ldap://127.0.0.1:1\"]\nbase = \"dc=x\"\naccount = \"cn=p\"\n\
             password_file = \"{}\"\n[acl]\ndefault = \"allow\"\nallow_private = true\n\
             [[acl.rules]]\naction = \"deny\"\ngroup = \"of the directory\"\nuser = \"jane\"\n",
            secret.path()
        ));
        let mut server = config.server();
        server.says("is a secret, and everybody on this machine can read it");
        assert!(log_in(&server, "joe", "plain").0);
        assert!(!log_in(&server, "joe", "wrong").0);
        assert!(!log_in(&server, "jane", "s3cret").0);
        server.says("LDAP server ldap://127.0.0.1:1: connecting: ");
        server.says("name \"jane\": credentials could not be verified");
        // Nobody goes on without a directory: the last one would open the proxy.
        config.write("");
        server.signal(Signal::HUP);
        server.says("so that nobody would be asked for a password");
        assert!(!log_in(&server, "jane", "s3cret").0);
    }
}
