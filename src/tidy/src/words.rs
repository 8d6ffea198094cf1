//! What must not stand in any file: places of one machine, tools that had a hand in it, hosts of registries.

use crate::finding::Report;
use crate::tree::Tree;

/// Folders of one machine. Taken apart, so that this file passes.
const MACHINE: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];

/// Found in any case.
const WORDS: [&str; 3] = [concat!("clau", "de"), concat!("chat", "gpt"), concat!("anth", "ropic")];

/// Which mirror is used is for the machine's own configuration to say.
const HOSTS: [&str; 5] = [
    concat!("index.cra", "tes.io"),
    concat!("static.cra", "tes.io"),
    concat!("py", "pi.org"),
    concat!("files.python", "hosted.org"),
    concat!("deb.deb", "ian.org"),
];

/// Written by cargo, with hosts in it.
const EXEMPT: [&str; 1] = ["Cargo.lock"];

pub(crate) fn check(tree: &Tree, report: &mut Report) {
    for file in tree.files.iter().filter(|file| !EXEMPT.contains(&file.path.as_str())) {
        for (number, line) in file.lines() {
            let lower = line.to_lowercase();
            for path in MACHINE.iter().filter(|path| has_path(line, path)) {
                report.fail(
                    &file.path,
                    number,
                    format!("'{path}' is a folder of one machine"),
                    "name it relative to the checkout",
                );
            }
            for word in WORDS.iter().filter(|word| lower.contains(*word)) {
                report.fail(&file.path, number, format!("the word '{word}'"), "say it without");
            }
            for host in HOSTS.iter().filter(|host| lower.contains(*host)) {
                report.fail(
                    &file.path,
                    number,
                    format!("'{host}' is the host of a registry"),
                    "leave it to the machine's configuration, which may name a mirror",
                );
            }
        }
    }
}

/// Whether an absolute path begins with this: `a/work/b` has the same letters and is another.
fn has_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(place, _)| {
        let before = line.get(..place).and_then(|text| text.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || "._-/*}".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_found() {
        let bad = [MACHINE[0], &WORDS[0].to_uppercase(), HOSTS[4]].map(|word| format!("x \"{word}main\""));
        let mut report = Report::default();
        check(&Tree::of(&[("a.md", &bad.join("\n")), ("Cargo.lock", HOSTS[0])]), &mut report);
        assert_eq!(report.places(), ["a.md:1", "a.md:2", "a.md:3"]);
    }

    #[test]
    fn a_part_of_another_path_is_no_machines_folder() {
        for fine in ["frame/work/x", "$HOME/work/x", "/workers/", "chroot/root/x"] {
            assert!(!MACHINE.iter().any(|path| has_path(fine, path)), "{fine}");
        }
    }
}
