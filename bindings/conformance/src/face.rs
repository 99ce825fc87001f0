//! The languages: how the runner of each is started.

use std::path::Path;

use anyhow::bail;
use lcast_lab::{Host, Job};

/// A language and its runner.
#[derive(Clone, Debug)]
pub struct Face {
    /// Its name, which its node has too.
    pub name: &'static str,
    /// The words that start the runner.
    words: Vec<String>,
    /// What it needs in its environment.
    environment: Vec<(&'static str, String)>,
}

/// Every language, in the order of the matrix; `built` is the folder that `run` fills.
pub fn all(root: &Path, built: &Path) -> Vec<Face> {
    let runner = |name: &str| path(&root.join("bindings/conformance/runners").join(name));
    vec![
        Face {
            name: "rust",
            words: vec![path(&built.join("runner-rust"))],
            environment: vec![("RUST_BACKTRACE", "0".to_owned())],
        },
        Face {
            name: "c",
            words: vec![path(&built.join("runner-c"))],
            environment: vec![("LD_LIBRARY_PATH", path(&built.join("lib")))],
        },
        Face {
            name: "python",
            words: vec!["python3".to_owned(), runner("runner.py")],
            environment: vec![
                ("PYTHONPATH", path(&built.join("python"))),
                ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
            ],
        },
        Face {
            name: "perl",
            words: vec!["perl".to_owned(), runner("runner.pl")],
            environment: vec![
                ("LCAST_LIBRARY", path(&built.join("lib/liblcast.so"))),
                ("PERL5LIB", path(&built.join("perl"))),
            ],
        },
        Face {
            name: "cli",
            words: vec!["python3".to_owned(), runner("cli.py")],
            environment: vec![
                ("LIBRECAST_BIN", lcast_lab::binary().to_owned()),
                ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
            ],
        },
    ]
}

/// Rust without async, which is measured alone: what the other languages stand on.
pub fn blocking(built: &Path) -> Face {
    let words = vec![path(&built.join("runner-rust")), "blocking".to_owned()];
    Face { name: "blocking", words, environment: vec![("RUST_BACKTRACE", "0".to_owned())] }
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Those of the languages that are named; all when none is.
///
/// # Errors
/// When a name is none of them.
pub fn named(all: Vec<Face>, names: &[String]) -> anyhow::Result<Vec<Face>> {
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|it| it.name != **name)) {
        bail!("'{unknown}' is none of the languages");
    }
    let wanted = |it: &Face| names.is_empty() || names.iter().any(|name| name == it.name);
    Ok(all.into_iter().filter(wanted).collect())
}

impl Face {
    /// The runner at a host, with the first of its words.
    pub fn job(&self, host: &Host, role: &str) -> Job {
        let mut job = host.command(&self.words[0]).args(self.words[1..].iter().cloned());
        for (name, value) in &self.environment {
            job = job.env(name, value.clone());
        }
        job.arg(role)
    }
}
