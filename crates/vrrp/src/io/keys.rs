//! Keys of signed adverts that stand in files of their own, as systemd's credentials do.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::wire::hmac::Secret;

/// `hex:`, 128 digits and the end of a line: more is not a key.
const MOST: u64 = 256;

/// Reads a key: text, or hexadecimal digits behind `hex:`. The end of the line does not count.
///
/// # Errors
/// In words: it cannot be read, others can read it, or it is no key.
pub fn read(path: &Path) -> Result<Secret, String> {
    // A pipe without a writer is not to keep us waiting.
    let mut options = File::options();
    options.read(true).custom_flags(nix::libc::O_NONBLOCK);
    let file = options.open(path).map_err(|error| error.to_string())?;
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a regular file".into());
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(format!(
            "others than its owner have access to it (mode {:04o}): chmod 600",
            metadata.mode() & 0o7777
        ));
    }
    let mut text = Vec::new();
    file.take(MOST).read_to_end(&mut text).map_err(|error| error.to_string())?;
    parse(&text).ok_or_else(|| "it has no key of 32 to 64 bytes (or hex: and twice as many digits)".into())
}

fn parse(text: &[u8]) -> Option<Secret> {
    let end = text.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r'))? + 1;
    let text = text.get(..end)?;
    match text.strip_prefix(b"hex:") {
        Some(digits) => Secret::from_hex(str::from_utf8(digits).ok()?),
        None => Secret::new(text),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_text_or_digits_without_the_end_of_the_line() {
        let digits = format!("hex:{}", "41".repeat(32));
        for (text, good) in [
            ("A".repeat(32).as_bytes(), true),
            (format!("{}\r\n", "A".repeat(32)).as_bytes(), true),
            (digits.as_bytes(), true),
            (format!("{digits}\n").as_bytes(), true),
            (format!("{digits}4").as_bytes(), false),
            ("A".repeat(31).as_bytes(), false),
            ("A".repeat(65).as_bytes(), false),
            (b"hex:", false),
            (b"\n\n", false),
            (b"", false),
        ] {
            assert_eq!(parse(text).is_some(), good, "{}", String::from_utf8_lossy(text));
        }
        assert_eq!(parse(digits.as_bytes()), Secret::new("A".repeat(32).as_bytes()));
    }

    #[test]
    fn only_a_file_of_the_owner_alone_is_taken() {
        let folder = std::env::temp_dir().join(format!("hf-keys-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("key");
        fs::write(&path, "A".repeat(32)).unwrap();
        for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).is_ok(), good, "{mode:o}");
        }
        assert_eq!(read(&folder).unwrap_err(), "it is not a regular file");
        assert!(read(&folder.join("none")).unwrap_err().contains("No such file"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
