//! The chapter of the book: its listings are the examples, which the other tests build and run.

use crate::stage;

#[test]
fn the_listings_of_the_book_are_the_examples() {
    let chapter = stage::folder().join("../../docs/book/src/c.md");
    let chapter = std::fs::read_to_string(chapter).unwrap();
    let listings = chapter.split("\n```c\n").skip(1).map(|it| it.split("```").next().unwrap());
    let listings: Vec<&str> = listings.collect();
    for example in ["monitor", "exporter", "dashboard", "variables"] {
        let path = stage::folder().join(format!("examples/{example}.c"));
        let text = std::fs::read_to_string(path).unwrap();
        assert!(
            listings.contains(&text.as_str()),
            "the chapter does not show {example}.c as it is"
        );
    }
    assert_eq!(listings.len(), 4, "a listing that is no example is not tested");
}
