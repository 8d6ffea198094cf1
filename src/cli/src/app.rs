//! What APP means: a script, a folder or a module, and which callable.

use crate::error::CliError;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// An application, found as far as it can be without running Python.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct App {
    pub(crate) target: Target,
    /// `None`: `application`, else `app`.
    pub(crate) callable: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// An absolute path of a script or folder.
    Path(PathBuf),
    /// A module's dotted name.
    Module(String),
}

/// The scripts that make a folder an application, in this order.
const FOLDER_SCRIPTS: [&str; 4] = ["app.wsgi", "wsgi.py", "passenger_wsgi.py", "app.py"];

const FORMS: &str = "write module:callable, path/to/file.py[:callable], import:module.callable or a folder";

impl App {
    /// Understands APP; relative paths start at `base`, an absolute path.
    pub(crate) fn find(text: &str, base: &Path) -> Result<App, CliError> {
        if text.is_empty() || text.contains(['\n', '\r', '\0']) {
            return Err(CliError::usage(format!("'{text}' names no application; {FORMS}")));
        }
        if let Some(dotted) = text.strip_prefix("import:") {
            return match dotted.rsplit_once('.') {
                Some((module, callable)) if is_dotted(module) && is_dotted(callable) => {
                    Ok(App::module(module, callable))
                }
                _ => Err(CliError::usage(format!("'{text}' is not of the form import:module.callable"))),
            };
        }
        // A file that exists is meant, whatever its name looks like.
        let whole = base.join(text);
        if whole.exists() {
            return App::at(text, whole, None);
        }
        match text.rsplit_once(':') {
            Some((left, callable)) => {
                let path = base.join(left);
                // 'site.wsgi:app' is a module as Django names it, unless such a file exists.
                let looks_like_path = left.contains('/') || left.ends_with(".py") || !is_dotted(left);
                let is_script = looks_like_path || left.ends_with(".wsgi");
                if !is_dotted(callable) {
                    Err(CliError::usage(format!(
                        "'{callable}' in '{text}' is no name of a callable; {FORMS}"
                    )))
                } else if is_script && path.exists() {
                    App::at(text, path, Some(callable))
                } else if looks_like_path {
                    Err(missing(&path))
                } else {
                    Ok(App::module(left, callable))
                }
            }
            None if text.contains('/') || text.ends_with(".py") || !is_dotted(text) => Err(missing(&whole)),
            None => Err(CliError::usage(format!(
                "'{text}' is no file or folder in '{}'; for a module add its callable: '{text}:application'",
                base.display()
            ))),
        }
    }

    fn module(module: &str, callable: &str) -> App {
        App { target: Target::Module(module.to_owned()), callable: Some(callable.to_owned()) }
    }

    fn at(text: &str, path: PathBuf, callable: Option<&str>) -> Result<App, CliError> {
        let path = tidy(&path);
        if path.to_str().is_none() {
            return Err(CliError::usage(format!("the path of '{text}' is not UTF-8; rename it")));
        }
        if path.is_dir() {
            if let Some(callable) = callable {
                return Err(CliError::usage(format!(
                    "'{text}' names a callable of a folder; name the script in it, such as '{}/app.py:{callable}'",
                    path.display()
                )));
            }
            if !FOLDER_SCRIPTS.iter().any(|name| path.join(name).is_file()) {
                return Err(CliError::usage(format!(
                    "folder '{}' holds none of {}; name the script or module instead",
                    path.display(),
                    FOLDER_SCRIPTS.join(", ")
                )));
            }
        }
        if !path.is_dir() && !is_script_name(&path) {
            return Err(CliError::usage(format!(
                "'{}' is no script: its name must end in .py or .wsgi",
                path.display()
            )));
        }
        if callable.is_none() && path.to_string_lossy().contains(':') {
            return Err(CliError::usage(format!(
                "the path '{}' contains ':'; add the callable, such as 'app.py:application'",
                path.display()
            )));
        }
        if let Err(error) = fs::File::open(&path) {
            return Err(CliError::usage(format!("application '{}' cannot be read: {error}", path.display())));
        }
        Ok(App { target: Target::Path(path), callable: callable.map(str::to_owned) })
    }

    /// `KraitApp`'s argument.
    pub(crate) fn directive(&self) -> String {
        match (&self.target, &self.callable) {
            (Target::Path(path), None) => path.display().to_string(),
            (Target::Path(path), Some(callable)) => format!("{}:{callable}", path.display()),
            (Target::Module(module), None) => module.clone(),
            // `KraitApp` takes what ends like a script for one.
            (Target::Module(module), Some(callable)) if is_script_name(Path::new(module)) => {
                format!("import:{module}.{callable}")
            }
            (Target::Module(module), Some(callable)) => format!("{module}:{callable}"),
        }
    }
}

fn missing(path: &Path) -> CliError {
    CliError::usage(format!(
        "application file '{}' does not exist; check the path, or --chdir",
        tidy(path).display()
    ))
}

/// A dotted name of Python identifiers, as far as that shows without Unicode's tables.
fn is_dotted(name: &str) -> bool {
    name.split('.').all(|part| {
        !part.is_empty()
            && !part.starts_with(|c: char| c.is_ascii_digit())
            && part.chars().all(|c| c == '_' || c.is_alphanumeric())
    })
}

/// Takes `.` parts out of an absolute path. Only the file system knows where `..` leads; other links stay, as the last
/// part's name may matter.
pub(crate) fn tidy(path: &Path) -> PathBuf {
    let plain: PathBuf = path.components().filter(|part| !matches!(part, Component::CurDir)).collect();
    if !plain.components().any(|part| matches!(part, Component::ParentDir)) {
        return plain;
    }
    let resolved = match (plain.parent(), plain.file_name()) {
        (Some(parent), Some(name)) => parent.canonicalize().map(|parent| parent.join(name)),
        _ => plain.canonicalize(),
    };
    resolved.unwrap_or(plain)
}

fn is_script_name(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "py" || extension == "wsgi")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in ["app.py", "my.wsgi", "odd:name.py", "noext", "pkg/wsgi.py", "empty/readme"] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        dir
    }

    #[test]
    fn every_form_is_understood() {
        let dir = folder();
        let base = dir.path().display();
        for (text, directive) in [
            ("shop:application", "shop:application".to_owned()),
            ("shop.wsgi:app", "import:shop.wsgi.app".to_owned()),
            ("noext:app", "noext:app".to_owned()),
            ("pkg/../app.py", format!("{base}/app.py")),
            ("pkg/..", format!("{base}")),
            ("shop:factory.app", "shop:factory.app".to_owned()),
            ("pkg:app", "pkg:app".to_owned()),
            ("import:shop.wsgi.app", "import:shop.wsgi.app".to_owned()),
            ("app.py", format!("{base}/app.py")),
            ("./app.py", format!("{base}/app.py")),
            ("app.py:main", format!("{base}/app.py:main")),
            ("my.wsgi", format!("{base}/my.wsgi")),
            ("my.wsgi:app", format!("{base}/my.wsgi:app")),
            ("odd:name.py:app", format!("{base}/odd:name.py:app")),
            ("pkg", format!("{base}/pkg")),
            ("pkg/", format!("{base}/pkg")),
            (".", format!("{base}")),
        ] {
            assert_eq!(App::find(text, dir.path()).unwrap().directive(), directive, "{text}");
        }
    }

    #[test]
    fn wrong_forms_say_what_is_wrong() {
        let dir = folder();
        for (text, part) in [
            ("", "names no application"),
            ("import:shop", "form import:"),
            ("nothere.py", "does not exist"),
            ("./nothere.py:app", "does not exist"),
            ("nothere/", "does not exist"),
            ("shop", "'shop:application'"),
            ("app.py:", "no name of a callable"),
            ("shop:1x", "no name of a callable"),
            ("sh op:app", "does not exist"),
            ("./noext:app", ".py or .wsgi"),
            ("noext", ".py or .wsgi"),
            ("odd:name.py", "contains ':'"),
            ("shop:app()", "no name of a callable"),
            ("empty", "holds none of"),
            ("./pkg:app", "callable of a folder"),
        ] {
            let error = App::find(text, dir.path()).unwrap_err();
            assert!(matches!(error, CliError::Usage(_)));
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
    }
}
