//! What an e-mail address looks like: the plain form (RFC 5321, 4.1.2), without quotes and comments.

/// Whether it is one, or why not.
pub(super) fn check(text: &str) -> Result<(), &'static str> {
    if text.contains(['<', '>', ' ', ',']) {
        return Err("the address alone, without a name and brackets; several are a list");
    }
    let Some((local, host)) = text.rsplit_once('@') else {
        return Err("it has no @");
    };
    // RFC 5321, 4.5.3.1.
    if local.is_empty() || local.len() > 64 {
        return Err("before the @ are 1 to 64 characters");
    }
    let atoms = local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom));
    if !atoms {
        return Err("before the @ are letters, digits and !#$%&'*+/=?^_`{|}~-, and dots between them");
    }
    if is_host(host) { Ok(()) } else { Err("behind the @ is a host's name") }
}

fn is_atom(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c)
}

/// Whether it can be a host's name (or an IPv4 address).
pub(super) fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}
