//! Selectors on the wire: limits [SEL-23] [SEL-30] [SEL-31], round trips, hostile bytes.

use ciborium::Value as Cbor;
use lcast_proto::select::{
    Glob, Pattern, Predicate, Selector, SelectorError, TreeError, encoded_size, label,
    patterns_from_cbor, patterns_to_cbor,
};
use proptest::prelude::*;

fn selector() -> Selector {
    Selector {
        on: Glob::list("web*,db1").unwrap(),
        not: Glob::list("web9").unwrap(),
        labels: vec![label("site=east").unwrap()],
        predicate: Some(Predicate::parse("system.cpu.load_1m > 2").unwrap()),
    }
}

/// [SEL-21] [SEL-22]
#[test]
fn names_and_labels_pick() {
    let east = |key: &str| (key == "site").then_some("east");
    let west = |key: &str| (key == "site").then_some("west");
    let selector = selector();
    assert!(selector.picks("web1", east) && selector.picks("db1", east));
    assert!(!selector.picks("web9", east) && !selector.picks("db2", east));
    assert!(!selector.picks("web1", west) && !selector.picks("web1", |_| None));
    assert!(Selector::default().picks("anything", |_| None));
}

/// [SEL-21]
#[test]
fn labels_are_read() {
    assert_eq!(label("role=a=b").unwrap(), ("role".to_owned(), "a=b".to_owned()));
    for text in ["role", "=web", "Role=web", "role=", "role=a\nb", ""] {
        assert!(label(text).unwrap_err().to_string().contains("key=value"), "{text}");
    }
    assert!(label(&format!("r={}", "v".repeat(63))).is_ok());
    assert!(label(&format!("r={}", "v".repeat(64))).is_err());
}

#[test]
fn selectors_travel() {
    for selector in [selector(), Selector::default()] {
        assert_eq!(Selector::from_cbor(&selector.to_cbor()), Ok(selector));
    }
    let patterns: Vec<Pattern> =
        vec!["system.**".parse().unwrap(), "a.b[\"\\*\"]".parse().unwrap()];
    assert_eq!(patterns_from_cbor(&patterns_to_cbor(&patterns)), Ok(patterns));
    let unknown = Cbor::Map(vec![(Cbor::from(9), Cbor::Null)]);
    assert_eq!(Selector::from_cbor(&unknown), Ok(Selector::default()));
}

#[test]
fn the_size_limit_holds_at_max_and_breaks_at_one_more() {
    let pattern = |length: usize| -> Vec<Pattern> {
        let fixed = "system.memory.linux.available";
        let key = format!("a.b[\"{}\"]", "k".repeat(length));
        vec![fixed.parse().unwrap(), key.parse().unwrap()]
    };
    let selector = selector();
    let rest = Selector::ENCODED_MAX - encoded_size(&selector, &pattern(40)).unwrap() + 40;
    assert_eq!(encoded_size(&selector, &pattern(rest)), Ok(Selector::ENCODED_MAX));
    let error = encoded_size(&selector, &pattern(rest + 1)).unwrap_err();
    assert_eq!(error.selector + error.patterns, 321);
    assert!(error.to_string().contains("they may take 320"), "{error}");
}

#[test]
fn counts_hold_at_max_and_break_at_one_more() {
    let field = |key: u64, count: usize, text: &str| {
        let texts = Cbor::Array(vec![Cbor::from(text); count]);
        Selector::from_cbor(&Cbor::Map(vec![(Cbor::from(key), texts)]))
    };
    for key in [0, 1] {
        assert!(field(key, 64, "a*").is_ok());
        assert!(matches!(field(key, 65, "a*"), Err(SelectorError::TooMany { max: 64, .. })));
    }
    assert!(field(2, 16, "a").is_ok());
    assert!(matches!(field(2, 18, "a"), Err(SelectorError::TooMany { .. })));
    assert!(field(2, 3, "a").is_err() && field(2, 2, "A").is_err() && field(0, 1, "").is_err());
}

/// A node of the given code.
fn node(code: u64, parts: Vec<Cbor>) -> Cbor {
    Cbor::Array([vec![Cbor::from(code)], parts].concat())
}

fn path(root: &str) -> Cbor {
    node(0, vec![Cbor::from(root)])
}

/// [SEL-32]
#[test]
fn hostile_trees_are_refused() {
    const NOT: u64 = 3;
    const AND: u64 = 5;
    let nested = |depth: usize| (1..depth).fold(Cbor::Bool(true), |tree, _| node(NOT, vec![tree]));
    assert!(Predicate::from_cbor(&nested(8)).is_ok());
    assert_eq!(Predicate::from_cbor(&nested(9)), Err(TreeError::TooDeep));
    assert_eq!(Predicate::from_cbor(&nested(100)), Err(TreeError::TooDeep));
    let wide = |count: usize| node(AND, vec![Cbor::Bool(true); count]);
    assert!(Predicate::from_cbor(&wide(63)).is_ok());
    assert_eq!(Predicate::from_cbor(&wide(64)), Err(TreeError::TooManyNodes));
    let list = |count: usize| node(8, vec![Cbor::from(1); count + 1]);
    assert!(Predicate::from_cbor(&list(64)).is_ok());
    assert_eq!(Predicate::from_cbor(&list(65)), Err(TreeError::ListTooLong));
    let accesses =
        |count: usize| node(0, [vec![Cbor::from("a")], vec![Cbor::from("b"); count]].concat());
    assert!(Predicate::from_cbor(&accesses(15)).is_ok());
    assert_eq!(Predicate::from_cbor(&accesses(16)), Err(TreeError::Path));
    let key = |length: usize| node(0, vec![Cbor::from("a"), Cbor::from("k".repeat(length))]);
    assert!(Predicate::from_cbor(&key(255)).is_ok());
    assert_eq!(Predicate::from_cbor(&key(256)), Err(TreeError::Path));
    assert_eq!(Predicate::from_cbor(&key(0)), Err(TreeError::Path));
    let matches = || node(11, vec![path("a"), Cbor::from("x")]);
    assert!(Predicate::from_cbor(&node(AND, vec![matches(); 4])).is_ok());
    assert_eq!(
        Predicate::from_cbor(&node(AND, vec![matches(); 5])),
        Err(TreeError::TooManyRegexes)
    );
    let bound = || node(0, vec![Cbor::from(3)]);
    let each = |body| node(12, vec![body, Cbor::from("a")]);
    assert!(Predicate::from_cbor(&each(bound())).is_ok());
    assert_eq!(Predicate::from_cbor(&bound()), Err(TreeError::Unbound));
    assert_eq!(Predicate::from_cbor(&each(each(bound()))), Err(TreeError::NestedEach));
    for tree in [
        Cbor::Null,
        Cbor::Float(f64::NAN),
        Cbor::from(1),
        Cbor::from(u64::MAX),
        node(1, vec![Cbor::from(i64::MAX)]),
        node(0, vec![]),
        node(0, vec![Cbor::from("labels")]),
        node(0, vec![Cbor::from("In")]),
        node(0, vec![Cbor::from(4)]),
        node(0, vec![Cbor::from("a"), Cbor::from(-1)]),
        node(0, vec![Cbor::from("a"), Cbor::Array(vec![Cbor::from("b")])]),
        node(9, vec![Cbor::from("a")]),
        node(10, vec![Cbor::from(1), Cbor::from("a"), Cbor::from("b")]),
        node(5, vec![Cbor::Bool(true)]),
        node(7, vec![Cbor::Bool(true); 2]),
        node(14, vec![Cbor::Bool(true); 3]),
        node(26, vec![]),
        node(34, vec![]),
        node(u64::MAX, vec![]),
        Cbor::Array(vec![]),
        Cbor::Array(vec![Cbor::from(-1)]),
        node(11, vec![path("a"), Cbor::from("x".repeat(129))]),
    ] {
        assert!(Predicate::from_cbor(&tree).is_err(), "{tree:?}");
    }
}

/// Trees of about the right form.
fn trees() -> impl Strategy<Value = Cbor> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Cbor::Bool),
        any::<i64>().prop_map(Cbor::from),
        any::<f64>().prop_map(Cbor::Float),
        "[a-c\"\\\\\n]{0,3}".prop_map(Cbor::from),
        prop_oneof![Just("a"), Just("k"), Just("in")].prop_map(path),
        (0_u64..4, "[a-c_A. ]{0,2}", any::<bool>()).prop_map(|(root, key, optional)| {
            let key = Cbor::from(key);
            let access = if optional { Cbor::Array(vec![key]) } else { key };
            node(0, vec![Cbor::from(root), access])
        }),
        (1_u64..3, -9_999_999_999_i64..9_999_999_999)
            .prop_map(|(code, millis)| node(code, vec![Cbor::from(millis)])),
        Just(node(9, vec![Cbor::from("a"), Cbor::from("b c"), Cbor::Null])),
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        prop_oneof![
            4 => (3_u64..34, prop::collection::vec(inner.clone(), 1..4))
                .prop_map(|(code, parts)| node(code, parts)),
            1 => inner.clone().prop_map(|part| node(11, vec![part, Cbor::from("a|b")])),
            1 => (12_u64..14, inner.clone()).prop_map(|(code, body)| {
                node(code, vec![body, Cbor::from("a"), Cbor::from("b")])
            }),
            1 => inner.prop_map(|value| {
                let access = Cbor::Array(vec![Cbor::from("x")]);
                node(10, vec![value, Cbor::from("k"), access])
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn what_decodes_prints_and_encodes_as_it_was(tree in trees()) {
        if let Ok(predicate) = Predicate::from_cbor(&tree) {
            let shown = predicate.to_string();
            prop_assert_eq!(Predicate::from_cbor(&predicate.to_cbor()), Ok(predicate.clone()));
            prop_assert_eq!(Predicate::parse(&shown), Ok(predicate), "{}", shown);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let value = ciborium::de::from_reader_with_recursion_limit::<Cbor, _>(&bytes[..], 16);
        if let Ok(value) = value {
            drop(Selector::from_cbor(&value));
            drop(Predicate::from_cbor(&value));
            drop(patterns_from_cbor(&value));
        }
    }

    #[test]
    fn random_text_never_panics(text in r#"[a-c0-9.?\[\]"'\\()&|!<>=+*/%: -]{0,40}"#) {
        match Predicate::parse(&text) {
            Ok(predicate) => {
                let shown = predicate.to_string();
                prop_assert_eq!(Predicate::parse(&shown), Ok(predicate), "{}", shown);
            }
            Err(error) => prop_assert!(!error.render(&text).is_empty()),
        }
    }
}
