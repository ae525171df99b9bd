use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A directory that is removed with its contents.
struct Dir(PathBuf);

impl Dir {
    fn new(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("holdfast-config-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = Self(std::env::temp_dir().join(name));
        fs::create_dir(&dir.0).unwrap();
        for (path, text) in files {
            let path = dir.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    fn load(&self) -> Sources {
        Sources::load(&self.0.join("root.toml")).unwrap()
    }

    /// The names of the files read, relative to the directory.
    fn read(&self) -> Vec<String> {
        let sources = self.load();
        assert_eq!(self.faults(), "");
        sources.files().iter().map(|f| f.path.strip_prefix(&self.0).unwrap().display().to_string()).collect()
    }

    /// What is printed, with the directory's name taken out.
    fn faults(&self) -> String {
        let (_, faults) = read_sources(&self.load(), |_, _| ());
        faults.replace(&format!("{}/", self.0.display()), "")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn includes_are_relative_to_the_including_file_sorted_and_nested() {
    let dir = Dir::new(&[
        ("root.toml", "include = [\"conf.d/*.toml\", \"last.toml\"]\n"),
        ("conf.d/b.toml", "include = \"sub/x.toml\"\n"),
        ("conf.d/a.toml", ""),
        ("conf.d/.hidden.toml", "broken"),
        ("conf.d/a.toml~", "broken"),
        ("conf.d/sub/x.toml", ""),
        ("last.toml", ""),
    ]);
    assert_eq!(dir.read(), ["root.toml", "conf.d/a.toml", "conf.d/b.toml", "conf.d/sub/x.toml", "last.toml"]);
}

#[test]
fn a_pattern_may_match_nothing_but_a_name_must_exist() {
    let dir = Dir::new(&[("root.toml", "include = [\"conf.d/*.toml\"]\n")]);
    assert_eq!(dir.read(), ["root.toml"]);
    let dir = Dir::new(&[("root.toml", "include = [\n  \"a.toml\",\n  \"b.toml\",\n]\n"), ("b.toml", "")]);
    assert_eq!(
        dir.faults(),
        "root.toml:2:3: error: cannot include a.toml: there is no such file\n    2 |   \"a.toml\",\n      |   ^^^^^^^^\n"
    );
}

#[test]
fn an_include_cycle_is_a_fault_and_ends() {
    let dir = Dir::new(&[("root.toml", "include = \"a.toml\"\n"), ("a.toml", "include = [\"*.toml\"]\n")]);
    let faults = dir.faults();
    assert!(
        faults.contains(
            "a.toml:1:12: error: `*.toml` includes root.toml, which is being read already: an include cycle"
        ),
        "{faults}"
    );
    let dir = Dir::new(&[("root.toml", "include = \"root.toml\"\n")]);
    assert!(dir.faults().contains("an include cycle"));
}

#[test]
fn a_file_reached_twice_is_read_once() {
    let dir = Dir::new(&[
        ("root.toml", "include = [\"a.toml\", \"*/../a.toml\", \"b.toml\"]\n"),
        ("a.toml", ""),
        ("b.toml", "include = \"a.toml\"\n"),
        ("sub/x", ""),
    ]);
    assert_eq!(dir.read(), ["root.toml", "a.toml", "b.toml"]);
}

#[test]
fn the_directory_is_not_a_pattern() {
    let dir = Dir::new(&[
        ("root.toml", "include = \"[x]*/in.toml\"\n"),
        ("x[*]/in.toml", "include = \"*2.toml\"\n"),
        ("x[*]/in2.toml", ""),
    ]);
    assert_eq!(dir.read(), ["root.toml", "x[*]/in.toml", "x[*]/in2.toml"]);
}

#[test]
fn what_cannot_be_included_is_told() {
    let dir = Dir::new(&[
        ("root.toml", "include = [\"d\", \"***\", \"\", \"bad.toml\", 5]\n"),
        ("d/x.toml", ""),
        ("bad.toml", ""),
    ]);
    fs::write(dir.0.join("bad.toml"), b"# ok\n# \xc3\xa4 \xff\n").unwrap();
    let faults = dir.faults();
    for expected in [
        "root.toml:1:12: error: d is a directory; write `d/*.toml`",
        "`***` is not a pattern",
        "root.toml:1:24: error: an include names a file or a pattern like `conf.d/*.toml`, not nothing",
        "cannot include bad.toml:2:5: the byte 0xff here is not UTF-8 text",
        "root.toml:1:11: error: `include`: expected a list of file names or patterns",
    ] {
        assert!(faults.contains(expected), "{expected}\n{faults}");
    }
}

#[test]
fn includes_nest_only_so_deep() {
    let dir = Dir::new(&[]);
    for n in 0..40 {
        let name = if n == 0 { "root.toml".to_owned() } else { format!("{n}.toml") };
        fs::write(dir.0.join(name), format!("include = \"{}.toml\"\n", n + 1)).unwrap();
    }
    assert!(dir.faults().contains("includes nest deeper than 16 files"), "{}", dir.faults());
}

#[test]
fn a_root_file_that_is_not_there_is_missing() {
    let error = Sources::load(Path::new("/nonexistent/holdfast.toml")).unwrap_err();
    assert_eq!(error.kind(), LoadErrorKind::Missing);
    assert_eq!(error.to_string(), "/nonexistent/holdfast.toml: there is no such file");
}

#[test]
fn a_root_file_that_cannot_be_text_is_unusable() {
    let dir = Dir::new(&[]);
    let path = dir.0.join("root.toml");
    fs::write(&path, b"# ok\nx = \"\xc3\xa4\xff\"\n").unwrap();
    let error = Sources::load(&path).unwrap_err();
    assert_eq!(error.kind(), LoadErrorKind::Unusable);
    assert_eq!(error.to_string(), format!("{}:2:7: the byte 0xff here is not UTF-8 text", path.display()));

    let error = Sources::load(&dir.0).unwrap_err();
    assert_eq!(error.kind(), LoadErrorKind::Unusable);
    assert!(error.to_string().ends_with(": it is not a regular file"));
    assert_eq!(Sources::load(Path::new("/dev/zero")).unwrap_err().kind(), LoadErrorKind::Unusable);

    let fifo = dir.0.join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(Sources::load(&fifo).unwrap_err().to_string().ends_with(": it is not a regular file"));

    fs::File::create(&path).unwrap().set_len(17 * 1024 * 1024).unwrap();
    assert!(Sources::load(&path).unwrap_err().to_string().ends_with(": it is larger than 16 MiB"));
}
