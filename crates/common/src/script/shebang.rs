//! The first line of a script, read as the kernel reads it. Pure.

/// How many bytes of a file the kernel looks at.
pub const LOOKED_AT: usize = 256;

/// Who is to interpret a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shebang {
    /// The interpreter's path.
    pub interpreter: Vec<u8>,
    /// Everything behind it, as one argument.
    pub argument: Option<Vec<u8>>,
}

/// Reads the beginning of a file; none where it does not start with `#!` and a path.
pub fn parse(head: &[u8]) -> Option<Shebang> {
    let rest = head.get(..head.len().min(LOOKED_AT))?.strip_prefix(b"#!")?;
    let line = rest.split(|byte| *byte == b'\n' || *byte == 0).next()?.trim_ascii();
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let end = line.iter().position(blank).unwrap_or(line.len());
    let (interpreter, argument) = line.split_at(end);
    if interpreter.is_empty() {
        return None;
    }
    let argument = argument.trim_ascii();
    Some(Shebang {
        interpreter: interpreter.to_vec(),
        argument: (!argument.is_empty()).then(|| argument.to_vec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &[u8]) -> Option<(String, Option<String>)> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        parse(head).map(|line| (text(line.interpreter), line.argument.map(text)))
    }

    #[test]
    fn the_rest_of_the_line_is_one_argument() {
        let sh = |argument: Option<&str>| Some(("/bin/sh".to_owned(), argument.map(str::to_owned)));
        assert_eq!(read(b"#!/bin/sh\necho"), sh(None));
        assert_eq!(read(b"#! \t/bin/sh  \necho"), sh(None));
        assert_eq!(read(b"#!/bin/sh -e -u \n"), sh(Some("-e -u")));
        assert_eq!(read(b"#!/bin/sh"), sh(None));
        assert_eq!(read(b"#!/bin/sh\0junk"), sh(None));
    }

    #[test]
    fn what_names_nobody_is_not_a_script() {
        for head in [&b""[..], b"#", b"#!", b"#!  \n/bin/sh", b"\x7fELF", b" #!/bin/sh"] {
            assert_eq!(read(head), None, "{head:?}");
        }
    }
}
