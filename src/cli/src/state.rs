//! The folder that httpd keeps its files in while it runs.

use crate::error::CliError;
use crate::settings::Settings;
use std::env;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

const CONFIG: &str = "httpd.conf";
pub(crate) const PID_FILE: &str = "httpd.pid";
/// The document root: an empty folder, so that what the application does not answer is not found.
pub(crate) const PUBLIC: &str = "public";
/// A link to httpd's modules, so that `LoadModule x modules/mod_x.so` in included files means what it usually does.
const MODULES: &str = "modules";

/// A state folder with its files; they are removed when this is dropped, and a temporary folder altogether.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    temporary: bool,
}

/// The folder that `--print-config` writes about, which it does not create.
pub(crate) fn imagined(settings: &Settings) -> PathBuf {
    settings.state_dir.clone().unwrap_or_else(temporary_base)
}

/// `TMPDIR` or its default, absolute.
fn temporary_base() -> PathBuf {
    let folder = env::temp_dir();
    std::path::absolute(&folder).unwrap_or(folder)
}

impl StateDir {
    pub(crate) fn create(settings: &Settings) -> Result<StateDir, CliError> {
        // As root, httpd's children are somebody else and must get to the document root. Nobody else writes here.
        let mode = if settings.identities.is_some() { 0o711 } else { 0o700 };
        let state = match &settings.state_dir {
            Some(path) => StateDir { path: given(path, mode)?, temporary: false },
            None => {
                let base = temporary_base();
                let made =
                    tempfile::Builder::new().prefix("krait-serve-").tempdir_in(&base).map_err(|error| {
                        CliError::failure(format!(
                            "cannot create a folder in '{}': {error}; set TMPDIR, or use --state-dir",
                            base.display()
                        ))
                    })?;
                let state = StateDir { path: made.keep(), temporary: true };
                fs::set_permissions(&state.path, Permissions::from_mode(mode))
                    .map_err(|error| state.failed("set the mode of", &state.path, &error))?;
                state
            }
        };
        if let Some(identities) = &settings.identities {
            state.check_reachable(&identities.httpd_user)?;
        }
        state.fill(settings)?;
        Ok(state)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path.join(CONFIG)
    }

    /// Writes the configuration, which may hold secrets of the application's environment.
    pub(crate) fn write_config(&self, text: &str) -> Result<(), CliError> {
        let path = self.config();
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| self.failed("write", &path, &error))
    }

    fn fill(&self, settings: &Settings) -> Result<(), CliError> {
        // Left by a krait that was killed.
        remove_files(&self.path);
        let public = self.path.join(PUBLIC);
        if !public.is_dir() {
            fs::DirBuilder::new()
                .mode(0o755)
                .create(&public)
                .map_err(|error| self.failed("create", &public, &error))?;
        }
        let modules = self.path.join(MODULES);
        if !modules.exists() {
            symlink(&settings.httpd.modules, &modules)
                .map_err(|error| self.failed("create", &modules, &error))?;
        }
        Ok(())
    }

    /// Every folder on the way must let others pass.
    fn check_reachable(&self, user: &str) -> Result<(), CliError> {
        for folder in self.path.ancestors().skip(1) {
            let open = fs::metadata(folder).is_ok_and(|metadata| metadata.mode() & 0o001 != 0);
            if !open {
                return Err(CliError::failure(format!(
                    "httpd's children run as '{user}' and cannot pass folder '{}' on the way to '{}'; \
                     choose another place with --state-dir or TMPDIR, or 'chmod o+x' it",
                    folder.display(),
                    self.path.display()
                )));
            }
        }
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "reads as the state's own complaint")]
    fn failed(&self, action: &str, path: &Path, error: &std::io::Error) -> CliError {
        CliError::failure(format!(
            "cannot {action} '{}': {error}; choose another place with --state-dir",
            path.display()
        ))
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        remove_files(&self.path);
        if self.temporary {
            // What else httpd left there goes with it; nobody is left to tell when that fails.
            drop(fs::remove_dir_all(&self.path));
        }
    }
}

/// Makes sure of a folder that the caller named.
fn given(path: &Path, mode: u32) -> Result<PathBuf, CliError> {
    let refuse = |why: &str| Err(CliError::usage(format!("--state-dir '{}' {why}", path.display())));
    if !path.exists() {
        let made = fs::DirBuilder::new().recursive(true).mode(mode).create(path);
        if let Err(error) = made {
            return refuse(&format!("cannot be created: {error}; name another"));
        }
    }
    let path = match path.canonicalize() {
        Ok(path) => path,
        Err(error) => return refuse(&format!("is not accessible: {error}; name another")),
    };
    let metadata = match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => return refuse("is not a folder; name one"),
        Err(error) => return refuse(&format!("is not accessible: {error}; name another")),
    };
    if metadata.uid() != krait_sys::identity::effective_user() {
        return refuse("belongs to another user, who could change what httpd runs; name one of your own");
    }
    if metadata.mode() & 0o022 != 0 {
        return refuse(
            "can be written by other users, who could change what httpd runs; 'chmod go-w' it, or name another",
        );
    }
    if let Some(pid) = running_httpd(&path) {
        return refuse(&format!("is in use by a running httpd, process {pid}; stop it, or name another"));
    }
    Ok(path)
}

/// The process of the folder's pid file, where it is an httpd that was started with the folder's configuration.
fn running_httpd(state: &Path) -> Option<u32> {
    let pid: u32 = fs::read_to_string(state.join(PID_FILE)).ok()?.trim().parse().ok()?;
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let config = state.join(CONFIG);
    let config = config.to_str()?.as_bytes();
    command.split(|byte| *byte == 0).any(|argument| argument.starts_with(config)).then_some(pid)
}

/// Removes the files that krait makes, where they are krait's: a folder only when empty, the modules only as a link.
fn remove_files(state: &Path) {
    for file in [CONFIG, PID_FILE] {
        drop(fs::remove_file(state.join(file)));
    }
    drop(fs::remove_dir(state.join(PUBLIC)));
    let modules = state.join(MODULES);
    if modules.is_symlink() {
        drop(fs::remove_file(modules));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_folder_must_be_safe() {
        let dir = tempfile::tempdir().unwrap();
        let made = given(&dir.path().join("a/b"), 0o700).unwrap();
        assert_eq!(fs::metadata(&made).unwrap().mode() & 0o777, 0o700);
        fs::set_permissions(&made, Permissions::from_mode(0o770)).unwrap();
        assert!(given(&made, 0o700).unwrap_err().to_string().contains("chmod go-w"));
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(given(&file, 0o700).unwrap_err().to_string().contains("not a folder"));
    }

    #[test]
    fn only_our_files_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        for file in [CONFIG, PID_FILE, "mine"] {
            fs::write(dir.path().join(file), "").unwrap();
        }
        fs::create_dir(dir.path().join(PUBLIC)).unwrap();
        fs::write(dir.path().join("public/kept"), "").unwrap();
        symlink("/", dir.path().join(MODULES)).unwrap();
        drop(StateDir { path: dir.path().to_owned(), temporary: false });
        let mut left: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["mine", "public"]);
    }

    #[test]
    fn a_stale_pid_file_is_no_running_httpd() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(running_httpd(dir.path()), None);
        fs::write(dir.path().join(PID_FILE), std::process::id().to_string()).unwrap();
        assert_eq!(running_httpd(dir.path()), None);
    }
}
