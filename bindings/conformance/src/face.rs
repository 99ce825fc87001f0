//! The languages: how the runner of each is started.

use std::path::Path;

use lcast_lab::{Host, Job};

/// A language and its runner.
#[derive(Clone, Debug)]
pub(crate) struct Face {
    /// Its name, which its node has too.
    pub(crate) name: &'static str,
    /// The words that start the runner.
    words: Vec<String>,
    /// What it needs in its environment.
    environment: Vec<(&'static str, String)>,
}

/// Every language, in the order of the matrix.
pub(crate) fn all(root: &Path, built: &Path) -> Vec<Face> {
    let runner = |name: &str| path(&root.join("bindings/conformance/runners").join(name));
    let own = std::env::current_exe().unwrap_or_default();
    vec![
        Face {
            name: "rust",
            words: vec![path(&own.with_file_name("conformance-rust"))],
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
                ("LD_LIBRARY_PATH", path(&built.join("lib"))),
                ("PERL5LIB", path(&built.join("perl/lib/perl5"))),
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

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

impl Face {
    /// The runner at a host, with the first of its words.
    pub(crate) fn job(&self, host: &Host, role: &str) -> Job {
        let mut job = host.command(&self.words[0]).args(self.words[1..].iter().cloned());
        for (name, value) in &self.environment {
            job = job.env(name, value.clone());
        }
        job.arg(role)
    }
}
