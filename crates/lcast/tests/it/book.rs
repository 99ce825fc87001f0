//! The chapter of the book shows the examples as they are.

use std::path::Path;

use lcast_lab::programs::NAMES;

#[test]
fn the_programs_of_the_book_are_the_examples() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let chapter = std::fs::read_to_string(folder.join("../../docs/book/src/rust.md")).unwrap();
    let listings = chapter.split("\n```rust,no_run\n").skip(1);
    let listings: Vec<&str> = listings.map(|it| it.split("```").next().unwrap()).collect();
    for example in NAMES {
        let path = folder.join(format!("examples/{example}.rs"));
        let text = std::fs::read_to_string(path).unwrap();
        assert!(
            listings.contains(&text.as_str()),
            "the chapter does not show {example}.rs as it is"
        );
    }
}
