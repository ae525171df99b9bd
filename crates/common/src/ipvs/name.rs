//! Short names of kernel modules: schedulers and persistence engines. Held in place, because a table of ten
//! thousand entries is copied and compared often.

use std::fmt;
use std::str::FromStr;

/// `IP_VS_SCHEDNAME_MAXLEN` and `IP_VS_PENAME_MAXLEN`, with the closing NUL.
const SIZE: usize = 16;

/// The name of a scheduler or of a persistence engine: 1 to 15 of `a`–`z`, `0`–`9`, `_` and `-`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    bytes: [u8; SIZE],
    length: u8,
}

/// Why a text is not such a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameError;

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length)).unwrap_or(&[]);
        std::str::from_utf8(bytes).unwrap_or("")
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        if text.is_empty() || text.len() >= SIZE || !text.bytes().all(plain) {
            return Err(NameError);
        }
        let mut bytes = [0; SIZE];
        bytes.iter_mut().zip(text.bytes()).for_each(|(place, byte)| *place = byte);
        Ok(Self { bytes, length: u8::try_from(text.len()).map_err(|_| NameError)? })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name is 1 to 15 lower-case letters, digits, `_` and `-`")
    }
}

impl std::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_the_kernels_field() {
        for good in ["rr", "sip", "lblcr", "my_sched-2", "abcdefghijklmno"] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        for bad in ["", "RR", "abcdefghijklmnop", "a b", "ä", "../x", "rr\0"] {
            assert_eq!(bad.parse::<Name>(), Err(NameError), "{bad:?}");
        }
    }
}
