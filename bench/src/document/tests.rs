use super::*;
use crate::ask::Loss;
use crate::fleet::Memory;
use crate::watch::Block;
use lcast_bench_asker::Answer;

fn outcome(name: &'static str, warm: &[f64]) -> Outcome {
    let answers = Completeness { asked: 4, complete: 4, fewest: Some(10) };
    let cell = Cell {
        count: 10,
        warm: warm.to_vec(),
        whole: vec![20.0],
        packets: vec![11.0],
        bytes: vec![2345.0],
        memory: vec![Memory { responder: 7_340_032, server: 0 }],
        warm_answers: answers,
        whole_answers: answers,
        failures: Vec::new(),
    };
    let answer = Answer { got: 9, missing: vec!["n9".to_owned()], ..Answer::default() };
    Outcome {
        name,
        shape: "as it is",
        version: Ok("1.0".to_owned()),
        most: (10, "it is slow"),
        cells: vec![cell],
        loss: Some(Ok(Loss { count: 10, killed: "n9".to_owned(), answer })),
    }
}

fn results() -> Results {
    Results { counts: vec![10, 100], systems: Vec::new(), nothing: vec![0.5] }
}

fn document(systems: Vec<Outcome>) -> Document {
    let machine = Machine { facts: vec![("kernel", "Linux 1".to_owned())], busy: false };
    let plan = Plan::read(&[]).expect("no words are a plan").expect("and no call for help");
    let ask = Results { systems, ..results() };
    let block = Block { changes: 4, delays: vec![0.4, 0.5, 1.25] };
    let watched = Watched { name: "a watcher", agents: 100, blocks: vec![block] };
    Document { machine, plan, ask: Some(ask), watch: Some(vec![watched]) }
}

fn check(document: &Document, lines: &[&str]) {
    let text = document.text().expect("a String takes all");
    for line in lines {
        assert!(text.lines().any(|it| it == *line), "no line '{line}' in:\n{text}");
    }
}

#[test]
fn the_page() {
    check(
        &document(vec![outcome("Librecast", &[1.0, 2.0, 30.0])]),
        &[
            "| ms to the last reply of | 10 | 100 | names who is missing | MB per agent |",
            "| Librecast | 2.00 | - | yes | 7.3 |",
            "| Librecast | 2.00 (1.00 - 30.0) | 20.0 (20.0 - 20.0) | 11 | 2345 | 4 of 4; 4 of 4 \
             | 7.3 |",
            "| Librecast | not measured: it is slow | | | | | |",
            "| Librecast | n9 | 9 of 10 replies | n9 |",
            "| a watcher | 100 | 0.50 | 1.25 | 4 | 1 |",
            "| last of 10 replies within 3 ms | 2.00 ms | yes |",
            "| no change lost by a watcher, 100 agents | 1 of 4 lost | no |",
        ],
    );
}

/// Nothing about speed in the README is typed by hand: neither which goals were missed, nor that
/// the machine was busy.
#[test]
fn the_readme_has_lines_of_the_page_alone() {
    let mut document = document(vec![outcome("Librecast", &[30.0])]);
    for (busy, end) in [(false, "100 agents."), (true, "100 agents (on a\nbusy machine).")] {
        document.machine.busy = busy;
        let excerpt = document.excerpt();
        let missed = "last of 10 replies within 3 ms; no change lost by a watcher";
        let begin = format!("Goals missed: 2 of 4: {missed}, {end}\n\n| ms to");
        assert!(excerpt.starts_with(&begin), "{excerpt}");
        check(&document, &excerpt.lines().collect::<Vec<_>>());
    }
    document.watch = None;
    document.ask = Some(Results { systems: vec![outcome("Librecast", &[2.0])], ..results() });
    assert!(document.excerpt().starts_with("Goals missed: 0 of 1 (on a busy machine).\n\n| ms to"));
}

/// A run that measured no goal misses none.
#[test]
fn no_goals_are_not_spoken_of() {
    let mut document = document(vec![outcome("NATS", &[30.0])]);
    document.watch = None;
    assert!(document.excerpt().starts_with("| ms to"), "{}", document.excerpt());
    assert!(!document.text().unwrap().contains("Goals"));
}

#[test]
fn what_is_missing_is_said() {
    let mut absent = outcome("NATS", &[]);
    absent.version = Err("install it");
    absent.cells.clear();
    absent.loss = None;
    let mut incomplete = outcome("zenoh", &[5.0]);
    incomplete.cells[0].warm_answers = Completeness { asked: 4, complete: 0, fewest: Some(3) };
    let unnamed =
        Loss { count: 10, killed: "n9".to_owned(), answer: Answer { got: 9, ..Answer::default() } };
    incomplete.loss = Some(Ok(unnamed));
    incomplete.cells[0].failures.push("it said:\n'a|b'\n".to_owned());
    let mut quick = document(vec![absent, incomplete]);
    quick.plan.quick = true;
    check(
        &quick,
        &[
            QUICK.trim(),
            "| NATS | not installed: `install it` | | | | | |",
            "| zenoh | 5.00 (incomplete) | - | no | 7.3 |",
            "| zenoh | n9 | 9 of 10 replies | nobody |",
            "| zenoh | 10 | it said: 'a/b' |",
        ],
    );
}

#[test]
fn the_table_of_the_readme() {
    let text = format!("# Title\n\n{BEGIN}old\n{END}\nrest\n");
    let expected = format!("# Title\n\n{BEGIN}| new |\n{END}\nrest\n");
    assert_eq!(with_speed(&text, "| new |\n").expect("the place is there"), expected);
    assert!(with_speed("# Title\n", "").is_err());
}
