//! The head of an HTTP answer, out of bytes as they come.

use super::body::Framing;

/// The longest head that is read.
pub const MAX_HEAD: usize = 16 * 1024;
/// The most header lines a head may have.
const MAX_HEADERS: usize = 100;

/// What the bytes so far are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The start of a head, perhaps.
    Partial,
    /// Something else.
    NotHttp,
    /// A whole head.
    Head {
        /// Its status.
        status: u16,
        /// Its length; the body follows.
        length: usize,
        /// How the end of the body is known.
        framing: Framing,
    },
}

/// Looks at the bytes so far, of which those before `from` were looked at before without an end. Only a
/// head with its end in sight is parsed as a whole, so that a server that sends byte by byte costs little.
pub fn parse(bytes: &[u8], from: usize) -> Parsed {
    if !could_be_http(bytes) {
        return Parsed::NotHttp;
    }
    let tail = bytes.get(from.saturating_sub(3)..).unwrap_or(bytes);
    let ends = tail.windows(2).any(|w| w == b"\n\n") || tail.windows(3).any(|w| w == b"\n\r\n");
    if !ends {
        return Parsed::Partial;
    }
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let mut config = httparse::ParserConfig::default();
    config
        .allow_spaces_after_header_name_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true);
    match config.parse_response(&mut response, bytes) {
        Ok(httparse::Status::Complete(length)) => match response.code {
            Some(status) => Parsed::Head { status, length, framing: framing(status, response.headers) },
            None => Parsed::NotHttp,
        },
        Ok(httparse::Status::Partial) => Parsed::Partial,
        Err(_) => Parsed::NotHttp,
    }
}

/// RFC 9112 6.3, for an answer to a method that has a body.
fn framing(status: u16, headers: &[httparse::Header<'_>]) -> Framing {
    let named = |name: &str| headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
    if matches!(status, 100..200 | 204 | 304) {
        return Framing::Empty;
    }
    if named("transfer-encoding")
        .is_some_and(|header| header.value.to_ascii_lowercase().ends_with(b"chunked"))
    {
        return Framing::Chunked;
    }
    let length = named("content-length").and_then(|header| std::str::from_utf8(header.value).ok());
    length.and_then(|length| length.trim().parse().ok()).map_or(Framing::Close, Framing::Length)
}

/// Whether the first bytes can be those of a status line, so that another protocol's greeting is named at
/// once and not after the time limit.
fn could_be_http(bytes: &[u8]) -> bool {
    let start = bytes.iter().position(|byte| *byte != b'\r' && *byte != b'\n').unwrap_or(bytes.len());
    let line = bytes.get(start..).unwrap_or_default();
    let known = b"HTTP/1.";
    line.iter().zip(known).all(|(found, wanted)| found == wanted)
}
