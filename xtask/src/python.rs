//! `cargo xtask python`: the Python package, built as a wheel, installed and tested.
//!
//! Everything is made under `target/python`: an environment with pinned tools, the wheel, and an
//! empty environment into which it must install. The tests run in a network namespace of their own;
//! with the paths of other interpreters in `LCAST_PYTHONS`, between colons, by each of these too.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, bail};

use crate::book;
use crate::test::{self, finish};

/// Where the package is.
const PACKAGE: &str = "bindings/python";

/// The interpreter of the machine.
const PYTHON: &str = "python3";

/// Where the wheels lie by which pip builds the package.
const MAKERS: &str = "makers";

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
    workshop.try_book(root)?;
    workshop.reference()?;
    let program = test::program(root)?;
    let others = env::var_os("LCAST_PYTHONS").unwrap_or_default();
    let mut pythons = vec![workshop.python()];
    for interpreter in env::split_paths(&others).filter(|it| !it.as_os_str().is_empty()) {
        pythons.push(workshop.other(&interpreter, &wheel)?);
    }
    for mut tests in pythons {
        println!("python: the tests by {}", tests.get_program().display());
        tests.arg(workshop.package.join("tests/run.py")).args(arguments);
        tests.env("LIBRECAST_BIN", &program).env("LCAST_WHEEL", &wheel);
        finish(&mut tests, "the tests of the Python package")?;
    }
    Ok(())
}

/// Writes the reference of the package as HTML, from the texts in it.
pub(crate) fn docs(root: &Path) -> anyhow::Result<()> {
    let workshop = Workshop::set_up(root)?;
    workshop.wheel()?;
    println!("python: wrote {}", workshop.reference()?.display());
    Ok(())
}

impl Workshop {
    /// The environment with the tools, made anew when other versions are wanted.
    fn set_up(root: &Path) -> anyhow::Result<Self> {
        let (package, folder) = (root.join(PACKAGE), test::target(root).join("python"));
        let workshop = Self { package, tools: folder.join("tools"), folder };
        let wanted = fs::read_to_string(workshop.package.join("requirements.txt"))?;
        let installed = workshop.tools.join("installed.txt");
        let makers = workshop.folder.join(MAKERS);
        if makers.exists() && fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
            return Ok(workshop);
        }
        environment(Path::new(PYTHON), &workshop.tools)?;
        let mut install = workshop.python();
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
        install.arg(workshop.package.join("requirements.txt"));
        finish(&mut install, "installing the tools")?;
        let mut keep = workshop.python();
        keep.args(["-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--wheel-dir"]);
        keep.arg(&makers).args(wanted.lines().filter(|line| line.starts_with("maturin==")));
        finish(&mut keep, "keeping the wheel of maturin")?;
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

    /// The wheel, also installed beside the tools.
    fn wheel(&self) -> anyhow::Result<PathBuf> {
        let out = self.folder.join("maturin");
        if out.exists() {
            fs::remove_dir_all(&out)?;
        }
        let mut build = self.python();
        build.current_dir(&self.package).args(["-m", "maturin", "build", "--release", "--quiet"]);
        finish(build.arg("--out").arg(&out), "building the wheel")?;
        let wheel = only_wheel(&out)?;
        let mut install = self.python();
        install.args(["-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]);
        install.args(["--disable-pip-version-check", "--force-reinstall"]).arg(&wheel);
        finish(&mut install, "installing the wheel")?;
        Ok(wheel)
    }

    /// Installs the wheel where nothing else is, without a registry, and imports it.
    fn try_empty(&self, wheel: &Path) -> anyhow::Result<()> {
        let folder = self.folder.join("empty");
        environment(Path::new(PYTHON), &folder)?;
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

    /// Another interpreter, beside the wheel and what the tests want: the newest that there is for
    /// it, for not every version has what is pinned.
    fn other(&self, interpreter: &Path, wheel: &Path) -> anyhow::Result<Command> {
        let version = Command::new(interpreter)
            .args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
            .output()
            .with_context(|| format!("LCAST_PYTHONS: starting {}", interpreter.display()))?;
        if !version.status.success() {
            bail!("LCAST_PYTHONS: {} is no Python", interpreter.display());
        }
        let folder = self.folder.join(String::from_utf8(version.stdout)?.trim());
        environment(interpreter, &folder)?;
        let python = || {
            let mut python = Command::new(folder.join("bin/python"));
            python.env_remove("PYTHONPATH").env("VIRTUAL_ENV", &folder);
            python
        };
        let mut install = python();
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        finish(install.args(["mypy", "pytest"]).arg(wheel), "installing the wheel and the tools")?;
        Ok(python())
    }

    /// Builds and installs it by what the book tells people to type, and imports it. What pip wants
    /// for that comes from a folder, not from a registry.
    fn try_book(&self, root: &Path) -> anyhow::Result<()> {
        let checkout = book::checkout(root, &self.folder)?;
        symlink(root.join("bindings"), checkout.join("bindings"))?;
        let program = "venv/bin/python -c 'import lcast, lcast.aio'";
        let mut shell = book::shell(root, &checkout, "python.md", program)?;
        shell.env("PIP_NO_INDEX", "1").env("PIP_FIND_LINKS", self.folder.join(MAKERS));
        shell.env("PIP_QUIET", "1").env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        finish(&mut shell, "what python.md tells people to type")
    }

    /// The reference as HTML, a page for each public module; gives the first.
    fn reference(&self) -> anyhow::Result<PathBuf> {
        let modules = public_modules(&self.package.join("lcast"))?;
        let pages = self.folder.join("docs");
        if pages.exists() {
            fs::remove_dir_all(&pages)?;
        }
        let mut pdoc = self.python();
        pdoc.current_dir(&self.folder).args(["-m", "pdoc"]).args(&modules);
        finish(pdoc.arg("--output-directory").arg(&pages), "pdoc")?;
        for module in &modules {
            let page = pages.join(module.replace('.', "/")).with_extension("html");
            let text = fs::read_to_string(&page)
                .with_context(|| format!("the reference has no page {}", page.display()))?;
            // Each of them has a class of this name.
            if !text.contains("id=\"Node.watch\"") {
                bail!("{} does not tell of Node.watch", page.display());
            }
        }
        Ok(pages.join("lcast.html"))
    }
}

/// The package itself, and what is in it for people.
fn public_modules(package: &Path) -> anyhow::Result<Vec<String>> {
    let mut modules = vec!["lcast".to_owned()];
    for entry in fs::read_dir(package)? {
        let name = entry?.file_name().into_string().unwrap_or_default();
        let public = name.strip_suffix(".py").filter(|it| !it.starts_with('_'));
        modules.extend(public.map(|it| format!("lcast.{it}")));
    }
    modules.sort();
    Ok(modules)
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

/// Makes an empty environment of an interpreter.
fn environment(interpreter: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut venv = Command::new(interpreter);
    venv.args(["-m", "venv", "--clear"]).arg(folder);
    finish(&mut venv, "making an environment (Debian: apt install python3-venv)")
}
