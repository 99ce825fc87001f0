//! Pages of the manual from the documentation of the functions: one for each group.

/// A function or type, as its source has it.
#[derive(Debug)]
struct Item {
    name: String,
    text: Vec<String>,
    kind: Kind,
    /// The members of a type, each with what it is.
    members: Vec<(String, Vec<String>)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Function,
    Struct,
    Enum,
}

/// The page of a group, in the macros of man(7).
pub(super) fn page(group: &str, source: &str, header: &str, example: &str) -> String {
    let items = items(source);
    let functions: Vec<&Item> = items.iter().filter(|it| it.kind == Kind::Function).collect();
    let names: Vec<&str> = functions.iter().map(|it| it.name.as_str()).collect();
    let introduction: Vec<String> =
        source.lines().map_while(|it| it.strip_prefix("//!")).map(trimmed).collect();
    let (title, introduction) = introduction.split_first().expect("a group says what it is for");
    let mut page = String::from(
        ".\\\" Made by `cargo xtask generate` from crates/lcast-ffi/src/api: change that.\n",
    );
    let mut put = |line: String| page.push_str(&(line + "\n"));
    put(format!(".\\\" functions: {}", names.join(" ")));
    let upper = group.to_uppercase();
    put(format!(".TH LCAST_{upper} 3 \"\" \"Librecast {}\"", env!("CARGO_PKG_VERSION")));
    put(format!(".SH NAME\n{} \\- {}", names.join(", "), escaped(title.trim_end_matches('.'))));
    put(".SH SYNOPSIS\n.nf\n.B #include <lcast.h>\n.PP".to_owned());
    for it in items.iter().filter(|it| it.kind != Kind::Function) {
        let declared = declaration(header, it);
        put(format!("{}\n.PP", escaped(&declared)));
    }
    for name in &names {
        put(escaped(&prototype(header, name)));
    }
    put(".fi\n.PP\nLink with \\fI\\-llcast\\fR.\n.SH DESCRIPTION".to_owned());
    paragraphs(introduction, &mut put);
    for it in items.iter().filter(|it| !it.members.is_empty()) {
        put(format!(".SH {}", it.name.to_uppercase()));
        paragraphs(&it.text, &mut put);
        for (member, text) in &it.members {
            put(format!(".TP\n.B {member}"));
            entry(text, &mut put);
        }
    }
    put(".SH FUNCTIONS".to_owned());
    for it in &functions {
        put(format!(".TP\n.BR {} ()", it.name));
        entry(&it.text, &mut put);
    }
    put(format!(".SH EXAMPLE\n.nf\n{}\n.fi", escaped(example)));
    let others = super::GROUPS.iter().filter(|it| **it != group);
    let others: Vec<String> = others.map(|it| format!(".BR lcast_{it} (3)")).collect();
    put(format!(".SH SEE ALSO\n{}", others.join(",\n")));
    page
}

/// Each public item with its documentation.
fn items(source: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut text: Vec<String> = Vec::new();
    for line in source.lines() {
        if let Some(documented) = line.trim_start().strip_prefix("///") {
            text.push(trimmed(documented));
            continue;
        }
        if let (Some(member), Some(last)) = (member(line), items.last_mut()) {
            let last: &mut Item = last;
            last.members.push((member, std::mem::take(&mut text)));
            continue;
        }
        let declared = line.strip_prefix("pub ").map(|it| it.trim_start_matches("unsafe "));
        let parts = [
            ("extern \"C\" fn ", Kind::Function),
            ("struct ", Kind::Struct),
            ("enum ", Kind::Enum),
        ];
        let found = declared.and_then(|it| {
            parts.into_iter().find_map(|(word, kind)| Some((it.strip_prefix(word)?, kind)))
        });
        if let Some((rest, kind)) = found {
            let name: String =
                rest.chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect();
            // What is opaque needs no declaration but that it is there.
            items.push(Item { name, text: std::mem::take(&mut text), kind, members: Vec::new() });
        } else if !line.starts_with("#[") {
            text.clear();
        }
    }
    items
}

/// The name of a member of a struct or an enum, when that is what the line declares.
fn member(line: &str) -> Option<String> {
    let declared = line.strip_prefix("    ").filter(|it| !it.starts_with(' '))?;
    let name = match declared.strip_prefix("pub ") {
        Some(field) => field.split_once(':')?.0,
        None => declared.split_once(" = ").filter(|(it, _)| it.starts_with("LCAST_"))?.0,
    };
    let is_name = name.chars().all(|it| it.is_alphanumeric() || it == '_');
    is_name.then(|| name.to_owned())
}

/// What the header declares of a type, without its comments.
fn declaration(header: &str, item: &Item) -> String {
    let start = match item.kind {
        Kind::Enum => format!("enum {}", item.name),
        Kind::Struct | Kind::Function => format!("typedef struct {} ", item.name),
    };
    let from = header.find(&format!("\n{start}")).map(|at| at + 1);
    let from = from.unwrap_or_else(|| panic!("{} is not in the header", item.name));
    let rest = &header[from..];
    if item.kind == Kind::Struct && !rest[..rest.find('\n').unwrap()].ends_with('{') {
        return rest[..=rest.find(';').unwrap()].to_owned();
    }
    let body = &rest[..rest.find("\n}").unwrap()];
    let fields = body.lines().skip(1).map(str::trim_end);
    let fields = fields.filter(|it| !it.trim_start().starts_with("//") && it.starts_with("  "));
    let fields: Vec<&str> = fields.filter(|it| !it.trim_start().starts_with(':')).collect();
    match item.kind {
        Kind::Enum => format!("enum {} {{\n{}\n}};", item.name, fields.join("\n")),
        Kind::Struct | Kind::Function => {
            format!("typedef struct {0} {{\n{1}\n}} {0};", item.name, fields.join("\n"))
        }
    }
}

/// What the header declares of a function.
fn prototype(header: &str, name: &str) -> String {
    let at = header.find(&format!("{name}(")).unwrap_or_else(|| panic!("no {name} in the header"));
    let from = header[..at].rfind('\n').map_or(0, |it| it + 1);
    header[from..=from + header[from..].find(';').unwrap()].to_owned()
}

/// Text that is no macro.
fn escaped(text: &str) -> String {
    let escape = |line: &str| {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
    };
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}

/// Lines of documentation: an empty one begins a paragraph, a "-" an entry; names are set bold.
fn paragraphs(text: &[String], put: &mut dyn FnMut(String)) {
    for line in text {
        match line.strip_prefix("- ") {
            _ if line.is_empty() => put(".PP".to_owned()),
            Some(entry) => put(format!(".IP \\(bu 2\n{}", bold(entry))),
            None => put(bold(line)),
        }
    }
}

/// The text of an entry of a list.
fn entry(text: &[String], put: &mut dyn FnMut(String)) {
    paragraphs(text, &mut |line| put(if line == ".PP" { ".IP".to_owned() } else { line }));
}

/// What is between backquotes, bold.
fn bold(line: &str) -> String {
    let parts = line.split('`').enumerate();
    let parts = parts.map(|(index, part)| match index % 2 {
        0 => escaped_inline(part),
        _ => format!("\\fB{}\\fR", escaped_inline(part)),
    });
    let line: String = parts.collect();
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}

fn escaped_inline(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

fn trimmed(line: &str) -> String {
    line.strip_prefix(' ').unwrap_or(line).to_owned()
}
