//! Finds the machine's httpd and its modules.

use crate::args::Mpm;
use crate::error::CliError;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const NAMES: [&str; 2] = ["apache2", "httpd"];

/// Folders of system programs, which an ordinary user's `PATH` often lacks.
const PROGRAM_FOLDERS: [&str; 6] =
    ["/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/local/apache2/bin", "/usr/local/bin", "/opt/apache2/bin"];

const MODULE_FOLDERS: [&str; 7] = [
    "/usr/lib/apache2/modules",
    "/usr/lib64/apache2/modules",
    "/usr/lib64/httpd/modules",
    "/usr/lib/httpd/modules",
    "/usr/local/apache2/modules",
    "/usr/local/libexec/apache24",
    "/usr/libexec/apache2",
];

/// An httpd that can be run.
#[derive(Debug, Clone)]
pub(crate) struct Httpd {
    pub(crate) program: PathBuf,
    /// Such as `Apache/2.4.66 (Debian)`.
    pub(crate) version: String,
    /// Where its loadable modules lie.
    pub(crate) modules: PathBuf,
    /// Source names of the modules it has compiled in, such as `mod_so.c`.
    pub(crate) builtin: Vec<String>,
}

/// How httpd comes by a module.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Module {
    Builtin,
    Loadable(PathBuf),
    Missing,
}

impl Httpd {
    /// Finds httpd, or looks at the one that was named (an absolute path).
    pub(crate) fn find(named: Option<&Path>) -> Result<Httpd, CliError> {
        let program = match named {
            Some(program) if program.is_file() => program.to_owned(),
            Some(program) => {
                return Err(CliError::usage(format!(
                    "httpd program '{}' does not exist; correct --httpd, or leave it out to have httpd found",
                    program.display()
                )));
            }
            None => search_program().ok_or_else(|| {
                CliError::failure(
                    "httpd was not found: there is no apache2 or httpd in PATH or the usual folders; \
                     install it (Debian, Ubuntu: apt install apache2; Fedora: dnf install httpd), or name it with --httpd",
                )
            })?,
        };
        let told = ask(&program, "-v")?;
        let version = told
            .lines()
            .find_map(|line| line.strip_prefix("Server version: "))
            .ok_or_else(|| {
                CliError::failure(format!(
                    "'{}' does not answer like an httpd; name another with --httpd",
                    program.display()
                ))
            })?
            .trim()
            .to_owned();
        if !version.starts_with("Apache/2.4.") {
            return Err(CliError::failure(format!(
                "'{}' is {version}, and krait needs Apache/2.4; name another with --httpd",
                program.display()
            )));
        }
        let builtin: Vec<String> = ask(&program, "-l")?
            .lines()
            .map(str::trim)
            .filter(|line| line.ends_with(".c"))
            .map(str::to_owned)
            .collect();
        if !builtin.iter().any(|name| name == "mod_so.c") {
            return Err(CliError::failure(format!(
                "'{}' cannot load modules: it was built without mod_so; name another with --httpd",
                program.display()
            )));
        }
        let modules = search_modules(&program).ok_or_else(|| {
            CliError::failure(format!(
                "the modules of '{}' were not found: no usual folder has mod_authz_core.so; reinstall httpd",
                program.display()
            ))
        })?;
        Ok(Httpd { program, version, modules, builtin })
    }

    /// Looks for a module by the name it has in `LoadModule`, without `_module`.
    pub(crate) fn module(&self, name: &str) -> Module {
        // The MPMs' sources are called event.c, worker.c and prefork.c.
        let source = match name.strip_prefix("mpm_") {
            Some(mpm) => format!("{mpm}.c"),
            None => format!("mod_{name}.c"),
        };
        let file = self.modules.join(format!("mod_{name}.so"));
        if self.builtin.contains(&source) {
            Module::Builtin
        } else if file.is_file() {
            Module::Loadable(file)
        } else {
            Module::Missing
        }
    }

    /// The MPM to use: the wanted one, else the first there is. One that is compiled in leaves no choice.
    pub(crate) fn choose_mpm(&self, wanted: Option<Mpm>) -> Result<Mpm, CliError> {
        let fixed =
            Mpm::ALL.into_iter().find(|mpm| self.module(&format!("mpm_{}", mpm.name())) == Module::Builtin);
        match (wanted, fixed) {
            (Some(wanted), Some(fixed)) if wanted != fixed => Err(CliError::failure(format!(
                "'{}' has MPM {} compiled in and cannot use '{}'; leave --mpm out",
                self.program.display(),
                fixed.name(),
                wanted.name()
            ))),
            (_, Some(fixed)) => Ok(fixed),
            (Some(wanted), None) => match self.module(&format!("mpm_{}", wanted.name())) {
                Module::Missing => Err(CliError::failure(format!(
                    "httpd has no MPM '{}': '{}' is missing; choose another with --mpm",
                    wanted.name(),
                    self.modules.join(format!("mod_mpm_{}.so", wanted.name())).display()
                ))),
                _ => Ok(wanted),
            },
            (None, None) => Mpm::ALL
                .into_iter()
                .find(|mpm| self.module(&format!("mpm_{}", mpm.name())) != Module::Missing)
                .ok_or_else(|| {
                    CliError::failure(format!(
                        "httpd has no MPM: '{}' has no mod_mpm_event.so, mod_mpm_worker.so or mod_mpm_prefork.so; \
                         reinstall httpd",
                        self.modules.display()
                    ))
                }),
        }
    }
}

/// What the program prints for an option that makes it print and leave.
fn ask(program: &Path, option: &str) -> Result<String, CliError> {
    let output = Command::new(program).arg(option).stdin(Stdio::null()).output().map_err(|error| {
        CliError::failure(format!(
            "httpd '{}' cannot be run: {error}; name another with --httpd",
            program.display()
        ))
    })?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn search_program() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).chain(PROGRAM_FOLDERS.map(PathBuf::from)).collect();
    folders.iter().flat_map(|folder| NAMES.map(|name| folder.join(name))).find(|program| is_program(program))
}

fn search_modules(program: &Path) -> Option<PathBuf> {
    let holds_modules = |folder: &PathBuf| folder.join("mod_authz_core.so").is_file();
    // A private installation has them in a folder beside its program's.
    let beside = program.canonicalize().ok().and_then(|p| Some(p.parent()?.parent()?.join("modules")));
    beside
        .into_iter()
        .chain(MODULE_FOLDERS.map(PathBuf::from))
        .find(holds_modules)
        .or_else(|| ask_apxs().filter(holds_modules))
}

fn ask_apxs() -> Option<PathBuf> {
    ["apxs", "apxs2"].iter().find_map(|apxs| {
        let output = Command::new(apxs).args(["-q", "LIBEXECDIR"]).stdin(Stdio::null()).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| PathBuf::from(text.trim()))
    })
}

/// A file that we may execute.
pub(crate) fn is_program(path: &Path) -> bool {
    path.is_file() && path.to_str().is_some_and(|path| krait_sys::execute::may_execute(path).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn httpd(builtin: &[&str], files: &[&str]) -> (tempfile::TempDir, Httpd) {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            fs::write(dir.path().join(file), "").unwrap();
        }
        let httpd = Httpd {
            program: PathBuf::from("/x/httpd"),
            version: "Apache/2.4.1".to_owned(),
            modules: dir.path().to_owned(),
            builtin: builtin.iter().map(|&name| name.to_owned()).collect(),
        };
        (dir, httpd)
    }

    #[test]
    fn a_module_is_builtin_loadable_or_missing() {
        let (dir, httpd) = httpd(&["mod_unixd.c", "prefork.c"], &["mod_alias.so"]);
        assert_eq!(httpd.module("unixd"), Module::Builtin);
        assert_eq!(httpd.module("mpm_prefork"), Module::Builtin);
        assert_eq!(httpd.module("alias"), Module::Loadable(dir.path().join("mod_alias.so")));
        assert_eq!(httpd.module("dir"), Module::Missing);
    }

    #[test]
    fn the_mpm_is_the_wanted_one_or_the_best() {
        let (_dir, both) = httpd(&[], &["mod_mpm_worker.so", "mod_mpm_prefork.so"]);
        assert_eq!(both.choose_mpm(None).unwrap(), Mpm::Worker);
        assert_eq!(both.choose_mpm(Some(Mpm::Prefork)).unwrap(), Mpm::Prefork);
        assert!(both.choose_mpm(Some(Mpm::Event)).unwrap_err().to_string().contains("mod_mpm_event.so"));
        let (_dir, fixed) = httpd(&["event.c"], &["mod_mpm_worker.so"]);
        assert_eq!(fixed.choose_mpm(None).unwrap(), Mpm::Event);
        assert!(fixed.choose_mpm(Some(Mpm::Worker)).is_err());
    }

    #[test]
    fn a_program_that_is_no_httpd_is_refused() {
        assert!(matches!(Httpd::find(Some(Path::new("/nowhere/httpd"))), Err(CliError::Usage(_))));
        assert!(matches!(Httpd::find(Some(Path::new("/bin/true"))), Err(CliError::Failure(_))));
    }
}
