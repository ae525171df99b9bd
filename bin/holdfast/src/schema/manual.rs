//! What holdfast.toml(5) says about each key, as plain text: the first paragraph.

use std::collections::BTreeMap;

use crate::reference::{page, section};

/// By section and key.
pub(super) type Explanations = BTreeMap<(String, String), String>;

pub(super) fn explanations() -> Explanations {
    let page = page();
    let mut found: BTreeMap<(String, String), Vec<(String, String)>> = BTreeMap::new();
    let mut heading = "";
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(next) = line.strip_prefix(".Ss ") {
            heading = next;
        }
        let Some(key) = line.strip_prefix(".It Ic ") else { continue };
        let mut text = String::new();
        while let Some(words) = lines.peek().and_then(|line| plain(line)) {
            lines.next();
            text.push_str(if text.is_empty() || words.starts_with(CLOSING) { "" } else { " " });
            text.push_str(&words);
        }
        let of = heading.strip_prefix("check of type ").unwrap_or_default().to_owned();
        found.entry((section(heading).to_owned(), key.to_owned())).or_default().push((of, text));
    }
    found.into_iter().map(|(place, texts)| (place, together(&texts))).collect()
}

/// Several kinds of check explain their keys by the same name.
fn together(texts: &[(String, String)]) -> String {
    if let [(_, text)] = texts {
        return text.clone();
    }
    let line =
        |(of, text): &(String, String)| if of.is_empty() { text.clone() } else { format!("{of}: {text}") };
    texts.iter().map(line).collect::<Vec<_>>().join("\n")
}

const CLOSING: [char; 5] = [',', '.', ';', ':', ')'];

/// One line of the page without roff; none where the paragraph ends.
fn plain(line: &str) -> Option<String> {
    let Some(request) = line.strip_prefix('.') else { return Some(unescaped(line)) };
    let words = words(request);
    let (name, words) = words.split_first()?;
    let (closing, words): (Vec<&String>, Vec<&String>) =
        words.iter().partition(|word| word.len() == 1 && word.starts_with(CLOSING));
    let words: Vec<&str> = words.into_iter().map(String::as_str).collect();
    let closing: String = closing.into_iter().map(String::as_str).collect();
    let text = match (name.as_str(), &words[..]) {
        ("Ic" | "Cm" | "Dl" | "Pa" | "Va" | "Ev" | "Li" | "Ar" | "Nm", words) => words.join(" "),
        ("Xr", [page, number]) => format!("{page}({number})"),
        ("Pq", ["Xr", page, number]) => format!("({page}({number}))"),
        ("Pq", [_, words @ ..]) => format!("({})", words.join(" ")),
        _ => return None,
    };
    Some(unescaped(&format!("{text}{closing}")))
}

/// The words of a request; those with spaces stand between quotes.
fn words(request: &str) -> Vec<String> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for c in request.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn unescaped(text: &str) -> String {
    let quotes = ["\\(dq", "\\(lq", "\\(rq"];
    let text = quotes.iter().fold(text.to_owned(), |text, quote| text.replace(quote, "\""));
    text.replace("\\-", "-").replace("\\&", "").replace("\\e", "\\")
}

#[test]
fn roff_becomes_plain_text() {
    assert_eq!(plain(".Ic \\(dq1.5h\\(dq ;").as_deref(), Some("\"1.5h\";"));
    assert_eq!(plain(".Ic \"[\\(dqa\\(dq, \\(dqb\\(dq]\" ,").as_deref(), Some("[\"a\", \"b\"],"));
    assert_eq!(plain(".Xr ip-netns 8 .").as_deref(), Some("ip-netns(8)."));
    assert_eq!(plain(".Pq Xr sched 7 :").as_deref(), Some("(sched(7)):"));
    assert_eq!(plain(".El"), None);
}

#[test]
fn every_key_has_a_text_without_roff() {
    let explanations = explanations();
    assert!(explanations.len() > 200, "{}", explanations.len());
    for (place, text) in &explanations {
        assert!(text.len() > 3 && !text.contains("\\("), "{place:?}: {text}");
    }
    let of = |section: &str, key: &str| explanations[&(section.to_owned(), key.to_owned())].as_str();
    assert!(
        of("vrrp.instance", "priority")
            .starts_with("Number from 1 to 255, default 100. The highest is master.")
    );
}
