//! A text read in parts is the text read as one.

use proptest::prelude::*;

use crate::config::document::{parse_in_parts, parse_whole};
use crate::config::node::{Kind, Node, TableNode};
use crate::config::source::FileId;

/// Packed arrays as any others, with their places.
fn opened(table: TableNode<'static>) -> TableNode<'static> {
    fn open(node: Node<'static>) -> Node<'static> {
        let kind = match node.kind {
            Kind::Packed(packed) => Kind::Array(packed.opened().to_vec()),
            Kind::Table(table) => Kind::Table(opened(table)),
            Kind::Array(list) => Kind::Array(list.into_iter().map(open).collect()),
            plain @ (Kind::String(_)
            | Kind::Integer(_)
            | Kind::Float(_)
            | Kind::Boolean(_)
            | Kind::Datetime) => plain,
        };
        Node { span: node.span, kind }
    }
    let mut table = table;
    for (_, entry) in &mut table.entries {
        entry.value = open(entry.value.clone());
    }
    table
}

/// Whether it could be read in parts.
fn compare(text: &str) -> bool {
    let Some(parts) = parse_in_parts(FileId(7), text) else { return false };
    let (whole, errors) = parse_whole(FileId(7), text);
    assert!(errors.is_empty(), "{text}\n{errors:?}");
    assert_eq!(opened(parts), whole, "{text}");
    true
}

#[test]
fn arrays_are_read_in_parts_wherever_they_stand() {
    for text in [
        "[[a]]\n",
        "[[a]]",
        "[[a]]\nx = 1\n[[a]]\nx = 2",
        "x = 1\n[[a]] # one\ny = [1,\n2\n]\n[[a.b]]\nz = {c = 1}\n[a.c]\n[g]\nh = 1\n[[a]]\n",
        "[g]\nx = 1\n\n[[g.i]]\ny = 1\n[[a]]\nx = 'q'\n  [[a.b]]\n  y = 2\n[[b]]\n[[a]]\n[[g.i]]\ny = 2\n[[b]]\nx = -3\n",
        "\t[[a]]\t\r\nx = 1e3\r\n[[a]]\r\ny = 1979-05-27\r\n",
    ] {
        assert!(compare(text), "{text}");
    }
}

#[test]
fn what_cannot_be_read_in_parts_is_read_as_one() {
    for text in [
        "",
        "x = 1\n",
        // No header at all but a text of several lines.
        "x = \"\"\"\n[[a]]\n\"\"\"\n",
        "[[a]]\nx = '''\n[[a]]\n'''\n",
        "[[a]]\nx = \"\"\"\n[no.header]\n\"\"\"\n[a.b]\n",
        "[[a]]\nx = [1,\n[2]\n]\n",
        // Neither an array, nor one that ends there.
        "[[a]]\n[a]\n",
        "a = []\n[[a]]\n",
        "[[a]]\n[\"a\".b]\n[[a]]\n",
        "[[a]]\n[ a . b ]\nx = 1\n",
        // Faults.
        "[[a]]\nx = 1\nx = 2\n",
        "[[a]]\nx = \n[[a]]\n",
        "[[a]]\n]\n",
    ] {
        assert!(!compare(text), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_means_the_same_in_parts_and_as_one(pieces in prop::collection::vec(prop::sample::select(vec![
        "[[a]]\n", "[[a]]\n", "[[b]]\n", "[[a.c]]\n", "[a.d]\n", "[g]\n", "[[g.a]]\n", "[\"a\".e]\n", "[ a.f ]\n", "  [[a]] #\n",
        "x = 1\n", "y = 'text'\n", "z = [\n", "[[a]],\n", "]\n", "\"\"\"\n", "'''\n", "w = \"\"\"\n", "# [[a]]\n", "v.w = {u = 1}\n",
        "a = 1\n", "\n", "\r\n", "\\\n", "{", "}", "[[a]", "]]\n", "a]]", "\"", "ä = 1\n", "[[]]\n", "[]\n",
    ]), 0..14)) {
        compare(&pieces.concat());
    }
}
