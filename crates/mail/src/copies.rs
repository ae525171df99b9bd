//! Copies of the mails that wait, in a directory that outlives a reboot.
//!
//! The watchdog must not wait for a disk, so it keeps mails in memory. Here that is done which may take its time: every
//! mail has its copy, safe on the disk, before the server is asked to take it. The watchdog removes the copy of a mail
//! that was taken.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use common::alerts::place;

/// Copies the mails with these names from one directory to the other.
pub(crate) fn make(names: &[String], from: &Path, to: &Path) -> io::Result<()> {
    place::prepare(to)?;
    let mut any = false;
    for id in names {
        let name = format!("{id}.mail");
        // One that is not there could not be written either, which the watchdog has told, or has been taken meanwhile.
        let Ok(text) = std::fs::read(from.join(&name)) else { continue };
        let copy = to.join(&name);
        if std::fs::read(&copy).is_ok_and(|there| there == text) {
            continue;
        }
        let new = to.join(format!("{id}.new"));
        if let Err(error) = write(&new, &text).and_then(|()| std::fs::rename(&new, &copy)) {
            // Half a file would take what little room there is.
            let _not_there = std::fs::remove_file(&new);
            return Err(error);
        }
        any = true;
    }
    if any { File::open(to)?.sync_all() } else { Ok(()) }
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn every_mail_has_a_copy_and_the_last_form_of_it() {
        let top = std::env::temp_dir().join(format!("holdfast-copied-{}", std::process::id()));
        let (from, to) = (top.join("from"), top.join("to"));
        std::fs::create_dir_all(&from).unwrap();
        let names = ["1".to_owned(), "2".to_owned(), "gone".to_owned()];
        std::fs::write(from.join("1.mail"), "one").unwrap();
        std::fs::write(from.join("2.mail"), "two").unwrap();
        std::fs::write(from.join("3.mail"), "three").unwrap();
        make(&names, &from, &to).unwrap();
        let read = |name: &str| std::fs::read_to_string(to.join(name)).ok();
        assert_eq!((read("1.mail").as_deref(), read("2.mail").as_deref()), (Some("one"), Some("two")));
        assert_eq!(std::fs::read_dir(&to).unwrap().count(), 2, "and nothing else");
        let mode = std::fs::metadata(to.join("1.mail")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(from.join("1.mail"), "one, to one recipient less").unwrap();
        make(&names, &from, &to).unwrap();
        assert_eq!(read("1.mail").as_deref(), Some("one, to one recipient less"));
        // Where nothing can be written that is an error, and nothing is left of it.
        std::fs::create_dir(to.join("2.new")).unwrap();
        std::fs::write(from.join("2.mail"), "another").unwrap();
        make(&names, &from, &to).unwrap_err();
        assert_eq!(read("2.mail").as_deref(), Some("two"));
        make(&names, &from, Path::new("/dev/null/mail")).unwrap_err();
        std::fs::remove_dir_all(top).unwrap();
    }
}
