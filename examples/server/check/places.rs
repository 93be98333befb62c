//! Whether what is named can be written to. Nothing is created, and nothing is opened.

use std::{fs, path::Path};

use nix::unistd::{AccessFlags, access};

use crate::{
    log::Place,
    settings::{Fixed, Settings},
};

/// What cannot be written to on this machine, by the user who asks.
pub(super) fn problems(settings: &Settings) -> Vec<String> {
    let Fixed {
        doors,
        limits,
        log,
        access_log,
        admin,
        upgrade_socket,
        ..
    } = &settings.fixed;
    let sockets = doors.iter().filter_map(|door| door.place.path());
    let sockets = sockets.map(|path| ("listen", path));
    let admin = admin.iter().filter_map(|admin| admin.socket.as_deref());
    let sockets = sockets
        .chain(admin.map(|path| ("admin, socket", path)))
        .chain(
            upgrade_socket
                .as_deref()
                .map(|path| ("upgrade_socket", path)),
        );
    // What is there is replaced, and what is written beside it takes its place.
    let beside = sockets.chain(limits.quota_file().map(|path| ("limits, quota_file", path)));
    let beside = beside.map(|(field, path)| (field, path, folder(path)));
    let log = log.file.as_ref().map(|place| ("log, file", place));
    let access_log = access_log.as_ref().map(|it| ("access_log, file", &it.file));
    let files = log.into_iter().chain(access_log);
    let files = files.filter_map(|(field, place)| match place {
        Place::File(path) => Some((field, &**path, appended(path))),
        Place::Stdout | Place::Stderr => None,
    });
    beside
        .chain(files)
        .filter_map(|(field, path, outcome)| {
            let problem = outcome.err()?;
            Some(format!("{field}: {}: {problem}", path.display()))
        })
        .collect()
}

/// A file that lines are added to.
fn appended(path: &Path) -> Result<(), String> {
    match fs::metadata(path) {
        Ok(file) if file.is_dir() => Err("it is a directory".into()),
        Ok(_) => access(path, AccessFlags::W_OK)
            .map_err(|error| format!("it cannot be written to: {}", error.desc())),
        Err(_) => folder(path),
    }
}

/// The directory in which it is created.
fn folder(path: &Path) -> Result<(), String> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let shown = folder.display();
    match fs::metadata(folder) {
        Ok(it) if it.is_dir() => access(folder, AccessFlags::W_OK | AccessFlags::X_OK)
            .map_err(|error| format!("nothing can be created in {shown}: {}", error.desc())),
        Ok(_) => Err(format!("{shown} is no directory")),
        Err(error) => Err(format!("{shown}: {error}")),
    }
}
