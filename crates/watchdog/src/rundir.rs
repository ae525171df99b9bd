//! The run directory and the sockets in it.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};
use nix::sys::stat::{Mode, umask};

use crate::failure::Failure;

/// A listening socket and where clients find it.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) fd: OwnedFd,
    path: PathBuf,
    /// Device and number of the file, to know it again.
    file: (u64, u64),
}

impl Listener {
    /// Makes one that only root and its group may use. A socket that lies there already is a leftover: the pid file
    /// is locked.
    pub(crate) fn make(path: &Path) -> Result<Self, Failure> {
        let made = listen_on(path).and_then(|fd| Ok(Self { fd, path: path.to_owned(), file: file(path)? }));
        made.map_err(|error| Failure::io("make the socket", path, &error))
    }

    /// Whether a client would still find it: somebody may have swept the run directory.
    pub(crate) fn is_there(&self) -> bool {
        file(&self.path).is_ok_and(|there| there == self.file)
    }
}

fn file(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

/// Makes the directory if it is not there.
pub(crate) fn prepare(dir: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(0o755).create(dir);
    made.map_err(|error| Failure::io("make the run directory", dir, &error))
}

fn listen_on(path: &Path) -> io::Result<OwnedFd> {
    remove_socket(path)?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    let address = UnixAddr::new(path)?;
    // The mask makes the socket private from its first moment on.
    let mask = umask(Mode::from_bits_truncate(0o117));
    let bound = bind(socket.as_raw_fd(), &address);
    umask(mask);
    bound?;
    std::fs::set_permissions(path, Permissions::from_mode(0o660))?;
    listen(&socket, Backlog::MAXCONN)?;
    Ok(socket)
}

/// Removes a socket; anything else that lies there is not ours.
pub(crate) fn remove_socket(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "something else lies there")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    struct Dir(PathBuf);

    impl Drop for Dir {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn a_socket_is_private_and_replaces_its_leftover_but_nothing_else() {
        let dir = Dir(std::env::temp_dir().join(format!("holdfast-rundir-{}", std::process::id())));
        prepare(&dir.0.join("deep")).unwrap();
        let path = dir.0.join("deep/vrrp.sock");
        drop(Listener::make(&path).unwrap());
        UnixStream::connect(&path).unwrap_err();
        let second = Listener::make(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        UnixStream::connect(&path).unwrap();
        let file = dir.0.join("file");
        std::fs::write(&file, "precious").unwrap();
        Listener::make(&file).unwrap_err();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
        assert!(second.is_there());
        std::fs::remove_file(&path).unwrap();
        assert!(!second.is_there());
        let _third = Listener::make(&path).unwrap();
        assert!(!second.is_there());
    }
}
