//! What systemd does for a server: hears how it stands, keeps sockets, and passes them on.

use std::{
    io::IoSliceMut,
    mem::MaybeUninit,
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    process::{Command, Stdio},
    time::Duration,
};

use rustix::{
    cmsg_space,
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg},
};

use crate::{
    support::program::{Server, file::File, program},
    upgrade::Directory,
};

/// The socket that systemd would listen on, with what it was told to keep.
pub(super) struct Systemd {
    socket: UnixDatagram,
    pub(super) directory: Directory,
    pub(super) kept: Vec<(String, OwnedFd)>,
}

impl Systemd {
    pub(super) fn new() -> Self {
        let directory = Directory::new();
        let socket = UnixDatagram::bind(directory.path("notify")).unwrap();
        let limit = Some(Duration::from_secs(20));
        socket.set_read_timeout(limit).unwrap();
        let kept = Vec::new();
        Self {
            socket,
            directory,
            kept,
        }
    }

    /// Takes the next message, as it does: what has no name of a descriptor is returned.
    pub(super) fn hears(&mut self) -> String {
        let (mut text, mut space) = ([0; 512], [MaybeUninit::uninit(); cmsg_space!(ScmRights(4))]);
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut text)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let read = recvmsg(&self.socket, &mut parts, &mut ancillary, flags).unwrap();
        let mut descriptors: Vec<OwnedFd> = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(all) = message {
                descriptors.extend(all);
            }
        }
        let text = String::from_utf8(text[..read.bytes].to_vec()).unwrap();
        if let Some(name) = text.strip_prefix("FDSTORE=1\nFDNAME=") {
            assert_eq!(descriptors.len(), 1, "{text}");
            let name = name.trim_end().to_owned();
            assert!(!name.contains(':') && name.len() <= 255, "{name}");
            self.kept.push((name, descriptors.remove(0)));
        } else if let Some(name) = text.strip_prefix("FDSTOREREMOVE=1\nFDNAME=") {
            self.kept.retain(|(kept, _)| kept != name.trim_end());
        } else {
            assert_eq!(descriptors.len(), 0, "{text}");
        }
        text
    }

    /// All that it is told until this.
    pub(super) fn hears_until(&mut self, last: &str) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            let text = self.hears();
            if text.starts_with(last) {
                return heard;
            }
            heard.push(text);
        }
    }

    /// Starts the program with what has been kept, two sockets at most.
    pub(super) fn start(&self, file: &File, most: u32) -> Server {
        let passed = self.kept.len();
        assert!(passed <= 2);
        // The first of them is descriptor 3, and the process has to be the one that is meant.
        let script = match passed {
            0 => "exec \"$0\" \"$@\"".to_owned(),
            _ => format!(
                "exec 3<&0 4<&1 0</dev/null 1>/dev/null; LISTEN_PID=$$ LISTEN_FDS={passed} exec \"$0\" \"$@\""
            ),
        };
        let names: Vec<_> = self.kept.iter().map(|(name, _)| name.as_str()).collect();
        let mut command = Command::new("sh");
        command
            .args(["-c", &script])
            .arg(program())
            .args(["--config", file.path()])
            .env("NOTIFY_SOCKET", self.directory.path("notify"))
            .env("FDSTORE", most.to_string())
            .env("LISTEN_FDNAMES", names.join(":"))
            .env("RUST_LOG", "info");
        let mut kept = self
            .kept
            .iter()
            .map(|(_, socket)| socket.try_clone().unwrap());
        if let Some(first) = kept.next() {
            command.stdin(Stdio::from(first));
        }
        if let Some(second) = kept.next() {
            command.stdout(Stdio::from(second));
        }
        Server::spawn(&mut command)
    }
}
