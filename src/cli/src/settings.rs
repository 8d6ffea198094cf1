//! What the typed options mean on this machine: everything found, made absolute and checked; nothing changed yet.

use crate::app::{self, App, Target};
use crate::args::{Mount, Mpm, Processes, ServeArgs, Variable};
use crate::error::CliError;
use crate::httpd::{self, Httpd};
use crate::listen::Endpoint;
use crate::user_name;
use krait_config::{DIRECTIVES, Id};
use krait_sys::account::{self, Account};
use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Everything that [`crate::render`] and [`crate::run`] need.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// APP as typed, for messages.
    pub(crate) name: String,
    pub(crate) app: App,
    pub(crate) mount: Mount,
    pub(crate) endpoint: Endpoint,
    pub(crate) processes: Processes,
    pub(crate) threads: u32,
    pub(crate) python: Option<PathBuf>,
    /// Folders to import from; a module's first one is also its working directory.
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) env: Vec<Variable>,
    pub(crate) request_timeout: Option<String>,
    pub(crate) includes: Vec<PathBuf>,
    pub(crate) httpd: Httpd,
    pub(crate) mpm: Mpm,
    /// The folder of `krait`, `kraitd` and the module.
    pub(crate) home: PathBuf,
    /// Set when root calls.
    pub(crate) identities: Option<Identities>,
    /// The folder named by `--state-dir`.
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) access_log: bool,
    pub(crate) verbose: bool,
}

/// Whom the processes become when root starts them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identities {
    pub(crate) httpd_user: String,
    /// Its primary group's number.
    pub(crate) httpd_group: u32,
    /// `KraitUser`'s argument.
    pub(crate) app: String,
}

/// Who httpd's children are, by preference; the first that exists.
const HTTPD_USERS: [&str; 4] = ["www-data", "apache", "http", "nobody"];

impl Settings {
    pub(crate) fn resolve(args: &ServeArgs) -> Result<Settings, CliError> {
        let current = env::current_dir().map_err(|error| {
            CliError::failure(format!("the current folder is not accessible: {error}; change to another"))
        })?;
        let base = match &args.chdir {
            Some(dir) => folder("--chdir", &current, dir)?,
            None => current,
        };
        let app = App::find(&args.app, &base)?;
        let python = args.python.as_deref().map(|python| find_python(python, &base)).transpose()?;
        let paths = import_folders(args, &app, &base)?;
        let includes = args.include.iter().map(|file| include(&base, file)).collect::<Result<_, _>>()?;
        let identities = identities(args, &app, &base)?;
        let httpd = Httpd::find(args.httpd.as_ref().map(|path| base.join(path)).as_deref())?;
        let mpm = httpd.choose_mpm(args.mpm)?;
        Ok(Settings {
            name: args.app.clone(),
            app,
            mount: args.mount.clone(),
            endpoint: args.listen.resolve(!args.print_config)?,
            processes: args.processes,
            threads: args.threads,
            python,
            paths,
            env: last_of_each(&args.env),
            request_timeout: args.request_timeout.as_ref().map(|time| time.as_str().to_owned()),
            includes,
            httpd,
            mpm,
            home: home()?,
            identities,
            state_dir: args
                .state_dir
                .as_ref()
                .map(|dir| utf8("--state-dir", app::tidy(&base.join(dir))))
                .transpose()?,
            access_log: args.access_log,
            verbose: args.verbose,
        })
    }

    /// Refuses to go on without the parts that lie beside `krait`.
    pub(crate) fn check_installation(&self) -> Result<(), CliError> {
        for part in ["mod_krait.so", "kraitd", "krait-spawn", "python/krait"] {
            let path = self.home.join(part);
            if !path.exists() {
                return Err(CliError::failure(format!(
                    "mod_krait is incomplete: '{}' is missing; build it with 'make build', or install it again",
                    path.display()
                )));
            }
        }
        Ok(())
    }
}

/// The folder of this very program, links followed.
fn home() -> Result<PathBuf, CliError> {
    let program = env::current_exe().and_then(|program| program.canonicalize()).map_err(|error| {
        CliError::failure(format!("krait cannot find its own program file: {error}; is /proc mounted?"))
    })?;
    Ok(program.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned))
}

fn import_folders(args: &ServeArgs, app: &App, base: &Path) -> Result<Vec<PathBuf>, CliError> {
    let mut paths = Vec::new();
    // A script's own folder comes first by itself; a module has none but this.
    if matches!(app.target, Target::Module(_)) || args.chdir.is_some() {
        paths.push(utf8("the current folder", app::tidy(base))?);
    }
    for dir in &args.paths {
        paths.push(folder("--path", base, dir)?);
    }
    let most = DIRECTIVES.iter().find(|row| row.id == Id::Path).map_or(1, |row| row.arguments.1);
    if paths.len() > most {
        return Err(CliError::usage(format!(
            "{} folders are given with --path; at most {most} are possible",
            paths.len()
        )));
    }
    Ok(paths)
}

fn folder(option: &str, base: &Path, dir: &Path) -> Result<PathBuf, CliError> {
    let path = utf8(option, app::tidy(&base.join(dir)))?;
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => Ok(path),
        Ok(_) => Err(CliError::usage(format!("'{}' of {option} is not a folder; name one", path.display()))),
        Err(error) => Err(CliError::usage(format!(
            "folder '{}' of {option}: {error}; name one that exists",
            path.display()
        ))),
    }
}

fn include(base: &Path, file: &Path) -> Result<PathBuf, CliError> {
    let path = utf8("--include", app::tidy(&base.join(file)))?;
    match fs::File::open(&path) {
        Ok(_) => Ok(path),
        Err(error) => {
            Err(CliError::usage(format!("file '{}' of --include: {error}; name one to read", path.display())))
        }
    }
}

/// Paths travel in a configuration file, one line each.
fn utf8(what: &str, path: PathBuf) -> Result<PathBuf, CliError> {
    match path.to_str() {
        Some(text) if !text.contains(['\n', '\r']) => Ok(path),
        _ => Err(CliError::usage(format!(
            "{what} '{}' is not UTF-8 or has a line break, which httpd's configuration cannot carry; rename it",
            path.display()
        ))),
    }
}

/// A program by path or by name, or a virtual environment. Links are not followed: where a venv's link to its base
/// interpreter lies is what makes the venv.
fn find_python(text: &str, base: &Path) -> Result<PathBuf, CliError> {
    let path = app::tidy(&base.join(text));
    if path.is_dir() {
        return ["bin/python", "bin/python3"]
            .iter()
            .map(|name| path.join(name))
            .find(|program| httpd::is_program(program))
            .ok_or_else(|| {
                CliError::usage(format!(
                    "'{}' of --python is no virtual environment: it has no working bin/python; name one, or a program",
                    path.display()
                ))
            });
    }
    if text.contains('/') {
        if httpd::is_program(&path) {
            return Ok(path);
        }
        let state = if path.exists() { "is not a program that may be executed" } else { "does not exist" };
        return Err(CliError::usage(format!(
            "'{}' of --python {state}; name a Python program",
            path.display()
        )));
    }
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders)
        .map(|folder| folder.join(text))
        .find(|program| httpd::is_program(program))
        .ok_or_else(|| {
            CliError::usage(format!(
                "'{text}' of --python is no program in PATH and no virtual environment; give its path"
            ))
        })
}

fn identities(args: &ServeArgs, app: &App, base: &Path) -> Result<Option<Identities>, CliError> {
    if krait_sys::identity::effective_user() != 0 {
        return match &args.user {
            None => Ok(None),
            Some(user) => Err(CliError::usage(format!(
                "only root can run an application as another user, '{user}'; leave --user out, or call krait with sudo"
            ))),
        };
    }
    let Some(httpd) = HTTPD_USERS.iter().find_map(|name| user(name)) else {
        return Err(CliError::failure(format!(
            "httpd's children need a user, and none of {} exists; create www-data, or call krait as an ordinary user",
            HTTPD_USERS.join(", ")
        )));
    };
    let app = match &args.user {
        Some(user) => named_user(user)?,
        None => owner(app, base).unwrap_or_else(|| "server".to_owned()),
    };
    Ok(Some(Identities { httpd_user: httpd.name, httpd_group: httpd.gid, app }))
}

/// A user by name. One that cannot be looked up is none.
fn user(name: &str) -> Option<Account> {
    account::user(name).ok().flatten()
}

fn named_user(text: &str) -> Result<String, CliError> {
    let (name, group) = text.split_once(':').map_or((text, None), |(name, group)| (name, Some(group)));
    match user(name) {
        None => {
            return Err(CliError::usage(format!(
                "user '{name}' of --user does not exist; name one that does"
            )));
        }
        Some(account) if account.uid == 0 => {
            return Err(CliError::usage("an application never runs as root; name another user with --user"));
        }
        Some(_) => {}
    }
    match group {
        Some(group) if !account::group(group).is_ok_and(|group| group.is_some()) => {
            Err(CliError::usage(format!("group '{group}' of --user does not exist; name one that does")))
        }
        _ => Ok(text.to_owned()),
    }
}

/// The owner of the script, the folder, or the folder a module is looked for in. Nothing runs as root, and a number
/// without a name can't be configured.
fn owner(app: &App, base: &Path) -> Option<String> {
    let path = match &app.target {
        Target::Path(path) => path.as_path(),
        Target::Module(_) => base,
    };
    let uid = fs::metadata(path).ok()?.uid();
    if uid == 0 { None } else { user_name::name_of(uid) }
}

/// A later value of a variable replaces an earlier one.
fn last_of_each(variables: &[Variable]) -> Vec<Variable> {
    let is_last = |at: usize| {
        !variables.iter().skip(at + 1).any(|later| variables.get(at).is_some_and(|v| v.name == later.name))
    };
    variables
        .iter()
        .enumerate()
        .filter(|(at, _)| is_last(*at))
        .map(|(_, variable)| variable.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn python_is_a_program_a_name_or_a_venv() {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("venv/bin");
        fs::create_dir_all(&bin).unwrap();
        symlink("/bin/sh", bin.join("python")).unwrap();
        fs::create_dir(dir.path().join("empty")).unwrap();
        fs::write(dir.path().join("text"), "").unwrap();
        fs::set_permissions(dir.path().join("text"), fs::Permissions::from_mode(0o644)).unwrap();

        assert_eq!(find_python("venv", dir.path()).unwrap(), bin.join("python"));
        assert_eq!(find_python("./venv/bin/python", dir.path()).unwrap(), bin.join("python"));
        assert!(find_python("python3", dir.path()).unwrap().ends_with("python3"));
        for (wrong, part) in [
            ("empty", "no virtual"),
            ("./text", "executed"),
            ("./gone", "not exist"),
            ("no-such-python", "PATH"),
        ] {
            let error = find_python(wrong, dir.path()).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_last_value_of_a_variable_counts() {
        let variables: Vec<Variable> =
            ["A=1", "B=2", "A=3"].iter().map(|text| text.parse().unwrap()).collect();
        let left: Vec<String> =
            last_of_each(&variables).iter().map(|v| format!("{}={}", v.name, v.value)).collect();
        assert_eq!(left, ["B=2", "A=3"]);
    }

    #[test]
    fn no_application_runs_as_root() {
        assert!(named_user("root").unwrap_err().to_string().contains("never runs as root"));
        assert!(named_user("no such user").is_err());
        assert!(named_user("nobody:no such group").is_err());
        assert_eq!(named_user("nobody").unwrap(), "nobody");
    }
}
