//! Lines into blocks.

use super::lex::{Word, words};
use super::place::{Kind, Place, Report};

/// A line of the configuration after everything that works on text: what is left is words and braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) place: Place,
    pub(super) text: String,
    pub(super) comment: Option<String>,
}

/// A keyword with its values and, between braces, its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) place: Place,
    pub(super) words: Vec<Word>,
    pub(super) block: Option<Vec<Self>>,
    /// The comments on the lines before it and on its own.
    pub(super) comments: Vec<String>,
}

impl Item {
    /// The keyword. Empty for a block without one.
    pub(super) fn name(&self) -> &str {
        self.word(0).unwrap_or_default()
    }

    /// A word; the keyword is number 0.
    pub(super) fn word(&self, number: usize) -> Option<&str> {
        self.words.get(number).map(|word| word.text.as_str())
    }

    /// The words behind the keyword.
    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        self.words.iter().skip(1).map(|word| word.text.as_str())
    }

    /// What is between its braces; nothing where there are none.
    pub(super) fn items(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }
}

/// A block that is still open.
struct Open {
    item: Item,
    inside: Vec<Item>,
}

/// The items of a file. What does not fit together is told; what can be understood nevertheless is kept.
pub(super) fn tree(lines: &[Line], report: &mut Report) -> Vec<Item> {
    let mut builder = Builder { open: Vec::new(), items: Vec::new(), comments: Vec::new(), report };
    for line in lines {
        builder.line(line);
    }
    builder.end()
}

struct Builder<'r> {
    open: Vec<Open>,
    items: Vec<Item>,
    /// Comments that wait for the item they are about.
    comments: Vec<String>,
    report: &'r mut Report,
}

impl Builder<'_> {
    fn line(&mut self, line: &Line) {
        self.comments.extend(line.comment.clone().filter(|comment| !comment.is_empty()));
        let words = match words(&line.text) {
            Ok(words) => words,
            Err(fault) => return self.report.fault(&line.place, fault),
        };
        let mut gathered = Vec::new();
        for word in words {
            match (word.text.as_str(), word.quoted) {
                ("{", false) => {
                    let words = std::mem::take(&mut gathered);
                    self.begin(&line.place, words);
                }
                ("}", false) => {
                    let words = std::mem::take(&mut gathered);
                    self.item(&line.place, words);
                    self.close(&line.place);
                }
                _ => gathered.push(word),
            }
        }
        self.item(&line.place, gathered);
    }

    fn here(&mut self) -> &mut Vec<Item> {
        match self.open.last_mut() {
            Some(open) => &mut open.inside,
            None => &mut self.items,
        }
    }

    fn item(&mut self, place: &Place, words: Vec<Word>) {
        if words.is_empty() {
            return;
        }
        let comments = std::mem::take(&mut self.comments);
        self.here().push(Item { place: place.clone(), words, block: None, comments });
    }

    /// A brace on a line of its own belongs to the item before it.
    fn begin(&mut self, place: &Place, words: Vec<Word>) {
        let before = if words.is_empty() { self.here().pop_if(|item| item.block.is_none()) } else { None };
        let comments = std::mem::take(&mut self.comments);
        let item = match before {
            Some(mut item) => {
                item.comments.extend(comments);
                item
            }
            None => {
                if words.is_empty() {
                    self.report.fault(place, "a block that no keyword begins");
                }
                Item { place: place.clone(), words, block: None, comments }
            }
        };
        self.open.push(Open { item, inside: Vec::new() });
    }

    fn close(&mut self, place: &Place) {
        // A comment at the end of a block is about nothing that follows.
        self.comments.clear();
        match self.open.pop() {
            Some(Open { mut item, inside }) => {
                item.block = Some(inside);
                self.here().push(item);
            }
            None => self.report.fault(place, "a closing brace without an opening one"),
        }
    }

    fn end(mut self) -> Vec<Item> {
        while let Some(Open { item, .. }) = self.open.last() {
            let place = item.place.clone();
            let text =
                format!("the block of `{}` is not closed: keepalived reads on to the end", item.name());
            self.report.add(&place, Kind::Fault, text);
            self.close(&place);
        }
        self.items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Item>, Vec<String>) {
        let file: std::rc::Rc<str> = "k.conf".into();
        let lines: Vec<Line> = text
            .lines()
            .enumerate()
            .map(|(number, text)| {
                let (code, comment) = super::super::lex::split_comment(text);
                Line {
                    place: Place { file: file.clone(), line: number + 1 },
                    text: code.to_owned(),
                    comment: comment.map(str::to_owned),
                }
            })
            .collect();
        let mut report = Report::default();
        let items = tree(&lines, &mut report);
        (items, report.remarks().iter().map(ToString::to_string).collect())
    }

    fn shape(items: &[Item]) -> String {
        let one = |item: &Item| {
            let words: Vec<&str> = item.words.iter().map(|word| word.text.as_str()).collect();
            let block = item.block.as_ref().map(|block| format!("({})", shape(block)));
            format!("{}{}", words.join(" "), block.unwrap_or_default())
        };
        items.iter().map(one).collect::<Vec<_>>().join(";")
    }

    #[test]
    fn braces_may_stand_anywhere() {
        for text in ["a b {\n c d\n}\n", "a b\n{\nc d\n}", "a b { c d }", "a b {\nc d }"] {
            let (items, faults) = read(text);
            assert_eq!((shape(&items), faults.len()), ("a b(c d)".to_owned(), 0), "{text}");
        }
    }

    #[test]
    fn a_comment_is_about_what_follows() {
        let (items, _) = read("# the first\n! pair\na { # here\n x\n # last\n}\nb");
        assert_eq!(items[0].comments, ["the first", "pair", "here"]);
        assert!(items[0].items()[0].comments.is_empty());
        assert!(items[1].comments.is_empty());
    }

    #[test]
    fn unbalanced_braces_are_told_with_the_line_that_opens() {
        let (items, faults) = read("x\na {\n b {\n c\n}\n");
        assert_eq!(shape(&items), "x;a(b(c))");
        assert_eq!(
            faults,
            ["k.conf:2: error: the block of `a` is not closed: keepalived reads on to the end"]
        );
        assert_eq!(read("a {\n}\n}").1, ["k.conf:3: error: a closing brace without an opening one"]);
    }
}
