//! The state a successor needs, kept where the death of a child does not reach it.
//!
//! The watchdog makes one memory file for each role and hands it to every incarnation. The child writes its
//! state into one of two halves in turn, so that a kill in the middle of a write leaves the older half whole.
//! A half is a header (magic, number, length, checksum) and the bytes. The watchdog never looks inside.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use nix::sys::memfd::{MFdFlags, memfd_create};

const MAGIC: u32 = 0x4846_4351;
const HEADER: u64 = 24;
/// Where the second half starts, and so the size limit of a checkpoint.
const HALF: u64 = 64 << 20;

/// One role's checkpoint.
#[derive(Debug)]
pub struct Store {
    file: File,
    number: u64,
}

impl Store {
    /// Makes an empty one (a memory file, close-on-exec).
    ///
    /// # Errors
    /// Where the kernel refuses a memory file.
    pub fn create(name: &str) -> io::Result<Self> {
        let fd = memfd_create(name, MFdFlags::MFD_CLOEXEC)?;
        Ok(Self { file: File::from(fd), number: 0 })
    }

    /// Takes over the one of a predecessor.
    pub fn from_fd(fd: OwnedFd) -> Self {
        let mut store = Self { file: File::from(fd), number: 0 };
        store.number = store.newest().map_or(0, |(number, _)| number);
        store
    }

    /// The descriptor, to be kept open over an exec.
    pub fn fd(&self) -> impl AsFd + '_ {
        &self.file
    }

    /// Writes a state. The one before stays readable until this one is whole.
    ///
    /// # Errors
    /// No memory, or more than 64 MiB less a header.
    pub fn save(&mut self, state: &[u8]) -> io::Result<()> {
        let length = u64::try_from(state.len()).map_err(io::Error::other)?;
        if length > HALF - HEADER {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let number = self.number + 1;
        let at = half(number);
        let mut header = Vec::with_capacity(24);
        header.extend(MAGIC.to_le_bytes());
        header.extend(checksum(number, state).to_le_bytes());
        header.extend(number.to_le_bytes());
        header.extend(length.to_le_bytes());
        self.file.write_all_at(state, at + HEADER)?;
        self.file.write_all_at(&header, at)?;
        self.number = number;
        Ok(())
    }

    /// The newest whole state.
    pub fn load(&self) -> Option<Vec<u8>> {
        self.newest().map(|(_, state)| state)
    }

    fn newest(&self) -> Option<(u64, Vec<u8>)> {
        let halves = [self.read(0), self.read(1)];
        halves.into_iter().flatten().max_by_key(|(number, _)| *number)
    }

    fn read(&self, parity: u64) -> Option<(u64, Vec<u8>)> {
        let at = half(parity);
        let (mut magic, mut sum, mut number, mut length) = ([0; 4], [0; 4], [0; 8], [0; 8]);
        self.file.read_exact_at(&mut magic, at).ok()?;
        self.file.read_exact_at(&mut sum, at + 4).ok()?;
        self.file.read_exact_at(&mut number, at + 8).ok()?;
        self.file.read_exact_at(&mut length, at + 16).ok()?;
        let (number, length) = (u64::from_le_bytes(number), u64::from_le_bytes(length));
        if u32::from_le_bytes(magic) != MAGIC || number % 2 != parity || length > HALF - HEADER {
            return None;
        }
        let mut state = vec![0; usize::try_from(length).ok()?];
        self.file.read_exact_at(&mut state, at + HEADER).ok()?;
        (checksum(number, &state) == u32::from_le_bytes(sum)).then_some((number, state))
    }
}

fn half(number: u64) -> u64 {
    (number % 2) * HALF
}

/// FNV-1a over eight bytes at a time: only has to notice a half-written state, and there is one with every verdict.
fn checksum(number: u64, state: &[u8]) -> u32 {
    let mix = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
    let (words, rest) = state.as_chunks::<8>();
    let sum = words
        .iter()
        .fold(mix(0xcbf2_9ce4_8422_2325, number), |sum, word| mix(sum, u64::from_le_bytes(*word)));
    let sum = rest.iter().fold(mix(sum, u64::try_from(state.len()).unwrap_or(u64::MAX)), |sum, byte| {
        mix(sum, u64::from(*byte))
    });
    let [a, b, c, d, e, f, g, h] = sum.to_le_bytes();
    u32::from_le_bytes([a ^ e, b ^ f, c ^ g, d ^ h])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reopen(store: &Store) -> Store {
        Store::from_fd(store.fd().as_fd().try_clone_to_owned().unwrap())
    }

    #[test]
    fn a_successor_reads_what_was_saved_last() {
        let mut store = Store::create("t").unwrap();
        assert_eq!(store.load(), None);
        for state in [&b"one"[..], b"two", b"", b"three and more"] {
            store.save(state).unwrap();
            assert_eq!(reopen(&store).load().as_deref(), Some(state));
        }
    }

    #[test]
    fn a_half_written_state_leaves_the_one_before() {
        let mut store = Store::create("t").unwrap();
        store.save(b"first").unwrap();
        store.save(b"second").unwrap();
        // Number 2 lies in half 0; a writer was killed in the middle of its bytes.
        store.file.write_all_at(b"XX", HEADER).unwrap();
        let mut successor = reopen(&store);
        assert_eq!(successor.load().as_deref(), Some(&b"first"[..]));
        successor.save(b"third").unwrap();
        assert_eq!(reopen(&successor).load().as_deref(), Some(&b"third"[..]));
    }

    #[test]
    fn the_checksum_tells_any_changed_byte() {
        let state: Vec<u8> = (0..37).collect();
        let sum = checksum(7, &state);
        assert_ne!(checksum(8, &state), sum);
        assert_ne!(checksum(7, &state[..36]), sum);
        for at in 0..state.len() {
            let mut other = state.clone();
            other[at] ^= 0x10;
            assert_ne!(checksum(7, &other), sum, "byte {at}");
        }
    }

    #[test]
    fn garbage_is_no_state() {
        let store = Store::create("t").unwrap();
        store.file.write_all_at(&[0xff; 300], 0).unwrap();
        assert_eq!(reopen(&store).load(), None);
    }
}
