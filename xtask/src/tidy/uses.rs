//! The paths that a Rust text names: `use` trees written out, and paths in the code itself.

/// A path such as `std::net::UdpSocket`, `crate::wire`, or a macro call `println!`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UsedPath {
    /// The line, from 1, where the path begins (for a `use` tree, where its leaf stands).
    pub(super) line: usize,
    /// The path with `::`; a macro call ends in `!`, a glob in `*`.
    pub(super) path: String,
    /// Whether it was imported.
    pub(super) imported: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Colons,
    Other(char),
}

/// All paths of masked code (see `lexer::mask`), in order.
pub(super) fn paths(code: &str) -> Vec<UsedPath> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let (line, token) = &tokens[at];
        match token {
            Token::Word(word) if word == "use" => {
                at = use_tree(&tokens, at + 1, &mut Vec::new(), &mut found);
            }
            Token::Word(word) => {
                let mut path = word.clone();
                at += 1;
                while let Some([(_, Token::Colons), (_, Token::Word(next))]) =
                    tokens.get(at..at + 2)
                {
                    path.push_str("::");
                    path.push_str(next);
                    at += 2;
                }
                let call = matches!(tokens.get(at), Some((_, Token::Other('!'))));
                let equals = matches!(tokens.get(at + 1), Some((_, Token::Other('='))));
                if call && !equals {
                    path.push('!');
                }
                found.push(UsedPath { line: *line, path, imported: false });
            }
            Token::Colons | Token::Other(_) => at += 1,
        }
    }
    found
}

/// Reads one tree of a `use`, adds its leaves; returns the place after it.
fn use_tree(
    tokens: &[(usize, Token)],
    mut at: usize,
    prefix: &mut Vec<String>,
    found: &mut Vec<UsedPath>,
) -> usize {
    let depth = prefix.len();
    let mut grouped = false;
    let mut line = tokens.get(at).map_or(0, |(line, _)| *line);
    while let Some((here, token)) = tokens.get(at) {
        match token {
            Token::Word(word) if word == "as" => at += 1,
            Token::Word(word) => {
                let renamed = at > 0 && tokens[at - 1].1 == Token::Word("as".to_owned());
                if !renamed {
                    prefix.push(word.clone());
                    line = *here;
                }
            }
            Token::Colons => {}
            Token::Other('*') => prefix.push("*".to_owned()),
            Token::Other('{') => {
                grouped = true;
                at = group(tokens, at + 1, prefix, found);
            }
            Token::Other(_) => break,
        }
        at += 1;
    }
    if !grouped && prefix.len() > depth {
        found.push(UsedPath { line, path: prefix.join("::"), imported: true });
    }
    prefix.truncate(depth);
    at
}

/// Reads the trees between braces; returns the place of the closing brace.
fn group(
    tokens: &[(usize, Token)],
    mut at: usize,
    prefix: &mut Vec<String>,
    found: &mut Vec<UsedPath>,
) -> usize {
    while let Some((_, token)) = tokens.get(at) {
        match token {
            Token::Other('}') => return at,
            Token::Other(',') => at += 1,
            Token::Word(_) | Token::Colons | Token::Other('*' | '{') => {
                at = use_tree(tokens, at, prefix, found);
            }
            Token::Other(_) => return at,
        }
    }
    at
}

fn tokens(code: &str) -> Vec<(usize, Token)> {
    let mut tokens = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            let word_end =
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            if word_end > 0 {
                tokens.push((index + 1, Token::Word(rest[..word_end].to_owned())));
                rest = &rest[word_end..];
            } else if let Some(after) = rest.strip_prefix("::") {
                tokens.push((index + 1, Token::Colons));
                rest = after;
            } else {
                if !c.is_whitespace() {
                    tokens.push((index + 1, Token::Other(c)));
                }
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &str, expected: &[(usize, &str)]) {
        let found: Vec<(usize, String)> =
            paths(code).into_iter().map(|used| (used.line, used.path)).collect();
        let expected: Vec<(usize, String)> =
            expected.iter().map(|(line, path)| (*line, (*path).to_owned())).collect();
        assert_eq!(found, expected, "{code}");
    }

    #[test]
    fn imports() {
        check("use std::fs;", &[(1, "std::fs")]);
        check(
            "use std::{fs, net::{UdpSocket, Ipv6Addr},\n time};",
            &[
                (1, "std::fs"),
                (1, "std::net::UdpSocket"),
                (1, "std::net::Ipv6Addr"),
                (2, "std::time"),
            ],
        );
        check("use a::b as c;\nuse d::*;", &[(1, "a::b"), (2, "d::*")]);
        check("use a::{self, b as c};", &[(1, "a::self"), (1, "a::b")]);
        check("use a::{b::*, c};", &[(1, "a::b::*"), (1, "a::c")]);
        check("pub(crate) use a::b;", &[(1, "pub"), (1, "crate"), (1, "a::b")]);
    }

    #[test]
    fn paths_in_code() {
        check("std::fs::read(x)", &[(1, "std::fs::read"), (1, "x")]);
        check("println!(y); a != b", &[(1, "println!"), (1, "y"), (1, "a"), (1, "b")]);
        check("Vec::<u8>::new()", &[(1, "Vec"), (1, "u8"), (1, "new")]);
    }
}
