//! Tells apart what is code, comment and text in a source file. No grammar: enough to find words where they count.

use crate::tree::File;

/// What one line holds of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// With strings emptied and comments left out.
    pub(crate) code: String,
    /// The text of comments.
    pub(crate) comment: String,
    /// Only compiled for unit tests.
    pub(crate) in_test: bool,
}

/// A string literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Literal {
    /// Where it begins, from 1.
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// A source file, taken apart.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) lines: Vec<Line>,
    pub(crate) literals: Vec<Literal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    /// Rust; C is close enough.
    Rust,
    Python,
}

impl Source {
    /// Takes a Rust, C or Python file apart.
    pub(crate) fn of(file: &File) -> Source {
        let language = if file.is_one_of(&["py", "pyi"]) { Language::Python } else { Language::Rust };
        let mut source = Reader::new(&file.text, language).read();
        let is_test = ["/tests/", "/benches/"].iter().any(|part| file.path.contains(part))
            || ["_tests.rs", "/tests.rs"].iter().any(|end| file.path.ends_with(end))
            || file.path.starts_with("tests/");
        if is_test {
            source.lines.iter_mut().for_each(|line| line.in_test = true);
        } else if language == Language::Rust {
            source.mark_tests();
        }
        source
    }

    /// The code of all lines, one per line.
    pub(crate) fn code(&self) -> String {
        self.lines.iter().flat_map(|line| [line.code.as_str(), "\n"]).collect()
    }

    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.line(line).is_some_and(|line| line.in_test)
    }

    /// A line by its number, from 1.
    pub(crate) fn line(&self, number: usize) -> Option<&Line> {
        self.lines.get(number.checked_sub(1)?)
    }

    /// Marks the item after each `#[cfg(test)]`, up to its closing brace or semicolon.
    fn mark_tests(&mut self) {
        let code = self.code();
        let mut from = 0;
        while let Some(found) = code.get(from..).and_then(|rest| rest.find("#[cfg(")) {
            let start = from + found;
            let attribute = code.get(start..).unwrap_or_default();
            let length = attribute.find(']').map_or(attribute.len(), |end| end + 1);
            from = start + length;
            let condition = attribute.get(..length).unwrap_or_default();
            if words(condition).any(|(_, word)| word == "test") && !condition.contains("not(test)") {
                let end = item_end(&code, from);
                let (first, last) = (line_at(&code, start), line_at(&code, end));
                for line in self.lines.iter_mut().take(last).skip(first - 1) {
                    line.in_test = true;
                }
                from = end;
            }
        }
    }
}

/// Where the item that begins here ends.
fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at;
                }
            }
            b';' if depth == 0 => return at,
            _ => {}
        }
    }
    code.len()
}

/// The number of the line that holds a place, from 1.
pub(crate) fn line_at(text: &str, place: usize) -> usize {
    text.bytes().take(place).filter(|byte| *byte == b'\n').count() + 1
}

/// The words of a text, with their places. A word is made of letters, digits and `_`.
pub(crate) fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let rest = text.get(from..)?;
        let start = from + rest.find(is_word)?;
        let tail = text.get(start..)?;
        let length = tail.find(|c: char| !is_word(c)).unwrap_or(tail.len());
        from = start + length;
        Some((start, tail.get(..length)?))
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Reads a file from the front to the back.
struct Reader {
    chars: Vec<char>,
    at: usize,
    language: Language,
    source: Source,
    line: Line,
}

impl Reader {
    fn new(text: &str, language: Language) -> Reader {
        let chars = text.chars().collect();
        Reader { chars, at: 0, language, source: Source::default(), line: Line::default() }
    }

    fn read(mut self) -> Source {
        while let Some(c) = self.peek(0) {
            match (self.language, c) {
                (Language::Rust, '/') if self.peek(1) == Some('/') => self.line_comment(),
                (Language::Rust, '/') if self.peek(1) == Some('*') => self.block_comment(),
                (Language::Python, '#') => self.line_comment(),
                (Language::Rust, 'r') if !self.after_word() || self.after_prefix() => self.maybe_raw(),
                (Language::Rust, '"') => self.string(&['"'], true),
                (Language::Rust, '\'') => self.quote(),
                (Language::Python, '"' | '\'') => {
                    let is_long = self.peek(1) == Some(c) && self.peek(2) == Some(c);
                    if is_long { self.string(&[c, c, c], true) } else { self.string(&[c], true) }
                }
                _ => self.code(),
            }
        }
        self.source.lines.push(self.line);
        self.source
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn before(&self, back: usize) -> Option<char> {
        self.chars.get(self.at.checked_sub(back)?).copied()
    }

    fn after_word(&self) -> bool {
        self.before(1).is_some_and(is_word)
    }

    /// The `b` or `c` of `br"..."` and `cr"..."`.
    fn after_prefix(&self) -> bool {
        matches!(self.before(1), Some('b' | 'c')) && !self.before(2).is_some_and(is_word)
    }

    /// Goes on by one; a line that ends is complete.
    fn next(&mut self) -> Option<char> {
        let c = self.peek(0)?;
        self.at += 1;
        if c == '\n' {
            self.source.lines.push(std::mem::take(&mut self.line));
        }
        Some(c)
    }

    fn code(&mut self) {
        if let Some(c) = self.next().filter(|c| *c != '\n') {
            self.line.code.push(c);
        }
    }

    fn line_comment(&mut self) {
        while let Some(c) = self.peek(0).filter(|c| *c != '\n') {
            self.line.comment.push(c);
            self.at += 1;
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            let pair = (self.peek(0), self.peek(1));
            let width = match pair {
                (Some('/'), Some('*')) => {
                    depth += 1;
                    2
                }
                (Some('*'), Some('/')) => {
                    depth = depth.saturating_sub(1);
                    2
                }
                (Some(_), _) => 1,
                (None, _) => return,
            };
            for _ in 0..width {
                if let Some(c) = self.next().filter(|c| *c != '\n') {
                    self.line.comment.push(c);
                }
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// `r"..."` and `r##"..."##`; anything else is a name that begins with r.
    fn maybe_raw(&mut self) {
        let hashes =
            self.chars.get(self.at + 1..).unwrap_or_default().iter().take_while(|c| **c == '#').count();
        if self.peek(1 + hashes) != Some('"') {
            return self.code();
        }
        self.at += 1 + hashes;
        let mut end = vec!['"'];
        end.resize(1 + hashes, '#');
        self.string(&end, false);
    }

    /// A string that begins here and ends with `end`; `end` without its hashes is also how it begins.
    fn string(&mut self, end: &[char], has_escapes: bool) {
        let begin = self.source.lines.len() + 1;
        let quotes = end.iter().take_while(|c| **c != '#').count();
        self.at += quotes;
        self.line.code.push('"');
        let mut text = String::new();
        loop {
            if self.chars.get(self.at..).unwrap_or_default().starts_with(end) {
                self.at += end.len();
                break;
            }
            match self.next() {
                Some('\\') if has_escapes => {
                    text.push('\\');
                    text.extend(self.next());
                }
                Some(c) => text.push(c),
                None => break,
            }
        }
        self.line.code.push('"');
        self.source.literals.push(Literal { line: begin, text });
    }

    /// A character in quotes, or a lifetime.
    fn quote(&mut self) {
        let length = match (self.peek(1), self.peek(2)) {
            (Some('\\'), Some(_)) => {
                let rest = self.chars.get(self.at + 3..).unwrap_or_default();
                rest.iter().position(|c| *c == '\'').map(|end| end + 4)
            }
            (Some(_), Some('\'')) => Some(3),
            _ => None,
        };
        match length {
            Some(length) => {
                self.at += length;
                self.line.code.push_str("''");
            }
            None => self.code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source::of(&File { path: path.to_owned(), text: text.to_owned() })
    }

    fn texts(source: &Source) -> Vec<(usize, &str)> {
        source.literals.iter().map(|literal| (literal.line, literal.text.as_str())).collect()
    }

    #[test]
    fn rust_is_taken_apart() {
        let source = source(
            "a.rs",
            "let a = \"x // no\"; // yes \"no\"\n/* one /* two */ three\nfour */ let b = 'c';\nlet d: &'static str = r#\"raw \"#;\nlet e = b\"\\\"q\";",
        );
        let code: Vec<&str> = source.lines.iter().map(|line| line.code.as_str()).collect();
        assert_eq!(
            code,
            ["let a = \"\"; ", "", " let b = '';", "let d: &'static str = \"\";", "let e = b\"\";"]
        );
        assert_eq!(source.lines[0].comment, "// yes \"no\"");
        assert_eq!(source.lines[2].comment, "four */");
        assert_eq!(texts(&source), [(1, "x // no"), (4, "raw "), (5, "\\\"q")]);
    }

    #[test]
    fn names_with_r_and_quotes_in_quotes_are_no_strings() {
        let source = source("a.rs", "for r in br { r'\"'; bar(r#type, '\\'', \"s\") }\nlet c = cr\"t\";");
        assert_eq!(source.lines[0].code, "for r in br { r''; bar(r#type, '', \"\") }");
        assert_eq!(texts(&source), [(1, "s"), (2, "t")]);
    }

    #[test]
    fn a_string_of_several_lines_keeps_their_numbers() {
        let source = source("a.rs", "f(\"a\\\n   b\n\");\ng");
        assert_eq!(source.lines.len(), 4);
        assert_eq!(source.lines[3].code, "g");
        assert_eq!(source.literals[0].line, 1);
    }

    #[test]
    fn python_is_taken_apart() {
        let source = source("a.py", "\"\"\"Doc 'x'.\"\"\"\nx = 'a # b'  # c\ny = \"it's\"");
        assert_eq!(texts(&source), [(1, "Doc 'x'."), (2, "a # b"), (3, "it's")]);
        assert_eq!(source.lines[1].comment, "# c");
    }

    #[test]
    fn tests_are_marked() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n#[cfg(all(test, unix))]\nuse d;\nfn e() {}\n#[cfg(not(test))]\nfn f() {}";
        let marked = source("src/a.rs", text);
        let numbers: Vec<usize> = (1..=11).filter(|number| marked.is_test(*number)).collect();
        assert_eq!(numbers, [2, 3, 4, 5, 7, 8]);
        assert!(source("src/a_tests.rs", "fn a() {}").is_test(1));
        assert!(source("src/x/tests/a.rs", "fn a() {}").is_test(1));
    }

    #[test]
    fn every_rust_file_of_this_tree_is_balanced() {
        for file in &crate::tree::Tree::read().unwrap().files {
            if file.is_one_of(&["rs"]) {
                let code = Source::of(file).code();
                assert_eq!(code.matches('{').count(), code.matches('}').count(), "{}", file.path);
            }
        }
    }

    #[test]
    fn words_have_places() {
        assert_eq!(words("a_1 + bc").collect::<Vec<_>>(), [(0, "a_1"), (6, "bc")]);
        assert_eq!(line_at("a\nb\nc", 4), 3);
    }
}
