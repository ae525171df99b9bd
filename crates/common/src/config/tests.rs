use super::*;

fn check(text: &str) -> String {
    let sources = Sources::from_text("t.toml", text);
    let mut d = Diagnostics::new();
    let document = Document::parse(&sources, &mut d);
    let mut root = document.root();
    global::plan(&mut root, &mut d);
    root.finish(&mut d);
    d.render(&sources)
}

#[test]
fn a_misspelt_key_is_reported_with_its_place_and_the_nearest_known_one() {
    assert_eq!(
        check("[global]\n\trouter_ld = \"a\"\n"),
        "t.toml:2:2: error: unknown key \"router_ld\" in [global]\n    2 |     router_ld = \"a\"\n      |     ^^^^^^^^^\n  hint: did you mean `router_id`?\n"
    );
}
