//! The core reads no clock, opens nothing, starts nothing, prints nothing, draws no randomness.
//!
//! `crates/lcast-proto/clippy.toml` bans the same by type; this check also sees imports, macros,
//! other crates and `async`.

use super::uses::{self, UsedPath};
use super::{Finding, is_test_file};
use crate::lexer;
use crate::repo::SourceFile;

/// The crates that must be pure, by their folder of source.
const PURE: [&str; 1] = ["crates/lcast-proto/src/"];

/// Paths that may not be named, with everything below them.
const REFUSED: [(&str, &str); 21] = [
    ("std::net::UdpSocket", "packets come in as bytes and go out as transmits"),
    ("std::net::TcpStream", "the core opens no connection"),
    ("std::net::TcpListener", "the core opens no connection"),
    ("std::net::ToSocketAddrs", "the core resolves no name"),
    ("std::os", "the core knows no operating system"),
    ("std::time::Instant", "time comes in as crate::time::Now"),
    ("std::time::SystemTime", "time comes in as crate::time::Now"),
    ("std::thread", "the core starts no thread"),
    ("std::sync::Mutex", "one owner, no locks"),
    ("std::sync::RwLock", "one owner, no locks"),
    ("std::sync::Condvar", "one owner, no locks"),
    ("std::sync::mpsc", "events go out through poll_output"),
    ("std::fs", "files belong to the shell"),
    ("std::env", "settings come in as values"),
    ("std::process", "the core starts no process and never exits"),
    ("std::io::stdout", "the core prints nothing"),
    ("std::io::stderr", "the core prints nothing"),
    ("std::io::stdin", "the core reads nothing"),
    ("tokio", "the core is not asynchronous"),
    ("libc", "the core makes no system call"),
    ("aws_lc_rs::rand", "randomness comes in as seeds"),
];

/// Modules of which only named parts may be imported, lest a refused one hides behind a short name.
const NOT_WHOLE: [&str; 4] = ["std::time", "std::net", "std::sync", "aws_lc_rs"];

const MACROS: [&str; 5] = ["println!", "eprintln!", "print!", "eprint!", "dbg!"];

/// Words of the language that belong to the shell.
const KEYWORDS: [&str; 3] = ["async", "await", "unsafe"];

/// Levels of `tracing` above DEBUG: the shell decides what is worth telling.
const LOUD: [&str; 3] = ["tracing::info", "tracing::warn", "tracing::error"];

/// The check over all files of the pure crates.
pub(super) fn check(files: &[SourceFile]) -> Vec<Finding> {
    let pure = |file: &&SourceFile| {
        let source = file.extension() == "rs" && !is_test_file(&file.path);
        source && PURE.iter().any(|folder| file.path.starts_with(folder))
    };
    files.iter().filter(pure).flat_map(check_file).collect()
}

fn check_file(file: &SourceFile) -> Vec<Finding> {
    let code = lexer::mask(&file.text).code;
    let tests = lexer::test_lines(&code);
    let in_test = |used: &UsedPath| tests.get(used.line - 1).copied().unwrap_or(false);
    let mut findings = Vec::new();
    for used in uses::paths(&code).iter().filter(|used| !in_test(used)) {
        if let Some(reason) = refusal(used) {
            let message = format!("'{}' in the core: {reason}", used.path);
            findings.push(Finding::new(file, used.line, "purity", message));
        }
    }
    findings
}

fn refusal(used: &UsedPath) -> Option<&'static str> {
    let path = used.path.as_str();
    let below = |root: &str| {
        path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    if let Some((_, reason)) = REFUSED.iter().find(|(root, _)| below(root)) {
        return Some(reason);
    }
    let whole = |module: &str| {
        let rest = path.strip_prefix(module);
        used.imported && rest.is_some_and(|rest| ["", "::*", "::self"].contains(&rest))
    };
    if NOT_WHOLE.iter().any(|module| whole(module)) {
        return Some("import the items, not the module");
    }
    if LOUD.contains(&path.trim_end_matches('!')) {
        return Some("the core logs at DEBUG and TRACE only");
    }
    if MACROS.contains(&path) {
        return Some("the core prints nothing");
    }
    KEYWORDS.contains(&path).then_some("it belongs to the shell")
}

#[cfg(test)]
mod tests {
    use super::super::places;
    use super::*;

    fn check_one(text: &str, expected: &[usize]) {
        let file = SourceFile::new("crates/lcast-proto/src/a.rs", text);
        let lines: Vec<usize> = check(&[file]).iter().map(|finding| finding.line).collect();
        assert_eq!(lines, expected, "{text}");
    }

    #[test]
    fn refused() {
        for text in [
            "use std::net::UdpSocket;",
            "use std::{net::{Ipv6Addr, TcpStream}};",
            "use std::time::Instant;",
            "use std::time;",
            "use std::time::*;",
            "use std::net::{self, Ipv6Addr};",
            "fn f() { std::time::SystemTime::now(); }",
            "fn f() { std::thread::spawn(g); }",
            "use std::fs::File;",
            "fn f() { std::env::var(x); }",
            "use tokio::sync;",
            "use std::sync::{Arc, Mutex};",
            "use aws_lc_rs::rand::SystemRandom;",
            "fn f() { println!(); }",
            "async fn f() {}",
            "fn f() { unsafe { } }",
            "fn f() { tracing::warn!(x); }",
            "use tracing::info;",
        ] {
            check_one(text, &[1]);
        }
    }

    #[test]
    fn accepted() {
        check_one("use std::time::Duration;\nuse std::net::{Ipv6Addr, SocketAddrV6};", &[]);
        check_one("use crate::time::Instant;\nuse std::sync::Arc;", &[]);
        check_one("// std::fs\nconst A: &str = \"std::thread\";", &[]);
        check_one("#[cfg(test)]\nmod tests {\n use std::fs;\n}", &[]);
        check_one("fn f() { tracing::debug!(x); }", &[]);
    }

    #[test]
    fn the_shell_may() {
        let file = SourceFile::new("crates/lcast/src/a.rs", "use std::fs;\n");
        assert_eq!(places(&check(&[file])), []);
    }
}
