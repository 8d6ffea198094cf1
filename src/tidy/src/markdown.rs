//! The little of Markdown that the checks need.

use crate::tree::File;

/// The texts in backticks outside code blocks, with their lines.
pub(crate) fn inline_code(file: &File) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut is_block = false;
    for (number, line) in file.lines() {
        if line.trim_start().starts_with("```") {
            is_block = !is_block;
        } else if !is_block {
            found.extend(line.split('`').skip(1).step_by(2).map(|text| (number, text)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_in_lines_is_found_and_blocks_are_not() {
        let file = File { path: "a.md".to_owned(), text: "a `b` c `d`\n```\n`e`\n```\n`f`".to_owned() };
        assert_eq!(inline_code(&file), [(1, "b"), (1, "d"), (5, "f")]);
    }
}
