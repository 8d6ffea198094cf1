//! The files that belong to the project.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Larger files are data, not something that people wrote.
const MOST_BYTES: u64 = 4 << 20;

/// Folders that are not the project's where no git tells so; the same as in `.gitignore`.
const FOREIGN: [&str; 8] =
    [".git", "dist", ".venv", ".cache", "__pycache__", ".pytest_cache", ".ruff_cache", "node_modules"];

/// A text file.
#[derive(Debug)]
pub(crate) struct File {
    /// Relative to the top, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All text files, by path.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
}

impl Tree {
    /// Reads what git tracks or would track, from the top of the checkout that holds the current folder.
    pub(crate) fn read() -> Result<Tree, String> {
        let here = std::env::current_dir().map_err(|error| format!("the current folder: {error}"))?;
        let top = here
            .ancestors()
            .find(|folder| folder.join("src/tidy/Cargo.toml").is_file())
            .ok_or_else(|| format!("'{}' is not inside the checkout; run it there", here.display()))?;
        let mut paths = match listed_by_git(top) {
            Some(paths) => paths,
            None => walked(top).map_err(|error| format!("'{}': {error}", top.display()))?,
        };
        paths.sort();
        paths.dedup();
        let files = paths.into_iter().filter_map(|path| read_text(top, path)).collect();
        Ok(Tree { files })
    }

    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether a path names a file or a folder with files.
    pub(crate) fn exists(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.files.iter().any(|file| {
            file.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// The files beneath a folder (ending in `/`) with one of these extensions.
    pub(crate) fn under<'a>(
        &'a self,
        folder: &'a str,
        extensions: &'a [&'a str],
    ) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(move |file| file.path.starts_with(folder) && file.is_one_of(extensions))
    }
}

impl File {
    pub(crate) fn is_one_of(&self, extensions: &[&str]) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
    }

    /// Its lines with their numbers.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// `None` where git or its folder is missing, or the folder is another user's.
fn listed_by_git(top: &Path) -> Option<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(top)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let list = String::from_utf8(output.stdout).ok()?;
    Some(list.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

fn walked(top: &Path) -> std::io::Result<Vec<String>> {
    let mut paths = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(top.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let kind = entry.file_type()?;
            if kind.is_dir() && !FOREIGN.contains(&name.as_ref()) && !name.starts_with("target") {
                folders.push(path);
            } else if kind.is_file() {
                paths.push(path.to_string_lossy().into_owned());
            }
        }
    }
    Ok(paths)
}

/// `None` for what is no text, and for a file that git knows but somebody has removed.
fn read_text(top: &Path, path: String) -> Option<File> {
    let whole = top.join(&path);
    let metadata = fs::symlink_metadata(&whole).ok()?;
    if !metadata.is_file() || metadata.len() > MOST_BYTES {
        return None;
    }
    let text = String::from_utf8(fs::read(whole).ok()?).ok().filter(|text| !text.contains('\0'))?;
    Some(File { path, text })
}

#[cfg(test)]
impl Tree {
    /// A tree in memory, for tests of the checks.
    pub(crate) fn of(files: &[(&str, &str)]) -> Tree {
        let file = |(path, text): &(&str, &str)| File { path: (*path).to_owned(), text: (*text).to_owned() };
        Tree { files: files.iter().map(file).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_folder_and_kind() {
        let tree = Tree::of(&[("src/a/x.rs", ""), ("src/a/x.py", ""), ("src/ab/y.rs", "")]);
        let found: Vec<&str> = tree.under("src/a/", &["rs"]).map(|file| file.path.as_str()).collect();
        assert_eq!(found, ["src/a/x.rs"]);
        assert!(tree.exists("src/a") && tree.exists("src/a/") && tree.exists("src/a/x.rs"));
        assert!(!tree.exists("src/b") && !tree.exists("src/a/x"));
    }

    #[test]
    fn this_very_tree_can_be_read() {
        let tree = Tree::read().unwrap();
        assert!(tree.file("src/tidy/src/main.rs").is_some());
    }
}
