//! Whatever is torn, what was whole is found.

use super::super::sample;
use super::*;

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("holdfast-spool-{name}-{}", std::process::id())))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _not_there = std::fs::remove_dir_all(&self.0);
    }
}

fn letter(id: &str) -> Letter {
    sample(id, &["a@example.org"])
}

fn alert(subject: &str) -> Alert {
    Alert { at: 1, subject: subject.to_owned(), sort: "Test".to_owned(), body: "body\n".to_owned() }
}

#[test]
fn what_was_kept_is_found_in_order_by_whoever_comes_next() {
    let dir = Dir::new("order");
    let mut spool = Spool::new(dir.0.join("deep"));
    assert!(spool.read().unwrap().letters.is_empty());
    for id in ["3", "1", "2"] {
        spool.keep(&letter(id)).unwrap();
    }
    spool.forget("2").unwrap();
    spool.forget("2").unwrap();
    let later = Letter { delivered: Vec::new(), ..letter("3") };
    spool.keep(&later).unwrap();
    spool.note(&alert("first")).unwrap();
    spool.note(&alert("second")).unwrap();
    let found = Spool::new(dir.0.join("deep")).read().unwrap();
    assert_eq!(found.letters, [letter("1"), later]);
    assert_eq!(found.notes, [alert("first"), alert("second")]);
    spool.forget_notes().unwrap();
    assert!(spool.read().unwrap().notes.is_empty());
}

#[test]
fn mails_are_root_s_alone() {
    use std::os::unix::fs::PermissionsExt;

    let dir = Dir::new("mode");
    let spool = Spool::new(dir.0.clone());
    spool.keep(&letter("1")).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.0), 0o700);
    assert_eq!(mode(&dir.0.join("1.mail")), 0o600);
}

#[test]
fn a_kill_at_any_byte_leaves_a_whole_mail_or_none() {
    let dir = Dir::new("torn");
    let mut spool = Spool::new(dir.0.clone());
    spool.keep(&letter("1")).unwrap();
    let text = std::fs::read(dir.0.join("1.mail")).unwrap();
    for length in 0..=text.len() {
        std::fs::write(dir.0.join("2.new"), text.get(..length).unwrap()).unwrap();
        let found = spool.read().unwrap();
        assert!(found.damaged.is_empty());
        assert_eq!(found.letters.len(), if length == text.len() { 2 } else { 1 }, "{length}");
    }
    assert!(dir.0.join("2.mail").exists());
}

#[test]
fn what_a_loss_of_power_has_torn_is_put_aside_and_told() {
    let dir = Dir::new("power");
    let mut spool = Spool::new(dir.0.clone());
    spool.keep(&letter("1")).unwrap();
    std::fs::write(dir.0.join("2.mail"), "").unwrap();
    spool.note(&alert("whole")).unwrap();
    let mut notes = OpenOptions::new().append(true).open(dir.0.join("gathered")).unwrap();
    notes.write_all(b"{\"at\":1,\"sub").unwrap();
    let found = spool.read().unwrap();
    assert_eq!(found.letters, [letter("1")]);
    assert_eq!(found.damaged.len(), 1);
    assert_eq!(found.notes, [alert("whole")]);
    assert!(spool.read().unwrap().damaged.is_empty());
}

#[test]
fn where_nothing_can_be_written_that_is_an_error_and_nothing_is_left() {
    let dir = Dir::new("full");
    std::fs::write(&dir.0, "a file in the place of the directory").unwrap();
    let mut spool = Spool::new(dir.0.clone());
    spool.keep(&letter("1")).unwrap_err();
    spool.note(&alert("one")).unwrap_err();
    std::fs::remove_file(&dir.0).unwrap();
    std::fs::create_dir(&dir.0).unwrap();
}
