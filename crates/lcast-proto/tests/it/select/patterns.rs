//! What patterns mean [SEL-10] [SEL-11] [SEL-12].

use super::table;
use lcast_proto::name::Name;
use lcast_proto::select::Pattern;
use lcast_proto::value::Value;
use proptest::prelude::*;

const NAMES: [&str; 10] = [
    "app.release",
    r#"hw.temperature["cpu*1"]"#,
    r#"hw.temperature["cpu1"]"#,
    "system.cpu.load_15m",
    "system.cpu.load_1m",
    r#"system.filesystem["/"].usage"#,
    r#"system.filesystem["/var"].inode.utilization"#,
    r#"system.filesystem["/var"].usage"#,
    "system.memory.linux.available",
    "system.memory.usage",
];

/// Which of the names, by their place.
fn check(pattern: &str, expected: &[usize]) {
    let values = NAMES.map(|name| (name, Value::Int(1)));
    let table = table(&values);
    let parsed: Pattern = pattern.parse().unwrap_or_else(|error| panic!("{pattern}: {error}"));
    let place = |name: &Name| NAMES.iter().position(|other| *other == name.to_string()).unwrap();
    let selected: Vec<usize> = parsed.select(&table).map(|(name, _)| place(name)).collect();
    let matched: Vec<usize> = table
        .entries()
        .filter(|(name, _)| parsed.matches(name))
        .map(|(name, _)| place(name))
        .collect();
    assert_eq!(selected, expected, "{pattern}");
    assert_eq!(matched, expected, "{pattern}");
    for name in table.entries().map(|(name, _)| name) {
        let possible = !parsed.matches(name) || parsed.matches_template(&name.template());
        assert!(possible && (!parsed.matches(name) || parsed.touches(&name.template())));
    }
    assert_eq!(parsed.to_string().parse().as_ref(), Ok(&parsed), "{pattern}");
}

#[test]
fn patterns_mean_variables() {
    check("app.release", &[0]);
    check("app", &[0]);
    check("system.memory", &[8, 9]);
    check("system.memory.*", &[8, 9]);
    check("system.*.usage", &[9]);
    check("system.filesystem[*].usage", &[5, 7]);
    check(r#"system.filesystem["/var"]"#, &[6, 7]);
    check(r#"system.filesystem["/*"].usage"#, &[5, 7]);
    check(r#"system.filesystem["/v*r"].usage"#, &[7]);
    check("system.filesystem.*", &[]);
    check("system.cpu.load_*", &[3, 4]);
    check("system.cpu.load_*5*", &[3]);
    check("system.cpu.*1*m", &[3, 4]);
    check("*.cpu", &[3, 4]);
    check("**", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    check("*", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    check("**.usage", &[5, 7, 9]);
    check("system.**.usage", &[5, 7, 9]);
    check("system.**.**.utilization", &[6]);
    check("**[*]", &[1, 2, 5, 6, 7]);
    check(r#"hw.temperature["cpu\*1"]"#, &[1]);
    check(r#"hw.temperature["cpu*1"]"#, &[1, 2]);
    check(r#"hw.temperature["*1*"]"#, &[1, 2]);
    check("system.cpu.load_1m.deeper", &[]);
    check("other", &[]);
}

#[test]
fn patterns_touch_families() {
    for (pattern, prefix, expected) in [
        ("system.memory.usage", "system.memory", true),
        ("system", "system.memory", true),
        ("system.*.usage", "system.memory", true),
        ("system.cpu", "system.memory", false),
        ("system.cpu", "system", true),
        ("**.usage", "system.memory", true),
        ("app.**", "system.memory", false),
        (r#"system.filesystem["/"].usage"#, "system.filesystem", true),
        (r#"system.filesystem["/"].usage"#, "system.filesystem[*].usage", true),
        (r#"system.filesystem["/"].usage"#, "system.filesystem[*].limit", false),
        ("system.memory.usage.deeper", "system.memory.usage", true),
    ] {
        let parsed: Pattern = pattern.parse().unwrap();
        assert_eq!(parsed.touches(prefix), expected, "{pattern} {prefix}");
    }
    let template = |pattern: &str| {
        let parsed: Pattern = pattern.parse().unwrap();
        parsed.matches_template("system.filesystem[*].usage")
    };
    assert!(template("system") && template(r#"system.filesystem["/"]"#) && template("**.usage"));
    assert!(!template("system.filesystem[*].limit") && !template("system.filesystem.*"));
}

#[test]
fn malformed_patterns_say_where() {
    for (pattern, at, part) in [
        ("", 0, "segment is missing"),
        ("system..x", 7, "segment is missing"),
        ("system.", 7, "segment is missing"),
        ("system.Memory", 7, "lower-case"),
        ("system.me mory", 9, "lower-case"),
        ("9a", 0, "begins with"),
        ("a.**b", 2, "stands alone"),
        ("a.b[x]", 3, "[\"key\"]"),
        ("a.b[\"x\"", 6, "[\"key\"]"),
        ("a.b[\"x", 3, "not closed"),
        ("a.b[\"\"]", 3, "1 to 255"),
        ("a.b[\"x\"]c", 8, "dot or the end"),
        ("a.b[\"x\"][\"y\"]", 8, "dot or the end"),
        ("[*]", 0, "segment is missing"),
        ("a.\u{e4}", 2, "lower-case"),
    ] {
        let error = pattern.parse::<Pattern>().unwrap_err();
        assert!(error.to_string().contains(part), "{pattern}: {error}");
        assert_eq!(error.at, at, "{pattern}: {error}");
        assert_eq!(error.render().lines().count(), 3);
    }
    let segment = |length: usize| format!("a.{}", "s".repeat(length)).parse::<Pattern>();
    assert!(segment(32).is_ok() && segment(33).is_err());
    let key = |length: usize| format!("a.b[\"{}*\"]", "k".repeat(length)).parse::<Pattern>();
    assert!(key(255).is_ok() && key(256).is_err());
    let items = |count: usize| vec!["a"; count].join(".").parse::<Pattern>();
    assert!(items(16).is_ok() && items(17).is_err());
}

proptest! {
    #[test]
    fn any_text_parses_or_says_where(text in r#"[a-c*.\[\]"\\ ]{0,24}"#) {
        match text.parse::<Pattern>() {
            Ok(pattern) => {
                let shown = pattern.to_string();
                prop_assert_eq!(shown.parse(), Ok(pattern), "{}", shown);
            }
            Err(error) => prop_assert!(error.at <= text.len() && !error.render().is_empty()),
        }
    }

    #[test]
    fn an_exact_pattern_matches_its_name(key in ".{1,20}", place in 0_usize..3) {
        let steps = ["a.b[\"k\"]", "a.b[\"k\"].c", "a.b.c"];
        let mut name: Name = steps[place].parse().unwrap();
        let steps = name.steps().iter().map(|step| match step {
            lcast_proto::name::Step::Key(_) => lcast_proto::name::Step::Key(key.clone()),
            segment @ lcast_proto::name::Step::Segment(_) => segment.clone(),
        });
        name = Name::new(steps.collect()).unwrap();
        let pattern = Pattern::exact(&name);
        prop_assert!(pattern.matches(&name));
        prop_assert_eq!(pattern.to_string().parse(), Ok(pattern));
    }
}
