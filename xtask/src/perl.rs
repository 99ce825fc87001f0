//! `cargo xtask perl`: the Perl distribution, installed with the ordinary tools and tested.
//!
//! Everything is made under `target/perl`: the C library as it is installed, a copy of the
//! distribution, and a folder into which it is installed. Each test that uses the network makes one
//! of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::book;
use crate::test::{self, finish};

/// Where the distribution is, and the C library.
const PACKAGE: &str = "bindings/perl";
const LIBRARY: &str = "bindings/c";

/// Installs the C library and the distribution, whose tests are run; `tests` are the names of some
/// alone, like `10-ask`.
pub(crate) fn run(root: &Path, tests: &[String]) -> anyhow::Result<()> {
    let folder = test::target(root).join("perl");
    let (library, package) = (folder.join("library"), folder.join("package"));
    let installed = folder.join("installed");
    for old in [&library, &package, &installed] {
        if old.exists() {
            fs::remove_dir_all(old)?;
        }
    }
    let mut make = command("make", root);
    make.args(["--silent", "-C", LIBRARY, "install"]).arg(word("PREFIX", &library));
    finish(&mut make, "installing the library for C")?;

    copy(&root.join(PACKAGE), &package)?;
    // The library must be found as the documentation says.
    let found = library.join("lib/pkgconfig");
    let in_package = |program: &str| {
        let mut command = command(program, &package);
        command.env("PKG_CONFIG_PATH", &found).env_remove("LCAST_LIBRARY");
        command
    };
    let mut configure = in_package("perl");
    configure.arg("Makefile.PL").arg(word("INSTALL_BASE", &installed));
    finish(&mut configure, "perl Makefile.PL")?;
    finish(in_package("make").arg("--silent"), "make")?;

    let mut check = in_package("make");
    check.arg("test").env("LIBRECAST_BIN", test::program(root)?).env("LCAST_TEST_REQUIRED", "1");
    check.env("LCAST_BOOK", root.join("docs/book/src/perl.md"));
    if !tests.is_empty() {
        let files: Vec<String> = tests.iter().map(|name| format!("t/{name}.t")).collect();
        check.arg(format!("TEST_FILES={}", files.join(" ")));
    }
    finish(&mut check, "the tests of the Perl distribution")?;

    finish(in_package("make").args(["--silent", "install"]), "make install")?;
    let mut import = in_package("perl");
    import.current_dir(&folder).env("PERL5LIB", installed.join("lib/perl5"));
    import.args(["-MNet::Lcast", "-e", "print qq(perl: Net::Lcast $Net::Lcast::VERSION\\n)"]);
    finish(&mut import, "using what was installed")?;
    try_book(root, &folder)
}

/// Installs it by what the book tells people to type, and uses it.
fn try_book(root: &Path, folder: &Path) -> anyhow::Result<()> {
    let checkout = book::checkout(root, folder)?;
    copy(&root.join(PACKAGE), &checkout.join(PACKAGE))?;
    let program = "cd; perl -MNet::Lcast -e 'exit $INC{q(Net/Lcast.pm)} !~ m(^\\Q$ENV{HOME}/)'";
    let mut shell = book::shell(root, &checkout, "perl.md", program)?;
    finish(shell.stdout(Stdio::null()), "what perl.md tells people to type")
}

/// A program in a folder, without what cargo or another make has said.
fn command(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env_remove("MAKEFLAGS").env_remove("PERL5LIB");
    command
}

fn word(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}

/// Copies a folder.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &place)?;
        } else {
            fs::copy(entry.path(), &place)?;
        }
    }
    Ok(())
}
