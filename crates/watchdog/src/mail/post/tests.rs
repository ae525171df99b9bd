//! Copies of mails: who takes them up, and when they go.

use std::path::Path;

use common::log::Target;

use super::super::digest::Alert;
use super::super::sample;
use super::*;

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("holdfast-post-{name}-{}", std::process::id())))
    }

    /// The mails in a directory below it.
    fn mails(&self, dir: &str) -> Vec<String> {
        let found = Spool::new(self.0.join(dir)).read().unwrap();
        found.letters.into_iter().map(|letter| letter.id).collect()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _not_there = std::fs::remove_dir_all(&self.0);
    }
}

fn post(run_dir: &Path) -> Post {
    Post::new(Options {
        config: "/dev/null".into(),
        run_dir: run_dir.to_owned(),
        only: None,
        log_level: log::LevelFilter::Info.into(),
        log_target: Target::Stderr,
    })
}

fn alert() -> Alert {
    Alert { at: 1, subject: "one".to_owned(), sort: "Test".to_owned(), body: "body\n".to_owned() }
}

#[test]
fn after_a_reboot_the_copies_are_taken_up_and_stay_until_the_mail_is_taken() {
    let dir = Dir::new("reboot");
    let mut post = post(&dir.0.join("run"));
    let mut copies = Spool::new(dir.0.join("copies"));
    for id in ["1", "2"] {
        copies.keep(&sample(id, &[])).unwrap();
    }
    copies.note(&alert()).unwrap();
    post.copies = Some(Spool::new(dir.0.join("copies")));
    let mut found = post.read_spool();
    assert!(found.letters.is_empty() && found.notes.is_empty());
    post.take_up(copies, &mut found);
    assert_eq!(found.letters, [sample("1", &[]), sample("2", &[])]);
    assert_eq!(found.notes, [alert()]);
    assert_eq!(dir.mails("run/mail"), ["1", "2"], "they wait here from now on");
    assert_eq!(dir.mails("copies"), ["1", "2"], "and outlive another reboot");
    assert_eq!(post.read_spool().notes, [alert()]);
    post.forget("1").unwrap();
    assert_eq!((dir.mails("run/mail"), dir.mails("copies")), (vec!["2".to_owned()], vec!["2".to_owned()]));
}

#[test]
fn what_waits_already_counts_more_than_its_copy_and_another_place_is_emptied() {
    let dir = Dir::new("both");
    let mut post = post(&dir.0.join("run"));
    post.spool.keep(&sample("1", &["a@example.org"])).unwrap();
    post.spool.note(&alert()).unwrap();
    let mut other = Spool::new(dir.0.join("other"));
    other.keep(&sample("1", &[])).unwrap();
    other.keep(&sample("2", &[])).unwrap();
    other.note(&alert()).unwrap();
    let mut found = post.read_spool();
    post.take_up(other, &mut found);
    assert_eq!(found.letters, [sample("1", &["a@example.org"]), sample("2", &[])]);
    assert_eq!(found.notes, [alert()], "nothing is gathered twice");
    assert_eq!(post.read_spool().letters, found.letters);
    assert_eq!(dir.mails("other"), Vec::<String>::new());
    assert!(!dir.0.join("other/gathered").exists());
}

#[test]
fn at_the_end_everything_that_waits_is_copied() {
    let dir = Dir::new("end");
    let mut post = post(&dir.0.join("run"));
    post.copies = Some(Spool::new(dir.0.join("copies")));
    post.leave_copies();
    assert!(!dir.0.join("copies").exists(), "nothing waits, so nothing is made");
    post.spool.note(&alert()).unwrap();
    let now = Now { at: clock::now(), wall: clock::wall() };
    post.queue.recover(vec![sample("1", &[])], Vec::new(), now, &mut Vec::new());
    post.leave_copies();
    assert_eq!(dir.mails("copies"), ["1"]);
    assert_eq!(Spool::new(dir.0.join("copies")).read().unwrap().notes, [alert()]);
}
