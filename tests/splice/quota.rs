//! Pipes of a user without privileges: Linux grants all of them together so many pages.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    process::Command,
    time::Duration,
};

use rustix::{
    net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size},
    pipe::{fcntl_getpipe_size, pipe},
    process::getuid,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_socks::relay::Relay;

use crate::support::{sockets::pair, splice::alone};

/// The user whom nobody is.
const NOBODY: &str = "65534";

/// Pipes of a MiB in the quota that Linux comes with.
const LARGE: usize = 64;

/// Some of them may find reads cheaper.
const TUNNELS: usize = LARGE + 48;

/// Enough to be spliced, and what is sent behind it while nobody reads.
const READ: usize = 1024 * 1024;
const SENT: usize = READ + 2 * 1024 * 1024;

/// Runs itself again as that user.
#[test]
fn many_tunnels_of_a_user_without_privileges_splice_and_leave_pipes_to_others() {
    if getuid().is_root() {
        // What is said comes through pipes.
        return alone(async || again_as_nobody());
    }
    let quota = fs::read_to_string("/proc/sys/fs/pipe-user-pages-soft").unwrap();
    let pages: usize = quota.trim().parse().unwrap();
    let quota = match pages {
        0 => usize::MAX,
        pages => pages * rustix::param::page_size(),
    };
    alone(async move || {
        let mut tunnels = Vec::new();
        for _ in 0..TUNNELS {
            let (mut client, near) = pair().await;
            let (far, mut target) = pair().await;
            // Not here is what nobody reads to wait, but in the pipe.
            set_socket_recv_buffer_size(&client, 32 * 1024).unwrap();
            set_socket_send_buffer_size(&near, 32 * 1024).unwrap();
            tokio::spawn(Relay::new().run(near, far));
            let sending = tokio::spawn(async move {
                let sent = vec![7; SENT];
                target.write_all(&sent).await.unwrap();
                target
            });
            let mut heard = vec![0; READ];
            client.read_exact(&mut heard).await.unwrap();
            tunnels.push((client, sending));
        }
        let all = async {
            while pipes().len() <= LARGE {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), all).await;
        let held: usize = pipes().values().sum();
        assert!(waited.is_ok(), "{} pipes of {held} bytes", pipes().len());
        assert!(held <= quota, "{held} bytes of {quota}");
        // Who comes now has a pipe as if we were not there.
        let (_reader, writer) = pipe().unwrap();
        assert_eq!(
            fcntl_getpipe_size(&writer).unwrap(),
            16 * rustix::param::page_size()
        );
        for (mut client, sending) in tunnels {
            let mut rest = vec![0; SENT - READ];
            client.read_exact(&mut rest).await.unwrap();
            assert!(rest.iter().all(|octet| *octet == 7));
            drop(sending.await.unwrap());
        }
    });
}

fn again_as_nobody() {
    let own = std::env::current_exe().unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"])
        // The folder of the program may be root's alone.
        .arg("/proc/self/fd/0")
        .args(["--exact", "--nocapture"])
        .arg("quota::many_tunnels_of_a_user_without_privileges_splice_and_leave_pipes_to_others")
        .stdin(File::open(own).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(said.contains("1 passed"), "{said}");
}

/// The size of each pipe of this process, but those that came with it.
fn pipes() -> BTreeMap<String, usize> {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap();
    descriptors
        .filter_map(|entry| {
            let entry = entry.unwrap();
            let number: u32 = entry.file_name().to_str()?.parse().ok()?;
            let target = fs::read_link(entry.path()).ok()?;
            let name = target.to_string_lossy().into_owned();
            let own = number > 2 && name.starts_with("pipe:");
            let size =
                own.then(|| File::open(entry.path()).and_then(|end| Ok(fcntl_getpipe_size(&end)?)));
            Some((name, size?.ok()?))
        })
        .collect()
}
