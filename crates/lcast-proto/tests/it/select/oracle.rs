//! What predicates mean, compared with the `cel` crate on the part that both hold.
//!
//! Expressions are generated in full parentheses, read by our parser and displayed with as few as
//! possible; the text displayed is what the other side evaluates. So precedence is compared too.
//! Left out are the documented differences: quotients with a rest, int mixed with float, and `+` on
//! texts; and a `-` before another, as CEL drops both before the inner one could overflow.

use std::sync::Arc;

use cel::{Context, Env, Value as Cel};
use lcast_proto::select::{Outcome, Predicate};
use lcast_proto::value::Value;
use proptest::prelude::*;

use super::{scope, table};

/// Choices drawn one after the other from a seed.
struct Dice(u64);

impl Dice {
    /// A number below `sides` (after SplitMix64).
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let index = self.roll(from.len() as u64);
        from[usize::try_from(index).unwrap()]
    }
}

/// Whether `k` is bound: not outside, to keys of a map, or to elements of a list.
#[derive(Clone, Copy, PartialEq)]
enum Bound {
    No,
    Key,
    Element,
}

fn int(dice: &mut Dice, depth: u32, bound: Bound) -> String {
    if depth == 0 || dice.roll(3) == 0 {
        let mut leaves = vec![
            "0",
            "1",
            "7",
            "-3",
            "9223372036854775807",
            "-9223372036854775808",
            "app.i",
            "app.big",
            "app.m.a",
            "app.m[\"b\"]",
            "app.l[1]",
            "app.l[9]",
            "app.missing",
            "app.m.z",
            "app.b",
        ];
        if bound == Bound::Key {
            leaves.extend(["app.m[k]", "size(k)"]);
        }
        return dice.pick(&leaves).to_owned();
    }
    let (a, b) = (int(dice, depth - 1, bound), int(dice, depth - 1, bound));
    match dice.roll(9) {
        0 => format!("({a} + {b})"),
        1 => format!("({a} - {b})"),
        2 => format!("({a} * {b})"),
        3 => format!("({a} % {b})"),
        4 => format!("(({a} * 6) / 3)"),
        5 => format!("({a} / 0)"),
        6 if a.trim_start_matches('(').starts_with('-') => a,
        6 => format!("(-{a})"),
        7 => format!("size({})", text(dice, depth - 1, bound)),
        _ => format!("int({})", float(dice, depth - 1)),
    }
}

fn float(dice: &mut Dice, depth: u32) -> String {
    if depth == 0 || dice.roll(3) == 0 {
        return dice
            .pick(&["0.0", "1.5", "-2.25", "1e300", "app.f", "app.half", "app.i"])
            .to_owned();
    }
    let (a, b) = (float(dice, depth - 1), float(dice, depth - 1));
    // An int among the leaves would mix with floats.
    let (a, b) = (a.replace("app.i", "app.f"), b.replace("app.i", "app.f"));
    match dice.roll(6) {
        0 => format!("({a} + {b})"),
        1 => format!("({a} - {b})"),
        2 => format!("({a} * {b})"),
        3 => format!("({a} / {b})"),
        4 => format!("(-{a})"),
        _ => format!("double({})", dice.pick(&["app.i", "app.f", "\"1.25\"", "app.t"])),
    }
}

fn text(dice: &mut Dice, depth: u32, bound: Bound) -> String {
    let mut leaves = vec!["\"\"", "\"a\"", "\"ab\"", "'\u{e4}'", "app.t", "app.l[0]", "app.m.z"];
    if bound != Bound::No {
        leaves.push("k");
    }
    if depth == 0 || dice.roll(2) == 0 {
        return dice.pick(&leaves).to_owned();
    }
    match dice.roll(3) {
        0 => format!("string({})", int(dice, depth - 1, bound)),
        1 => format!("string({})", float(dice, depth - 1)),
        _ => {
            let condition = truth(dice, depth - 1, bound);
            format!("({condition} ? {} : {})", dice.pick(&leaves), dice.pick(&leaves))
        }
    }
}

fn any(dice: &mut Dice, depth: u32, bound: Bound) -> String {
    match dice.roll(6) {
        0 => float(dice, depth),
        1 | 2 => text(dice, depth, bound),
        3 => truth(dice, depth, bound),
        4 => dice.pick(&["app.l", "app.empty", "app.b"]).to_owned(),
        _ => int(dice, depth, bound),
    }
}

fn truth(dice: &mut Dice, depth: u32, bound: Bound) -> String {
    const RELATIONS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];
    const CONSTANTS: [&str; 4] = ["[1, 7, -3]", "[\"a\", 'ab', 1.5]", "[true, 0.0]", "[]"];
    if depth == 0 {
        return dice.pick(&["true", "false", "app.b", "app.missing", "has(app.i)"]).to_owned();
    }
    let next = depth - 1;
    match dice.roll(14) {
        0 | 1 => format!("({} && {})", truth(dice, next, bound), truth(dice, next, bound)),
        2 | 3 => format!("({} || {})", truth(dice, next, bound), truth(dice, next, bound)),
        4 => format!("(!{})", truth(dice, next, bound)),
        5 => {
            let parts = [(); 3].map(|()| truth(dice, next, bound));
            format!("({} ? {} : {})", parts[0], parts[1], parts[2])
        }
        6 => {
            let (a, relation) = (any(dice, next, bound), dice.pick(&RELATIONS));
            format!("({a} {relation} {})", any(dice, next, bound))
        }
        7 => {
            let (a, relation) = (int(dice, next, bound), dice.pick(&RELATIONS));
            format!("({a} {relation} {})", int(dice, next, bound))
        }
        8 => {
            let method = dice.pick(&["contains", "startsWith", "endsWith"]);
            let receiver = text(dice, next, bound);
            format!("({receiver}).{method}({})", text(dice, next, bound))
        }
        9 => format!("({} in {})", any(dice, next, bound), dice.pick(&CONSTANTS)),
        10 => {
            format!("({} in {})", text(dice, next, bound), dice.pick(&["app.l", "app.m", "app.i"]))
        }
        11 => {
            let path = dice.pick(&["app.t", "app.m.a", "app.m.z", "app.z.z", "app.?z.z"]);
            format!("has({path})")
        }
        12 => {
            let paths = ["app.?i", "app.?z", "app.m.?a", "app.?m.z", "app.z.?z", "app.i.?z"];
            let path = dice.pick(&paths);
            // The crate evaluates what is not needed, the reference implementation does not.
            let fallback = dice.pick(&["0", "42", "\"a\"", "true"]);
            format!("({path}.orValue({fallback}) == {})", int(dice, 0, bound))
        }
        _ if bound == Bound::No => {
            let quantifier = dice.pick(&["exists", "all"]);
            let (range, bound) = match dice.roll(3) {
                0 => ("app.l", Bound::Element),
                1 => ("app.empty", Bound::Element),
                _ => ("app.m", Bound::Key),
            };
            format!("{range}.{quantifier}(k, {})", truth(dice, next, bound))
        }
        _ => "app.b".to_owned(),
    }
}

/// The variables of both sides.
fn values() -> Vec<(&'static str, Value)> {
    let list = vec![Value::from("ab"), Value::Int(7), Value::Bool(true)];
    let map = [("a", Value::Int(1)), ("b", Value::Int(-3))];
    vec![
        ("app.b", Value::Bool(true)),
        ("app.big", Value::Int(i64::MAX - 1)),
        ("app.empty", Value::List(Vec::new())),
        ("app.f", Value::Float(0.75)),
        ("app.half", Value::Float(2.5)),
        ("app.i", Value::Int(42)),
        ("app.l", Value::List(list)),
        ("app.m", Value::Map(map.map(|(key, value)| (key.to_owned(), value)).into())),
        ("app.t", Value::from("tab")),
    ]
}

fn to_cel(value: &Value) -> Cel {
    match value {
        Value::Bool(truth) => (*truth).into(),
        Value::Int(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Text(text) => text.as_str().into(),
        Value::List(values) => values.iter().map(to_cel).collect::<Vec<_>>().into(),
        Value::Map(map) => {
            let map = map.iter().map(|(key, value)| (key.clone(), to_cel(value)));
            map.collect::<std::collections::HashMap<_, _>>().into()
        }
        Value::Null | Value::Bytes(_) | Value::Timestamp(_) => unreachable!("not among values()"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn predicates_agree_with_cel(seed: u64, depth in 1_u32..=3) {
        let mut dice = Dice(seed);
        let text = truth(&mut dice, depth, Bound::No);
        // What is outside our limits is refused by us alone.
        let Ok(predicate) = Predicate::parse(&text) else { return Ok(()) };
        let shown = predicate.to_string();
        let table = table(&values());
        let ours = predicate.evaluate(&scope(&table));

        let env = Arc::new(Env::stdlib());
        let mut context = Context::with_env(Arc::clone(&env));
        let app: std::collections::HashMap<String, Cel> = values()
            .iter()
            .map(|(name, value)| (name.trim_start_matches("app.").to_owned(), to_cel(value)))
            .collect();
        context.add_variable_from_value("app", app);
        let program = env.compile(&shown);
        prop_assert!(program.is_ok(), "{shown}: {:?}", program.err());
        let theirs = program.unwrap().execute(&context);
        let agree = match (&ours, &theirs) {
            (Outcome::Match, theirs) => *theirs == Ok(Cel::Bool(true)),
            (Outcome::NoMatch, theirs) => *theirs == Ok(Cel::Bool(false)),
            (Outcome::Undefined | Outcome::Error(_), theirs) => {
                !matches!(theirs, Ok(Cel::Bool(_)))
            }
        };
        prop_assert!(agree, "{shown}\nours {ours}, theirs {theirs:?}");
        prop_assert_eq!(Predicate::parse(&shown), Ok(predicate));
    }
}

#[test]
fn most_generated_predicates_are_within_the_limits() {
    let parsed = (0..1_000).filter(|seed| {
        let text = truth(&mut Dice(*seed), 3, Bound::No);
        Predicate::parse(&text).is_ok()
    });
    assert!(parsed.count() > 900);
}
