//! Which crate may depend on which: arrows point down only.

use crate::finding::Report;
use crate::tree::{File, Tree};

/// Each crate with those of ours that it may depend on.
const ARROWS: [(&str, &[&str]); 10] = [
    ("krait-protocol", &[]),
    ("krait-scoreboard", &[]),
    ("krait-sys", &[]),
    ("krait-config", &["krait-protocol"]),
    ("krait-spawn", &["krait-protocol", "krait-sys"]),
    ("krait-worker", &["krait-protocol", "krait-sys"]),
    ("krait-manager", &["krait-config", "krait-protocol", "krait-scoreboard", "krait-sys"]),
    ("krait-cli", &["krait-config", "krait-protocol", "krait-sys"]),
    ("krait-tidy", &[]),
    ("mod_krait", &["krait-config", "krait-protocol", "krait-scoreboard", "krait-sys"]),
];

pub(crate) fn check(tree: &Tree, report: &mut Report) {
    for file in &tree.files {
        let is_crate = file.path.starts_with("src/") && file.path.ends_with("/Cargo.toml");
        if is_crate || file.path == "Cargo.toml" {
            check_manifest(file, report);
        }
    }
}

fn check_manifest(file: &File, report: &mut Report) {
    let mut section = "";
    let mut name = "";
    for (number, line) in file.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            if section == "workspace.dependencies" {
                continue;
            }
        }
        let key = line.split(['=', '.']).next().unwrap_or_default().trim();
        if section == "package" && key == "name" {
            name = line.split('"').nth(1).unwrap_or_default();
        }
        let is_dependency = section.ends_with("dependencies") && section != "workspace.dependencies";
        // `[dependencies.krait-x]` is a section of its own.
        let (is_dependency, key) = match section.split_once("dependencies.") {
            Some((_, table)) if line.starts_with('[') => (true, table),
            Some(_) => (false, key),
            None => (is_dependency, key),
        };
        if is_dependency && (key.starts_with("krait-") || key == "mod_krait") {
            check_arrow(file, number, name, key, report);
        }
    }
    if !name.is_empty() && allowed(name).is_none() {
        report.fail(
            &file.path,
            1,
            format!("crate '{name}' has no place in the order of crates"),
            "add it to ARROWS in src/tidy/src/arrows.rs and to ARCHITECTURE.md",
        );
    }
}

fn allowed(name: &str) -> Option<&'static [&'static str]> {
    ARROWS.iter().find(|(from, _)| *from == name).map(|(_, to)| *to)
}

fn check_arrow(file: &File, number: usize, from: &str, to: &str, report: &mut Report) {
    if allowed(from).is_some_and(|allowed| !allowed.contains(&to)) {
        report.fail(
            &file.path,
            number,
            format!("crate '{from}' depends on '{to}'"),
            "arrows point down only: move what both need into a crate below",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(path: &str, text: &str) -> Vec<String> {
        let mut report = Report::default();
        check(&Tree::of(&[(path, text)]), &mut report);
        report.places()
    }

    #[test]
    fn arrows_that_point_down_pass() {
        let text = "[package]\nname = \"krait-config\"\n[dependencies]\nkrait-protocol.workspace = true\nserde = \"1\"\n";
        assert_eq!(places("src/config/Cargo.toml", text), [""; 0]);
        let text = "[workspace.dependencies]\nkrait-sys = { path = \"src/sys\" }\n[package]\nname = \"mod_krait\"\n\
                    [dependencies]\nkrait-sys.workspace = true\n";
        assert_eq!(places("Cargo.toml", text), [""; 0]);
    }

    #[test]
    fn arrows_that_point_up_fail() {
        for line in ["krait-manager.workspace = true", "krait-scoreboard = { path = \"../scoreboard\" }"] {
            let text = format!("[package]\nname = \"krait-worker\"\n[dependencies]\n{line}\n");
            assert_eq!(places("src/worker/Cargo.toml", &text), ["src/worker/Cargo.toml:4"]);
        }
        let text =
            "[package]\nname = \"krait-sys\"\n[target.'cfg(loom)'.dependencies.krait-cli]\npath = \"x\"\n";
        assert_eq!(places("src/sys/Cargo.toml", text), ["src/sys/Cargo.toml:3"]);
        let text = "[package]\nname = \"krait-sys\"\n[dev-dependencies]\nkrait-config = \"1\"\n";
        assert_eq!(places("src/sys/Cargo.toml", text), ["src/sys/Cargo.toml:4"]);
    }

    #[test]
    fn an_unknown_crate_fails() {
        assert_eq!(
            places("src/new/Cargo.toml", "[package]\nname = \"krait-new\"\n"),
            ["src/new/Cargo.toml:1"]
        );
    }
}
