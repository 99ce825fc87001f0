//! Where the programs under test are.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The `librecast` binary: `LIBRECAST_BIN`, or a release build made once for this process.
///
/// # Panics
/// When the build fails.
#[must_use]
pub fn binary() -> &'static str {
    static BINARY: OnceLock<String> = OnceLock::new();
    BINARY.get_or_init(|| {
        let path = match env::var_os("LIBRECAST_BIN") {
            Some(path) => PathBuf::from(path),
            None => build(),
        };
        let path = path
            .canonicalize()
            .unwrap_or_else(|error| panic!("no binary at {}: {error}", path.display()));
        path.to_str().expect("the path of the binary is text").to_owned()
    })
}

/// Release, because several promises are about time.
fn build() -> PathBuf {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let status = Command::new(&cargo)
        .args(["build", "--release", "--package", "lcast-cli"])
        .current_dir(&root)
        .status()
        .unwrap_or_else(|error| panic!("{cargo} does not start: {error}"));
    assert!(status.success(), "building the binary under test failed");
    let target = match env::var_os("CARGO_TARGET_DIR") {
        Some(target) => root.join(target),
        None => root.join("target"),
    };
    target.join("release/librecast")
}

/// The lab's own helper program, which lies beside the running test or one folder above.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn helper() -> String {
    let own = env::current_exe().expect("a running program has a path");
    let found = own.ancestors().skip(1).take(2).map(|folder| folder.join("lab-helper"));
    let path = found.into_iter().find(|path| path.exists());
    let path = path.unwrap_or_else(|| panic!("no lab-helper near {}", own.display()));
    path.to_str().expect("the path of the helper is text").to_owned()
}
