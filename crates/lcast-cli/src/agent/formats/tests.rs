//! What programs write, good and hostile.

use lcast_proto::name::{Name, Steps};

use super::*;

fn read(format: Format, bytes: &[u8], code: i32) -> Result<Reading, FormatError> {
    parse(format, None, &Output { bytes: bytes.to_vec(), code })
}

/// Expects the leaves, one `name = value unit kind` a line.
fn check(format: Format, text: &str, expected: &[&str]) -> Reading {
    check_code(format, text, 0, expected)
}

fn check_code(format: Format, text: &str, code: i32, expected: &[&str]) -> Reading {
    let reading = read(format, text.as_bytes(), code).expect(text);
    let show = |leaf: &Leaf| format!("{} = {:?} {}", Steps(&leaf.steps), leaf.value, leaf.unit);
    let shown: Vec<String> = reading.leaves.iter().map(|it| show(it).trim().to_owned()).collect();
    assert_eq!(shown, expected, "{text}");
    reading
}

fn check_error(format: Format, text: &str, part: &str) {
    let error = read(format, text.as_bytes(), 0).expect_err(text).to_string();
    assert!(error.contains(part), "{text:?}: {error}");
}

fn typed(format: Format, value_type: Type, text: &str) -> Result<Value, String> {
    let output = Output { bytes: text.as_bytes().to_vec(), code: 0 };
    let reading = parse(format, Some(value_type), &output).map_err(|error| error.to_string())?;
    Ok(reading.leaves[0].value.clone())
}

#[test]
fn text_is_trimmed_and_typed() {
    check(Format::Text, " 1.2.3\n\n", &[" = Text(\"1.2.3\")".trim()]);
    check(Format::Text, "", &["= Text(\"\")"]);
    assert_eq!(typed(Format::Text, Type::Int, "42\n"), Ok(Value::Int(42)));
    assert_eq!(typed(Format::Text, Type::Float, "0.5"), Ok(Value::Float(0.5)));
    assert!(typed(Format::Text, Type::Int, "").unwrap_err().contains("no int"));
    assert!(read(Format::Text, b"\xff\xfe", 0).is_ok());
    let failed = read(Format::Text, b"fine", 1).unwrap_err();
    assert_eq!(failed, FormatError::ExitCode(1));
}

#[test]
fn lines_are_a_list() {
    check(Format::Lines, "a\r\n\nb\n\n", &["= List([Text(\"a\"), Text(\"\"), Text(\"b\")])"]);
    check(Format::Lines, "", &["= List([])"]);
    let many = |count: usize| "x\n".repeat(count);
    assert!(read(Format::Lines, many(LEAVES_MAX).as_bytes(), 0).is_ok());
    check_error(Format::Lines, &many(LEAVES_MAX + 1), "more than 3000");
}

#[test]
fn json_scalars_are_the_variable_and_members_are_below_it() {
    check(Format::Json, "1", &["= Int(1)"]);
    check(Format::Json, "[1, \"a\"]", &["= List([Int(1), Text(\"a\")])"]);
    check(Format::Json, "{}", &["= Map({})"]);
    let text = r#"{"queueDepth": 5, "db": {"up": true, "lag": 0.5, "none": null}, "tags": ["a"],
                   "error": "x", "5xx": 18446744073709551615}"#;
    check(
        Format::Json,
        text,
        &[
            "queue_depth = Int(5)",
            "db.up = Bool(true)",
            "db.lag = Float(0.5)",
            "db.none = Null",
            "tags = List([Text(\"a\")])",
            "error_ = Text(\"x\")",
            "n5xx = Float(1.8446744073709552e19)",
        ],
    );
    check(
        Format::Json,
        r#"{"a": {"b": {"c": {"d": {"e": 1}}}}}"#,
        &["a.b.c.d = Map({\"e\": Int(1)})"],
    );
    let reading = check(Format::Json, r#"{"a-b": 1, "a_b": 2}"#, &["a_b = Int(1)"]);
    assert_eq!((reading.left_out.count, reading.left_out.first.as_str()), (1, "a_b"));
}

#[test]
fn json_keeps_to_a_declared_type() {
    let json = |value_type, text| typed(Format::Json, value_type, text);
    assert_eq!(json(Type::Float, "1"), Ok(Value::Float(1.0)));
    assert_eq!(json(Type::Int, "null"), Ok(Value::Null));
    assert!(json(Type::Int, "1.5").unwrap_err().contains("the output is float, type = \"int\""));
    assert!(matches!(json(Type::Map, "{\"a\": 1}"), Ok(Value::Map(_))));
    assert!(matches!(json(Type::Timestamp, "\"2026-11-22T10:00:00Z\""), Ok(Value::Timestamp(_))));
    assert!(json(Type::Timestamp, "\"now\"").is_err());
}

#[test]
fn hostile_json_is_an_error() {
    check_error(Format::Json, "", "line 1");
    check_error(Format::Json, "{\"a\": 1}\n{", "line 2: trailing characters");
    check_error(Format::Json, &"[".repeat(100_000), "recursion");
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(read(Format::Json, nested(Value::DEPTH_MAX).as_bytes(), 0).is_ok());
    check_error(Format::Json, &nested(Value::DEPTH_MAX + 1), "nested more than 8");
    let list = |length: usize| format!("[{}0]", "0,".repeat(length - 1));
    assert!(read(Format::Json, list(LEAVES_MAX).as_bytes(), 0).is_ok());
    check_error(Format::Json, &list(LEAVES_MAX + 1), "more than 3000");
    let members = |count: usize| {
        let members: Vec<String> = (0..count).map(|index| format!("\"m{index}\": 1")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert!(read(Format::Json, members(LEAVES_MAX).as_bytes(), 0).is_ok());
    check_error(Format::Json, &members(LEAVES_MAX + 1), "more than 3000");
    assert!(read(Format::Json, b"\"\xff\"", 0).is_err());
}

#[test]
fn nagios_plugins_give_state_message_and_numbers() {
    check_code(
        Format::Nagios,
        "DISK WARNING - free space: / 5% | /=95%;90;98;0;100 '/my data'=12,5MB;@10:20\n\
         more\nlines | time=0.5s;;;0 lost=U bad\n",
        1,
        &[
            "status = Text(\"WARNING\")",
            "code = Int(1)",
            "message = Text(\"DISK WARNING - free space: / 5%\")",
            "details = Text(\"more\\nlines\")",
            "perfdata[\"/\"].value = Float(95.0)",
            "perfdata[\"/\"].unit = Text(\"%\")",
            "perfdata[\"/\"].warn = Text(\"90\")",
            "perfdata[\"/\"].crit = Text(\"98\")",
            "perfdata[\"/\"].min = Float(0.0)",
            "perfdata[\"/\"].max = Float(100.0)",
            "perfdata[\"/my data\"].value = Float(12.5)",
            "perfdata[\"/my data\"].unit = Text(\"MBy\")",
            "perfdata[\"/my data\"].warn = Text(\"@10:20\")",
            "perfdata[\"time\"].value = Float(0.5)",
            "perfdata[\"time\"].unit = Text(\"s\")",
            "perfdata[\"time\"].min = Float(0.0)",
        ],
    );
    let ok = ["status = Text(\"OK\")", "code = Int(0)", "message = Text(\"\")"];
    check(Format::Nagios, "", &ok);
    let reading = read(Format::Nagios, b"x | a=1 a=2 =3 'it''s'=1e3B", 3).unwrap();
    let names: Vec<String> = reading.leaves.iter().map(|it| Steps(&it.steps).to_string()).collect();
    assert!(names.contains(&"perfdata[\"it's\"].value".to_owned()), "{names:?}");
    assert_eq!(reading.left_out.count, 2);
    for code in [-1, 4, 127] {
        let error = read(Format::Nagios, b"", code).unwrap_err();
        assert_eq!(error, FormatError::ExitCode(code));
    }
}

#[test]
fn hostile_plugins_are_bounded() {
    let many = |count: usize| {
        let items: Vec<String> = (0..count).map(|index| format!("l{index}=1")).collect();
        format!("x | {}", items.join(" "))
    };
    assert!(read(Format::Nagios, many(LEAVES_MAX - 3).as_bytes(), 0).is_ok());
    check_error(Format::Nagios, &many(LEAVES_MAX - 2), "more than 3000");
    for text in ["x | '", "x | 'a", "x | =", "x |||", "x | a==", "x | ';;;;'=1;;;;;;", "|\n|\n|"] {
        assert!(read(Format::Nagios, text.as_bytes(), 0).is_ok(), "{text}");
    }
    let key = |length: usize| format!("x | {}=1", "k".repeat(length));
    assert_eq!(read(Format::Nagios, key(255).as_bytes(), 0).unwrap().left_out.count, 0);
    assert_eq!(read(Format::Nagios, key(256).as_bytes(), 0).unwrap().left_out.count, 1);
}

#[test]
fn prometheus_metrics_are_variables_or_maps_by_label() {
    let text = "# HELP http_requests_total Requests\\nserved.\n\
                # TYPE http_requests_total counter\n\
                http_requests_total{method=\"post\",code=\"200\"} 1027 1395066363000\n\
                http_requests_total{method=\"get\",code=\"a\\\"b\",} 3\n\
                http_requests_total 1030\n\
                # TYPE up gauge\n\
                up 1\n\
                process_resident_memory_bytes 2.5e+07\n\
                temp_celsius{} NaN\n\
                error +Inf\n";
    let reading = check(
        Format::Prometheus,
        text,
        &[
            "http_requests_total[\"code=200,method=post\"] = Float(1027.0)",
            "http_requests_total[\"code=a\\\"b,method=get\"] = Float(3.0)",
            "http_requests_total[\"-\"] = Float(1030.0)",
            "up = Float(1.0)",
            "process_resident_memory_bytes = Float(25000000.0) By",
            "temp_celsius = Float(NaN) Cel",
            "error_ = Float(inf)",
        ],
    );
    let first = &reading.leaves[0];
    assert_eq!((first.kind, first.description.as_str()), (Some(Kind::Counter), "Requests served."));
    assert_eq!(first.time, Some(Timestamp::from_millis(1_395_066_363_000)));
    let open = "# TYPE x counter\nx_total 1 1.5 # {trace=\"a b\"} 2\n# EOF\n";
    let reading = check(Format::Prometheus, open, &["x_total = Float(1.0)"]);
    assert_eq!(reading.leaves[0].kind, Some(Kind::Counter));
    assert_eq!(reading.leaves[0].time, Some(Timestamp::from_millis(1500)));
}

#[test]
fn hostile_metrics_are_errors_with_a_line() {
    for (text, part) in [
        ("up", "line 1: a value is missing"),
        ("up 1\nup x", "line 2: 'x' is no number"),
        ("1up 1", "no name of a metric"),
        ("{a=\"b\"} 1", "no name of a metric"),
        ("up{a=\"b\" 1", "labels"),
        ("up{a=\"b} 1", "labels"),
        ("up{a} 1", "labels"),
        ("up{a=b} 1", "labels"),
        ("up{a=\"b\"c=\"d\"} 1", "labels"),
        ("up{a=\"\\", "labels"),
        ("up 1 x", "'x' is no time"),
        ("up 1 2 3", "'3' after the time"),
        ("<html><body>404</body></html>", "no name of a metric"),
    ] {
        check_error(Format::Prometheus, text, part);
    }
    let nested = "process_resident_memory_max_bytes 1\nprocess_resident_memory_max 2\n";
    let reading = read(Format::Prometheus, nested.as_bytes(), 0).unwrap();
    assert_eq!((reading.leaves.len(), reading.left_out.count), (1, 1));
    let many = |count: usize| (0..count).map(|it| format!("m{it} 1\n")).collect::<String>();
    assert!(read(Format::Prometheus, many(LEAVES_MAX).as_bytes(), 0).is_ok());
    check_error(Format::Prometheus, &many(LEAVES_MAX + 1), "more than 3000");
    assert_eq!(read(Format::Prometheus, b"\xff", 0), Err(FormatError::NotUtf8));
    let help = format!("# HELP up {}\u{e9}\nup 1\n", "d".repeat(199));
    let reading = read(Format::Prometheus, help.as_bytes(), 0).unwrap();
    assert_eq!(reading.leaves[0].description.len(), 199);
}

#[test]
fn influx_lines_are_fields_below_measurements() {
    let text = "cpu,host=a\\ b,core=0 usage=0.5,idle=99i,busy=t 1465839830100400200\n\
                # comment\n\
                mem used=7u,note=\"a, b=\\\"c\\\" d\"\n\
                cpu usage=1\n";
    let reading = check(
        Format::Influx,
        text,
        &[
            "cpu[\"core=0,host=a b\"].usage = Float(0.5)",
            "cpu[\"core=0,host=a b\"].idle = Int(99)",
            "cpu[\"core=0,host=a b\"].busy = Bool(true)",
            "mem.used = Int(7)",
            "mem.note = Text(\"a, b=\\\"c\\\" d\")",
            "cpu[\"-\"].usage = Float(1.0)",
        ],
    );
    assert_eq!(reading.leaves[0].time, Some(Timestamp::from_millis(1_465_839_830_100)));
    check(Format::Influx, "a,b=c\"d e=1", &["a[\"b=c\\\"d\"].e = Float(1.0)"]);
}

#[test]
fn hostile_lines_are_errors_with_a_line() {
    for text in [
        "cpu",
        "cpu ",
        "cpu usage",
        "cpu usage=",
        "cpu usage=x",
        "cpu,host usage=1",
        " =1",
        ",a=b c=1",
        "cpu usage=1 soon",
        "cpu a=\"b",
        "cpu a=99999999999999999999i",
    ] {
        check_error(Format::Influx, text, "line 1: ");
    }
    let many = |count: usize| (0..count).map(|it| format!("m{it} v=1\n")).collect::<String>();
    assert!(read(Format::Influx, many(LEAVES_MAX).as_bytes(), 0).is_ok());
    check_error(Format::Influx, &many(LEAVES_MAX + 1), "more than 3000");
}

/// Every prefix and every byte changed of good output is read or refused, never worse, and what
/// is read has names.
#[test]
fn damaged_output_never_panics() {
    let samples: [(Format, &str); 4] = [
        (Format::Json, r#"{"a": {"b": [1, "x\u00e9"]}, "c": null}"#),
        (Format::Nagios, "OK | 'a b'=1s;2;3;0;9 c=2%\nlong | d=1e-3"),
        (Format::Prometheus, "# TYPE a counter\na{b=\"c\\n\",d=\"e\"} 1e3 5 # {x=\"y\"} 1\n# EOF"),
        (Format::Influx, "m,t\\ a=b f=1i,g=\"x\\\"y\",h=t 12345"),
    ];
    for (format, text) in samples {
        for cut in 0..=text.len() {
            examine(format, &text.as_bytes()[..cut]);
        }
        for index in 0..text.len() {
            for byte in 0..=u8::MAX {
                let mut bytes = text.as_bytes().to_vec();
                bytes[index] = byte;
                examine(format, &bytes);
            }
        }
    }
}

fn examine(format: Format, bytes: &[u8]) {
    let Ok(reading) = read(format, bytes, 0) else { return };
    let root: Name = "app.x".parse().unwrap();
    for leaf in reading.leaves {
        let steps = [root.steps(), &leaf.steps].concat();
        Name::new(steps).unwrap();
    }
}
