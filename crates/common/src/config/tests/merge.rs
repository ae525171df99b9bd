use super::*;

/// The root file and others, as if included in this order.
fn several(texts: &[&str]) -> Sources {
    let files = texts.iter().zip(["a.toml", "b.toml", "c.toml"]);
    let files = files.map(|(text, path)| SourceFile { path: path.into(), text: (*text).to_owned() });
    Sources { files: files.collect(), faults: Vec::new() }
}

#[test]
fn arrays_of_tables_append_in_the_order_of_the_files() {
    let sources = several(&["[[k]]\nn = 1\n[[k]]\nn = 2\n", "[[k]]\nn = 3\n", "[[k]]\nn = 4\n"]);
    let (numbers, faults) = read_sources(&sources, |root, d| {
        let mut numbers = Vec::new();
        for mut table in root.tables("k", d) {
            numbers.push(table.required::<u8>("n", d).unwrap().value);
            table.finish(d);
        }
        numbers
    });
    assert_eq!((numbers, faults), (vec![1, 2, 3, 4], String::new()));
}

#[test]
fn tables_merge_key_by_key() {
    let sources = several(&[
        "[t]\na = 1\n[[t.k]]\nn = 1\n",
        "[t]\nb = 2\n[[t.k]]\nn = 2\n[t.u]\nx = 1\n",
        "[t.u]\ny = 2\n",
    ]);
    let (sum, faults) = read_sources(&sources, |root, d| {
        let mut table = root.table("t", d).unwrap();
        let mut sum = table.or("a", 0_u32, d) + 10 * table.or("b", 0, d);
        for mut k in table.tables("k", d) {
            sum += 100 * k.or("n", 0, d);
            k.finish(d);
        }
        let mut u = table.table("u", d).unwrap();
        sum += 1000 * u.or("x", 0, d) + 10_000 * u.or("y", 0, d);
        u.finish(d);
        table.finish(d);
        sum
    });
    assert_eq!((sum, faults), (21_321, String::new()));
}

#[test]
fn one_key_in_two_files_is_a_fault_that_names_both() {
    let sources = several(&["[t]\na = 1\n", "[t]\na = 2\n"]);
    let (_, faults) = read_sources(&sources, |root, d| {
        let mut table = root.table("t", d).unwrap();
        table.or("a", 0_u8, d);
        table.finish(d);
    });
    assert_eq!(
        faults,
        "b.toml:2:1: error: `a` is given twice\n    2 | a = 2\n      | ^\na.toml:2:1: note: first given here\n    2 | a = 1\n      | ^\n"
    );
}

#[test]
fn what_is_written_in_line_is_closed() {
    for (first, second) in
        [("t = {a = 1}\n", "[t]\nb = 1\n"), ("[t]\na = 1\n", "t = {b = 1}\n"), ("t = [{}]\n", "[[t]]\n")]
    {
        let (_, faults) =
            read_sources(&several(&[first, second]), |root, d| root.value("t", Vec::new, d).is_some());
        assert!(faults.contains("`t` is given twice"), "{first}{second}{faults}");
    }
}

#[test]
fn a_fault_in_an_included_file_has_that_files_place() {
    let (_, faults) = read_sources(&several(&["", "\nzzz = 1\n"]), global::plan);
    assert!(faults.starts_with("b.toml:2:1: error: unknown key \"zzz\""), "{faults}");
}
