//! Tests of the configuration text, by topic.

mod look;
mod merge;
mod parts;
mod property;
mod render;
mod share;
mod sources;
mod values;

use super::*;

/// Parses one text and reads it by `read`, which gets the root table; returns what it read and what is printed.
fn read<T>(text: &str, read: impl FnOnce(&mut Table<'_>, &mut Diagnostics) -> T) -> (T, String) {
    read_sources(&Sources::from_text("t.toml", text), read)
}

fn read_sources<T>(
    sources: &Sources,
    read: impl FnOnce(&mut Table<'_>, &mut Diagnostics) -> T,
) -> (T, String) {
    let mut d = Diagnostics::new();
    let document = Document::parse(sources, &mut d);
    let mut root = document.root();
    let value = read(&mut root, &mut d);
    root.finish(&mut d);
    (value, d.render(sources))
}

/// Reads the key `k`.
fn value_of<T: FromValue>(text: &str) -> Result<T, String> {
    let (value, faults) = read(&format!("k = {text}\n"), |root, d| root.optional::<T>("k", d));
    match value {
        Some(located) if faults.is_empty() => Ok(located.value),
        _ => Err(faults
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("t.toml:1:5: error: ")
            .to_owned()),
    }
}
