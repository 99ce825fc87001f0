//! The library, installed into a folder of the tests, and programs that are built against it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

/// How a program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    C,
    Cpp,
    /// C with the address sanitizer.
    Sanitized,
    /// C with the static library.
    Static,
}

impl How {
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::C => &["cc", "-std=c11", "-g"],
            Self::Cpp => &["g++", "-x", "c++", "-std=c++17"],
            Self::Sanitized => &["cc", "-std=c11", "-g", "-fsanitize=address"],
            Self::Static => &["cc", "-std=c11"],
        }
    }
}

/// The folder of the C binding.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bindings/c").canonicalize().unwrap()
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        let program = command.get_program().display();
        panic!("{command:?}: {error}; is the Debian package of '{program}' installed?")
    });
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{told}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// The staged tree, as `make install` lays it. The libraries are those that were built for this
/// test.
pub(crate) fn tree() -> &'static Path {
    static TREE: OnceLock<PathBuf> = OnceLock::new();
    TREE.get_or_init(|| {
        let tree = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stage");
        let own = std::env::current_exe().unwrap();
        let built = format!("BUILT={}", own.parent().unwrap().display());
        let to = format!("DESTDIR={}", tree.display());
        let mut make = Command::new("make");
        make.arg("-C").arg(folder()).args(["install", &built, &to, "PREFIX=/opt/librecast"]);
        run(make.env_remove("CARGO_TARGET_DIR").env_remove("MAKEFLAGS"));
        tree
    })
}

/// Where the shared library lies.
pub(crate) fn libraries() -> String {
    tree().join("opt/librecast/lib").to_str().unwrap().to_owned()
}

/// What pkg-config says, as the book has it.
pub(crate) fn pkg_config(words: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.args(words).arg("lcast").env("PKG_CONFIG_SYSROOT_DIR", tree());
    command.env("PKG_CONFIG_PATH", tree().join("opt/librecast/lib/pkgconfig"));
    run(&mut command).split_whitespace().map(str::to_owned).collect()
}

/// Builds a program of the binding's folder with all warnings as errors, once, whichever tests want
/// it: none may be written while another test starts it. Gives its path.
pub(crate) fn build(source: &str, how: How) -> String {
    static BUILT: Mutex<BTreeMap<PathBuf, Arc<OnceLock<()>>>> = Mutex::new(BTreeMap::new());
    let name = source.trim_end_matches(".c").replace('/', "-");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{how:?}"));
    let built = BUILT.lock().unwrap().entry(program.clone()).or_default().clone();
    built.get_or_init(|| compile(source, how, &program));
    program.to_str().unwrap().to_owned()
}

fn compile(source: &str, how: How, program: &Path) {
    let [compiler, standard @ ..] = how.words() else { unreachable!("a compiler is named") };
    let mut command = Command::new(compiler);
    command.args(standard).args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-pthread"]);
    command.args(pkg_config(&["--cflags"])).arg(folder().join(source)).arg("-o").arg(program);
    // So that the libraries behind it are not taken for C++.
    command.args(["-x", "none"]);
    if how == How::Static {
        command.arg(tree().join("opt/librecast/lib/liblcast.a"));
        let private = pkg_config(&["--libs", "--static"]).into_iter();
        command.args(private.filter(|it| it != "-llcast"));
    } else {
        command.args(pkg_config(&["--libs"]));
    }
    run(&mut command);
}

#[test]
fn the_staged_tree_has_what_a_foreign_program_needs() {
    let lib = tree().join("opt/librecast/lib");
    let link = |name: &str| std::fs::read_link(lib.join(name)).unwrap();
    assert_eq!(link("liblcast.so"), Path::new("liblcast.so.0"));
    let version = format!("liblcast.so.{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(link("liblcast.so.0"), Path::new(&version));
    assert_eq!(pkg_config(&["--modversion"]), [env!("CARGO_PKG_VERSION")]);
    let page = tree().join("opt/librecast/share/man/man3");
    assert!(std::fs::read_to_string(page.join("lcast_node.3")).unwrap().contains("lcast_open"));
    assert_eq!(
        std::fs::read_to_string(page.join("lcast_open.3")).unwrap(),
        ".so man3/lcast_node.3\n"
    );
    let needed = run(Command::new("readelf").arg("-d").arg(lib.join("liblcast.so")));
    assert!(needed.contains("soname: [liblcast.so.0]"), "{needed}");
}

/// Whatever else is in it would meet what the program has of its own.
#[test]
fn nothing_but_the_functions_of_the_header_is_exported() {
    let library = tree().join("opt/librecast/lib/liblcast.so");
    let symbols = run(Command::new("nm").args(["-D", "--defined-only"]).arg(library));
    let header = std::fs::read_to_string(tree().join("opt/librecast/include/lcast.h")).unwrap();
    let mut count = 0;
    for symbol in symbols.lines().filter_map(|line| line.split_whitespace().nth(2)) {
        assert!(header.contains(&format!("{symbol}(")), "{symbol} is not in the header");
        count += 1;
    }
    assert!(count > 80, "{count} functions");
}
