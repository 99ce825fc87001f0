//! `cargo xtask python`: the Python package, built as a wheel, installed and tested.
//!
//! Everything is made under `target/python`: an environment with pinned tools, the wheel, and an
//! empty environment into which it must install. The tests run in a network namespace of their own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::bail;

use crate::test::{self, finish};

/// Where the package is.
const PACKAGE: &str = "bindings/python";

/// The tools, and what is made by them.
struct Workshop {
    package: PathBuf,
    folder: PathBuf,
    tools: PathBuf,
}

/// Builds the wheel and runs the tests of the package; `arguments` go to pytest.
pub(crate) fn run(root: &Path, arguments: &[String]) -> anyhow::Result<()> {
    let workshop = Workshop::set_up(root)?;
    let wheel = workshop.wheel()?;
    workshop.try_empty(&wheel)?;
    let mut tests = workshop.python();
    tests.arg(workshop.package.join("tests/run.py")).args(arguments);
    tests.env("LIBRECAST_BIN", test::program(root)?).env("LCAST_WHEEL", &wheel);
    finish(&mut tests, "the tests of the Python package")
}

/// Writes the reference of the package as HTML, from the texts in it.
pub(crate) fn docs(root: &Path) -> anyhow::Result<()> {
    let workshop = Workshop::set_up(root)?;
    workshop.wheel()?;
    let pages = workshop.folder.join("docs");
    let mut pdoc = workshop.python();
    pdoc.current_dir(&workshop.folder).args(["-m", "pdoc", "lcast", "lcast.aio"]);
    pdoc.arg("--output-directory").arg(&pages);
    finish(&mut pdoc, "pdoc")?;
    println!("python: wrote {}", pages.join("lcast.html").display());
    Ok(())
}

impl Workshop {
    /// The environment with the tools, made anew when other versions are wanted.
    fn set_up(root: &Path) -> anyhow::Result<Self> {
        let (package, folder) = (root.join(PACKAGE), test::target(root).join("python"));
        let workshop = Self { package, tools: folder.join("tools"), folder };
        let wanted = fs::read_to_string(workshop.package.join("requirements.txt"))?;
        let installed = workshop.tools.join("installed.txt");
        if fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
            return Ok(workshop);
        }
        environment(&workshop.tools)?;
        let mut install = workshop.python();
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
        install.arg(workshop.package.join("requirements.txt"));
        finish(&mut install, "installing the tools")?;
        fs::write(&installed, wanted)?;
        Ok(workshop)
    }

    /// The interpreter beside the tools.
    fn python(&self) -> Command {
        let mut python = Command::new(self.tools.join("bin/python"));
        python.env_remove("PYTHONPATH").env("VIRTUAL_ENV", &self.tools).env("PATH", self.path());
        python
    }

    /// The tools before all other programs.
    fn path(&self) -> std::ffi::OsString {
        let mut path = self.tools.join("bin").into_os_string();
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or_default());
        path
    }

    /// The wheel by maturin and by pip, and installed beside the tools; by maturin's it is tested.
    fn wheel(&self) -> anyhow::Result<PathBuf> {
        let mut wheel = PathBuf::new();
        for (maker, words) in [
            ("pip", &["pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir"][..]),
            ("maturin", &["maturin", "build", "--release", "--quiet", "--out"][..]),
        ] {
            let out = self.folder.join(maker);
            if out.exists() {
                fs::remove_dir_all(&out)?;
            }
            let mut build = self.python();
            build.current_dir(&self.package).arg("-m").args(words).arg(&out);
            if maker == "pip" {
                build.args(["--quiet", "."]);
            }
            finish(&mut build, &format!("building the wheel by {maker}"))?;
            wheel = only_wheel(&out)?;
        }
        let mut install = self.python();
        install.args(["-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]);
        install.args(["--disable-pip-version-check", "--force-reinstall"]).arg(&wheel);
        finish(&mut install, "installing the wheel")?;
        Ok(wheel)
    }

    /// Installs the wheel where nothing else is, without a registry, and imports it.
    fn try_empty(&self, wheel: &Path) -> anyhow::Result<()> {
        let folder = self.folder.join("empty");
        environment(&folder)?;
        let python = || {
            let mut python = Command::new(folder.join("bin/python"));
            python.current_dir(&folder).env_remove("PYTHONPATH");
            python
        };
        let mut install = python();
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        finish(install.arg("--no-index").arg(wheel), "installing the wheel")?;
        let program = "import lcast, lcast.aio; print('python: lcast', lcast.__version__)";
        finish(python().args(["-c", program]), "importing the package")
    }
}

/// The one wheel in a folder.
fn only_wheel(folder: &Path) -> anyhow::Result<PathBuf> {
    let entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let paths = entries.into_iter().map(|entry| entry.path());
    let wheels: Vec<PathBuf> =
        paths.filter(|it| it.extension().is_some_and(|e| e == "whl")).collect();
    match wheels.as_slice() {
        [wheel] => Ok(wheel.clone()),
        several => bail!("{} wheels in {}, not one", several.len(), folder.display()),
    }
}

/// Makes an empty environment.
fn environment(folder: &Path) -> anyhow::Result<()> {
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(folder);
    finish(&mut venv, "making an environment (Debian: apt install python3-venv)")
}
