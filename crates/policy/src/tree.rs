//! A YAML file as a tree whose every part knows its line: what a mistake can be pointed at.
//!
//! Knows nothing of what should stand in the file.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// The way to a part of a file: keys, and places in lists counted from 0.
pub(crate) type Path = Vec<String>;

/// Deeper nesting than this is refused: no rule comes near it, and every reader here walks down by calling itself.
const DEPTH_MAX: usize = 64;
/// Parts of a file, what an alias repeats counted each time.
const PARTS_MAX: usize = 100_000;

/// One part of a file.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Where it begins, counted from 1.
    line: usize,
    /// Where it is laid out over several lines: its key is what the eye looks for.
    is_block: bool,
    pub(crate) content: Content,
}

/// What stands there.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Word(Word),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// Text as it is written, and whether it is between quotes or in a block, so that it is never a number or yes-or-no.
#[derive(Debug, Clone)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) is_quoted: bool,
}

/// What a word is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    Nothing,
    Boolean(bool),
    Whole,
    Broken,
    Text,
}

/// A key with what is under it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_line: usize,
    pub(crate) value: Node,
}

impl Word {
    pub(crate) fn reading(&self) -> Reading {
        if self.is_quoted {
            return Reading::Text;
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => return Reading::Nothing,
            "true" | "True" | "TRUE" => return Reading::Boolean(true),
            "false" | "False" | "FALSE" => return Reading::Boolean(false),
            _ => {}
        }
        let digits = self.text.strip_prefix('-').unwrap_or(&self.text);
        let is_digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_digits(digits) {
            // With a zero in front it is a code, such as a postcode area.
            return if digits.starts_with('0') && digits.len() > 1 {
                Reading::Text
            } else {
                Reading::Whole
            };
        }
        match digits.split_once('.') {
            Some((whole, decimals)) if is_digits(whole) && is_digits(decimals) => Reading::Broken,
            _ => Reading::Text,
        }
    }
}

impl Node {
    /// The line of what stands at `path`, else of the last part on the way there that is in the file.
    pub(crate) fn line(&self, path: &[String]) -> usize {
        let (mut at, mut line) = (self, self.line);
        for step in path {
            let (next, key_line) = match &at.content {
                Content::Map(entries) => match entries.iter().find(|entry| entry.key == *step) {
                    Some(entry) => (&entry.value, Some(entry.key_line)),
                    None => break,
                },
                Content::List(items) => {
                    match step.parse::<usize>().ok().and_then(|at| items.get(at)) {
                        Some(item) => (item, None),
                        None => break,
                    }
                }
                Content::Word(_) => break,
            };
            line = match key_line {
                Some(key_line) if next.is_block => key_line,
                _ => next.line,
            };
            at = next;
        }
        line
    }

    /// What stands at `path`.
    pub(crate) fn at(&self, path: &[String]) -> Option<&Self> {
        path.iter().try_fold(self, |at, step| match &at.content {
            Content::Map(entries) => entries
                .iter()
                .find(|entry| entry.key == *step)
                .map(|entry| &entry.value),
            Content::List(items) => items.get(step.parse::<usize>().ok()?),
            Content::Word(_) => None,
        })
    }

    /// The first line under an outermost key where this word stands.
    pub(crate) fn line_of_word(&self, key: &str, word: &str) -> Option<usize> {
        fn find(node: &Node, word: &str) -> Option<usize> {
            match &node.content {
                Content::Word(found) => (found.text == word).then_some(node.line),
                Content::List(items) => items.iter().find_map(|item| find(item, word)),
                Content::Map(entries) => entries.iter().find_map(|entry| find(&entry.value, word)),
            }
        }
        find(self.at(&[key.to_owned()])?, word)
    }

    /// The path of the item of the list at `path` that is this word, else the path of the list.
    pub(crate) fn item(&self, mut path: Path, word: &str) -> Path {
        let index = match self.at(&path).map(|node| &node.content) {
            Some(Content::List(items)) => items.iter().position(
                |item| matches!(&item.content, Content::Word(found) if found.text == word),
            ),
            _ => None,
        };
        path.extend(index.map(|index| index.to_string()));
        path
    }
}

/// Reads one file. When it is no YAML: on which line, and why.
pub(crate) fn read(text: &str) -> Result<Node, (usize, String)> {
    let mut builder = Builder {
        parser: Parser::new_from_str(text),
        anchors: BTreeMap::new(),
        parts: 0,
        last_line: 1,
    };
    loop {
        let (event, span) = builder.next()?;
        match event {
            Event::StreamEnd => return Err((1, "expected something in this file".to_owned())),
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            event => {
                let root = builder.node(event, span, 0)?;
                return builder.only(root);
            }
        }
    }
}

struct Builder<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: BTreeMap<usize, Node>,
    parts: usize,
    last_line: usize,
}

impl<'a> Builder<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), (usize, String)> {
        match self.parser.next() {
            Some(Ok((event, span))) => {
                self.last_line = span.start.line();
                Ok((event, span))
            }
            Some(Err(error)) => Err((
                error.marker().line(),
                format!("this is not YAML: {}", error.info()),
            )),
            None => Err((self.last_line, "the file ends too early".to_owned())),
        }
    }

    /// `root`, when nothing comes after it.
    fn only(&mut self, root: Node) -> Result<Node, (usize, String)> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::DocumentEnd => {}
                _ => {
                    return Err((
                        span.start.line(),
                        "expected one document in this file: take out the line `---`".to_owned(),
                    ));
                }
            }
        }
    }

    fn node(
        &mut self,
        event: Event<'a>,
        span: Span,
        depth: usize,
    ) -> Result<Node, (usize, String)> {
        let line = span.start.line();
        self.parts += 1;
        if depth > DEPTH_MAX || self.parts > PARTS_MAX {
            return Err((line, "this is nested too deep, or too long".to_owned()));
        }
        let (anchor, is_block, content) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                untagged(line, tag.is_some())?;
                let word = Word {
                    text: text.into_owned(),
                    is_quoted: style != ScalarStyle::Plain,
                };
                // Where nothing stands, its place is that of its key.
                let is_block = word.text.is_empty() && !word.is_quoted;
                (anchor, is_block, Content::Word(word))
            }
            Event::SequenceStart(anchor, tag) => {
                untagged(line, tag.is_some())?;
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                }
                (anchor, true, Content::List(items))
            }
            Event::MappingStart(anchor, tag) => {
                untagged(line, tag.is_some())?;
                (anchor, true, Content::Map(self.entries(depth)?))
            }
            Event::Alias(anchor) => {
                let mut node = self.anchors.get(&anchor).cloned().ok_or_else(|| {
                    (
                        line,
                        "an alias (`*`) may not stand inside what it repeats".to_owned(),
                    )
                })?;
                self.parts += node.parts();
                node.line = line;
                return Ok(node);
            }
            _ => {
                return Err((
                    line,
                    "this is not YAML that a rule can be read from".to_owned(),
                ));
            }
        };
        let node = Node {
            line,
            is_block,
            content,
        };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<Entry>, (usize, String)> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(entries);
            }
            let key = self.node(event, span, depth + 1)?;
            let Content::Word(word) = key.content else {
                return Err((key.line, "expected a word before the colon".to_owned()));
            };
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            entries.push(Entry {
                key: word.text,
                key_line: key.line,
                value,
            });
        }
    }
}

impl Node {
    fn parts(&self) -> usize {
        match &self.content {
            Content::Word(_) => 1,
            Content::List(items) => 1 + items.iter().map(Self::parts).sum::<usize>(),
            Content::Map(entries) => {
                1 + entries
                    .iter()
                    .map(|entry| entry.value.parts())
                    .sum::<usize>()
            }
        }
    }
}

/// A tag (`!something`) would make something else of what is written.
fn untagged(line: usize, has_tag: bool) -> Result<(), (usize, String)> {
    if has_tag {
        return Err((
            line,
            "a tag (`!`) has no meaning here: take it out".to_owned(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(steps: &str) -> Path {
        steps.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn every_part_knows_its_own_line_although_a_word_stands_there_twice() {
        let tree = read(
            "# a comment\na: 1\nb:\n  a: 2\n  list:\n    - { a: 3 }\n    -\n      a: 4\n\n    - [x,\n       y]\n  text: >-\n    a: 5\n  none:\n",
        )
        .unwrap();
        for (steps, line) in [
            ("a", 2),
            ("b", 3),
            ("b.a", 4),
            ("b.list", 5),
            ("b.list.0.a", 6),
            ("b.list.1.a", 8),
            ("b.list.2.1", 11),
            ("b.list.2.7", 10),
            ("b.none", 14),
            ("b.nowhere.at.all", 3),
            ("nowhere", 2),
        ] {
            assert_eq!(tree.line(&path(steps)), line, "{steps}");
        }
        assert_eq!(tree.item(path("b.list.2"), "y"), path("b.list.2.1"));
        assert_eq!(tree.item(path("b.list.2"), "z"), path("b.list.2"));
    }

    #[test]
    fn a_word_is_read_as_editors_read_it() {
        for (text, reading) in [
            ("1", Reading::Whole),
            ("-1", Reading::Whole),
            ("007", Reading::Text),
            ("1.5", Reading::Broken),
            ("\"1\"", Reading::Text),
            ("true", Reading::Boolean(true)),
            ("ja", Reading::Text),
            ("~", Reading::Nothing),
            ("2025-01-31", Reading::Text),
        ] {
            let Content::Word(word) = read(text).unwrap().content else {
                panic!("{text} is a word");
            };
            assert_eq!(word.reading(), reading, "{text}");
        }
    }

    #[test]
    fn what_is_no_yaml_or_would_never_end_is_refused_with_its_line() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        let doubled = (1..9).map(|n| {
            let many = vec![format!("*a{}", n - 1); 10].join(", ");
            format!("a{n}: &a{n} [{many}]\n")
        });
        let first = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        let bomb: String = std::iter::once(first).chain(doubled).collect();
        for (text, line) in [
            ("a: 1\nb: [\n", 3),
            ("a: 1\n---\nb: 1\n", 2),
            ("", 1),
            ("a: 1\nb: !own 2\n", 2),
            ("a: 1\n? [x]\n: 2\n", 2),
            ("a: &a [*a]\n", 1),
            (deep.as_str(), 1),
        ] {
            assert_eq!(read(text).unwrap_err().0, line, "{text}");
        }
        assert!(read(&bomb).unwrap_err().1.contains("too long"));
    }
}
