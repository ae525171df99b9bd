//! What children are told.

use super::*;

fn document(text: &str) -> Document {
    let mut d = Diagnostics::new();
    let document = Document::parse(&Sources::from_text("t.toml", text), &mut d);
    assert!(d.is_empty(), "{}", d.messages());
    document
}

fn share(text: &str, keys: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    document(text).write_share(keys, &mut bytes).unwrap();
    bytes
}

const TEXT: &str = "include = 'x'\nfirst = -5\n[g]\nx = 0.5\ny = true\nz = [1, 'two', {three = false}]\nw = 99999999999999999999\n\
    [[k]]\nn = 1\n[[k.l]]\nm = 'm'\n[o]\n[[k]]\nn = 2\nd = 1979-05-27\n";

#[test]
fn a_share_has_what_was_asked_for_and_nothing_else() {
    let all = ["first", "g", "k", "o", "nothing"];
    let read_back = Document::from_share(share(TEXT, &all)).unwrap();
    let mut again = Vec::new();
    read_back.write_share(&all, &mut again).unwrap();
    assert_eq!(again, share(TEXT, &all));
    let d = &mut Diagnostics::new();
    let mut root = read_back.root();
    assert_eq!(root.or("first", 0_i32, d), -5);
    let tables = root.list("k", d);
    let number = |index: usize, d: &mut Diagnostics| {
        tables.read(index, d, |mut table, d| Some(table.or("n", 0_u8, d)))
    };
    assert_eq!((tables.len(), number(0, d), number(1, d), number(2, d)), (2, Some(1), Some(2), None));
    let lone = Document::from_share(share(TEXT, &["o"])).unwrap();
    assert!(lone.root().has("o") && !lone.root().has("g") && !lone.root().has("k"));
}

#[test]
fn a_share_does_not_know_where_things_stand() {
    let moved = TEXT.replace("[[k]]\n", "\n# moved\n  [[k]] # here\n").replace("m = 'm'", "m = \"m\"");
    assert_eq!(share(TEXT, &["first", "g", "k"]), share(&moved, &["first", "g", "k"]));
    assert_ne!(share(TEXT, &["k"]), share(&TEXT.replace("n = 2", "n = 3"), &["k"]));
}

#[test]
fn equal_tables_are_found_wherever_they_stand() {
    let before = document("[d]\nx = 1\n[[k]]\nn = 1\n[[k]]\nn = 2\n[[k]]\nn = 3\n");
    let after = document("[d]\nx = 1\n[[k]]\nn = 3\n[[k]]\nn = 4\n[[k]]\nn = 2\n");
    assert_eq!(after.equal_tables(&before, "k"), Some(vec![Some(2), None, Some(1)]));
    // What the tables inherit has changed: they may mean something else.
    let other = document("[d]\nx = 2\n[[k]]\nn = 1\n");
    assert_eq!(other.equal_tables(&before, "k"), None);
    assert_eq!(document("[d]\nx = 1\n").equal_tables(&before, "k"), None);
}

#[test]
fn packed_tables_of_several_files_are_one_array() {
    let texts = ["[[k]]\nn = 1\n", "[[k]]\nn = 2\n[[k]]\nn = 3\n", "[[k]]\n[k.x]\n[\"k\".y]\n"];
    let files = texts.iter().map(|text| SourceFile { path: "x".into(), text: (*text).to_owned() });
    for count in 1..=3 {
        let sources = Sources { files: files.clone().take(count).collect(), faults: Vec::new() };
        let mut d = Diagnostics::new();
        let document = Document::parse(&sources, &mut d);
        let mut root = document.root();
        let tables = root.list("k", &mut d);
        let numbers: Vec<u8> = (0..tables.len())
            .filter_map(|index| tables.read(index, &mut d, |mut table, d| Some(table.or("n", 9, d))))
            .collect();
        assert_eq!(numbers, [&[1][..], &[1, 2, 3], &[1, 2, 3, 9]][count - 1]);
        assert!(d.is_empty());
    }
}

#[test]
fn an_unknown_key_in_a_packed_table_has_its_place() {
    let (_, faults) = read("[[k]]\nn = 1\n[[k]]\nm = 2\n", |root, d| {
        let tables = root.list("k", d);
        for index in 0..tables.len() {
            tables.read(index, d, |mut table, d| {
                table.or("n", 0_u8, d);
                table.finish(d);
                Some(())
            });
        }
    });
    assert!(faults.starts_with("t.toml:4:1: error: unknown key \"m\" in [k]\n"), "{faults}");
}

mod any_bytes {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn damaged_shares_are_refused_without_a_panic(
            at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()
        ) {
            let good = share(TEXT, &["first", "g", "k", "o"]);
            let mut bytes = good.clone();
            let place = at.index(bytes.len());
            bytes[place] = byte;
            for bytes in [bytes, good[..cut.index(good.len())].to_vec()] {
                let Ok(document) = Document::from_share(bytes) else { continue };
                let d = &mut Diagnostics::new();
                let mut root = document.root();
                let tables = root.list("k", d);
                for index in 0..tables.len() {
                    let _any = tables.read(index, d, |table, _| Some(table.path().len()));
                }
                let _any = root.tables("k", d);
                let _any = root.entries().len();
                let _any = document.equal_tables(&document, "k");
            }
        }
    }
}
