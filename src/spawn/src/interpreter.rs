//! Finding the Python interpreter as the application's user, and becoming it.

use krait_protocol::start::{SpawnPlan, StartFailure, Step};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Most links in a row that are followed for an error message; the kernel follows 40.
const MAX_LINKS: usize = 40;

/// The first candidate that exists.
pub(crate) fn find(plan: &SpawnPlan) -> Result<String, StartFailure> {
    for (index, named) in plan.interpreters.iter().enumerate() {
        let candidate = &of_environment(named);
        match std::fs::metadata(candidate) {
            Ok(found) if found.is_dir() => {
                let summary = format!("the interpreter '{candidate}' is a folder");
                return Err(failure(summary, "name the program in it, such as bin/python"));
            }
            Ok(_) => return usable(candidate, plan),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if let Some(missing) = broken_link(Path::new(candidate)) {
                    return Err(dangling(candidate, &missing));
                }
                if index == 0 && plan.interpreter_named {
                    let summary = format!("the configured interpreter '{candidate}' does not exist");
                    return Err(failure(summary, "correct KraitPython"));
                }
            }
            Err(error) => return Err(unreachable(candidate, plan, &error)),
        }
    }
    let tried = plan.interpreters.iter().map(|path| format!("'{path}'")).collect::<Vec<_>>().join(", ");
    let summary = format!("no Python interpreter was found; tried {tried}");
    Err(failure(summary, "install Python 3.9 or newer, or name one with KraitPython"))
}

/// The interpreter of a virtual environment, where its folder is named.
fn of_environment(named: &str) -> String {
    match std::fs::metadata(named) {
        Ok(found) if found.is_dir() => format!("{}/bin/python", named.trim_end_matches('/')),
        _ => named.to_owned(),
    }
}

/// Becomes the interpreter. Comes back only when that failed.
pub(crate) fn execute(program: &str, stub: &str, plan: &SpawnPlan) -> StartFailure {
    let arguments = [program, "-c", stub, &plan.package];
    let error = krait_sys::execute::execute(program, &arguments, &plan.env);
    match error.kind() {
        ErrorKind::PermissionDenied => not_executable(program, plan),
        ErrorKind::NotFound => failure(
            format!(
                "the interpreter '{program}' exists, but the program or library loader it names does not"
            ),
            "install it for this system, or recreate the virtual environment",
        ),
        _ => failure(
            format!("the interpreter '{program}' cannot be executed: {error}"),
            "use a Python built for this system",
        ),
    }
}

fn usable(candidate: &str, plan: &SpawnPlan) -> Result<String, StartFailure> {
    match krait_sys::execute::may_execute(candidate) {
        Ok(()) => Ok(candidate.to_owned()),
        Err(_) => Err(not_executable(candidate, plan)),
    }
}

fn user(plan: &SpawnPlan) -> &str {
    plan.identity.as_ref().map_or("the server's user", |identity| identity.name.as_str())
}

fn not_executable(program: &str, plan: &SpawnPlan) -> StartFailure {
    failure(
        format!("'{}' may not execute the interpreter '{program}'", user(plan)),
        "make it executable (chmod a+x), and its file system must not be mounted noexec",
    )
}

fn unreachable(candidate: &str, plan: &SpawnPlan, error: &io::Error) -> StartFailure {
    if error.kind() != ErrorKind::PermissionDenied {
        return failure(format!("the interpreter '{candidate}' cannot be looked at: {error}"), "");
    }
    let closed = Path::new(candidate)
        .ancestors()
        .skip(1)
        .filter(|folder| std::fs::metadata(folder).is_ok())
        .find(|folder| std::fs::metadata(folder.join(".")).is_err())
        .map_or_else(|| "a folder above it".to_owned(), |folder| format!("'{}'", folder.display()));
    failure(
        format!(
            "'{}' may not reach the interpreter '{candidate}': no search permission on {closed}",
            user(plan)
        ),
        "give that user search permission (x) there, or use an interpreter that everybody may reach",
    )
}

fn dangling(candidate: &str, missing: &Path) -> StartFailure {
    let summary = format!(
        "the interpreter '{candidate}' is a link to '{}', which does not exist: the Python it was made with is gone",
        missing.display()
    );
    let bin = Path::new(candidate).parent();
    let advice = match bin.and_then(Path::parent) {
        Some(folder) if bin.is_some_and(|bin| bin.ends_with("bin")) => {
            format!("recreate the virtual environment: python3 -m venv --clear '{}'", folder.display())
        }
        _ => "recreate the link".to_owned(),
    };
    failure(summary, advice)
}

/// The missing end of a chain of links; `None` where the path is no link, or is missing altogether.
fn broken_link(start: &Path) -> Option<PathBuf> {
    let mut place = start.to_path_buf();
    for _ in 0..MAX_LINKS {
        if !std::fs::symlink_metadata(&place).is_ok_and(|found| found.is_symlink()) {
            break;
        }
        let target = std::fs::read_link(&place).ok()?;
        place = place.parent()?.join(target);
    }
    (place != start).then_some(place)
}

fn failure(summary: impl Into<String>, advice: impl Into<String>) -> StartFailure {
    StartFailure::new(Step::Interpreter, summary, advice, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn plan(interpreters: &[&Path], interpreter_named: bool) -> SpawnPlan {
        SpawnPlan {
            version: 1,
            identity: None,
            env: vec![],
            interpreters: interpreters.iter().map(|path| path.display().to_string()).collect(),
            interpreter_named,
            directory: "/".into(),
            package: "/".into(),
        }
    }

    #[test]
    fn the_first_that_exists_is_used() {
        let plan = plan(&[Path::new("/nowhere/venv/bin/python"), Path::new("/bin/sh")], false);
        assert_eq!(find(&plan).unwrap(), "/bin/sh");
    }

    #[test]
    fn a_missing_one_that_was_named_is_an_error() {
        let plan = plan(&[Path::new("/nowhere/python"), Path::new("/bin/sh")], true);
        assert!(find(&plan).unwrap_err().summary.contains("'/nowhere/python' does not exist"));
    }

    #[test]
    fn all_that_were_tried_are_named() {
        let plan = plan(&[Path::new("/nowhere/a"), Path::new("/nowhere/b")], false);
        assert!(find(&plan).unwrap_err().summary.contains("'/nowhere/a', '/nowhere/b'"));
    }

    #[test]
    fn a_venv_of_a_removed_python_is_recognised() {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("venv/bin");
        std::fs::create_dir_all(&bin).unwrap();
        symlink("/opt/gone/python3.8", bin.join("python3")).unwrap();
        symlink("python3", bin.join("python")).unwrap();
        let failure = find(&plan(&[&bin.join("python"), Path::new("/bin/sh")], false)).unwrap_err();
        assert!(failure.summary.contains("'/opt/gone/python3.8', which does not exist"), "{failure:?}");
        assert!(failure.advice.contains("venv --clear"), "{failure:?}");
    }

    #[test]
    fn what_is_no_program_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("python");
        std::fs::write(&file, "no program").unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
        let failure = find(&plan(&[&file], false)).unwrap_err();
        assert!(failure.summary.contains("may not execute"), "{failure:?}");
        std::fs::create_dir_all(folder.path().join("bin/python")).unwrap();
        let failure = find(&plan(&[folder.path()], true)).unwrap_err();
        assert!(failure.summary.contains("is a folder"), "{failure:?}");
    }

    #[test]
    fn the_folder_of_an_environment_stands_for_its_interpreter() {
        let folder = tempfile::tempdir().unwrap();
        let failure = find(&plan(&[folder.path()], true)).unwrap_err();
        assert!(failure.summary.contains("bin/python' does not exist"), "{failure:?}");
        std::fs::create_dir_all(folder.path().join("bin")).unwrap();
        symlink("/bin/sh", folder.path().join("bin/python")).unwrap();
        let expected = folder.path().join("bin/python").display().to_string();
        assert_eq!(find(&plan(&[folder.path()], true)), Ok(expected));
    }
}
