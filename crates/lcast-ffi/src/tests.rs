use std::path::Path;

/// What stands at the top of the header.
const HEADER: &str = "/* Librecast for C: ask, tell and watch a fleet over IPv6 multicast.
 *
 * Made by `cargo xtask generate` from crates/lcast-ffi/src/api; change that instead. Each group of
 * functions has a page in the manual: lcast_node(3), lcast_question(3), lcast_event(3),
 * lcast_report(3), lcast_value(3), lcast_variable(3), lcast_members(3), lcast_packed(3),
 * lcast_errors(3).
 *
 * Link with -llcast; `pkg-config --cflags --libs lcast` says how.
 *
 * What holds for all functions:
 * - Every handle may be used by several threads at once, and freed by one while others use it. What
 *   was got from it by pointer (texts, bytes) must not be read any more then.
 * - A handle that is null, was freed, is of another kind or is no handle at all is the error
 *   LCAST_INVALID. Freeing null is fine.
 * - Texts are UTF-8 with a zero byte behind them. What is no UTF-8 is LCAST_INVALID.
 * - A place for a result that is null is LCAST_INVALID, unless it is said that it may be. Where a
 *   handle was to be put, there is null after an error.
 * - No function calls the program back.
 */";

fn made() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    config.header = Some(HEADER.to_owned());
    let sources =
        ["errors", "node", "question", "event", "report", "value", "variable", "members", "packed"];
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in sources {
        builder = builder.with_src(root.join(format!("src/api/{source}.rs")));
    }
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    String::from_utf8(header).unwrap()
}

/// `cargo xtask generate` runs this with `LIBRECAST_WRITE_PAGES` set.
#[test]
fn the_header_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/lcast.h");
    let made = made();
    if std::env::var_os("LIBRECAST_WRITE_PAGES").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "include/lcast.h is out of date: run `cargo xtask generate`");
}
