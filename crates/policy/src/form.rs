//! Whether a file has the form that its schema says: every mistake at once, each at its own place and in an adviser's words.
//!
//! Walks the schema and the file side by side. Reads the part of JSON Schema that our own schema is written in, which a test holds it to. Where
//! something is wrong something right is put in its place, so that the rest can be read and looked at too; what was put there is
//! never judged ([`Form::is_broken`]).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::schema::Format;
use crate::tree::{Content, Entry, Node, Path, Reading, Word};
use crate::words::{listed, nearest};

/// What came of the walk.
pub(crate) struct Form {
    /// The file as it is to be read, with something right in the place of what is wrong.
    pub(crate) repaired: Value,
    /// What is wrong, with its line.
    pub(crate) mistakes: Vec<(usize, String)>,
    broken: Vec<Path>,
}

impl Form {
    /// Whether a mistake stands at `path`, in it, or around it: then nothing can be said of what is there.
    pub(crate) fn is_broken(&self, path: &[String]) -> bool {
        self.broken
            .iter()
            .any(|broken| broken.starts_with(path) || path.starts_with(broken))
    }

    /// Whether what stands under this outermost key was replaced as a whole.
    pub(crate) fn is_replaced(&self, key: &str) -> bool {
        self.broken
            .iter()
            .any(|broken| broken.is_empty() || matches!(broken.as_slice(), [only] if only == key))
    }
}

/// Holds a file against its schema.
pub(crate) fn walk(schema: &Value, tree: &Node) -> Form {
    let mut walker = Walker {
        root: schema,
        tree,
        path: Path::new(),
        mistakes: Vec::new(),
        broken: Vec::new(),
    };
    let repaired = walker.value(schema, tree);
    Form {
        repaired,
        mistakes: walker.mistakes,
        broken: walker.broken,
    }
}

struct Walker<'a> {
    root: &'a Value,
    tree: &'a Node,
    path: Path,
    mistakes: Vec<(usize, String)>,
    broken: Vec<Path>,
}

/// One of the words that may stand somewhere: by itself, or with something under it.
struct Choice<'a> {
    word: &'a str,
    under: Option<&'a Value>,
}

impl<'a> Walker<'a> {
    /// Notes a mistake in what stands here.
    fn mistake(&mut self, message: &str) {
        let line = self.tree.line(&self.path);
        self.mistake_on(line, message);
        self.broken.push(self.path.clone());
    }

    fn mistake_on(&mut self, line: usize, message: &str) {
        // Places in lists are left out: the line says which one.
        let keys: Vec<&str> = self
            .path
            .iter()
            .filter(|step| step.parse::<usize>().is_err())
            .map(String::as_str)
            .collect();
        let message = match keys.as_slice() {
            [] => message.to_owned(),
            keys => format!("{}: {message}", keys.join(".")),
        };
        self.mistakes.push((line, message));
    }

    /// Notes a mistake in a key of what stands here.
    fn mistake_in_key(&mut self, entry: &Entry, message: &str) {
        self.mistake_on(entry.key_line, message);
        self.break_under(&entry.key);
    }

    fn break_under(&mut self, key: &str) {
        let mut path = self.path.clone();
        path.push(key.to_owned());
        self.broken.push(path);
    }

    fn under<T>(&mut self, step: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step.to_owned());
        let value = read(self);
        self.path.pop();
        value
    }

    fn value(&mut self, schema: &'a Value, node: &Node) -> Value {
        let schema = resolved(self.root, schema);
        if let Some(choices) = self.choices(schema) {
            return self.choice(schema, &choices, node);
        }
        match (types(schema).as_slice(), &node.content) {
            (["object"], Content::Map(entries)) => self.map(schema, entries),
            (["array"], Content::List(items)) => self.list(schema, items),
            (["object" | "array"], _) | (_, Content::Map(_) | Content::List(_)) => {
                self.unexpected(schema, node)
            }
            (types, Content::Word(word)) => match scalar(schema, types, word) {
                Some(value) => value,
                None => self.unexpected(schema, node),
            },
        }
    }

    /// Something else was expected here.
    fn unexpected(&mut self, schema: &'a Value, node: &Node) -> Value {
        let hint = match &node.content {
            Content::Word(word) if types(schema) == ["string"] && schema["format"].is_null() => {
                match word.reading() {
                    Reading::Whole | Reading::Broken | Reading::Boolean(_) => {
                        " (put it between quotes)"
                    }
                    _ => "",
                }
            }
            _ => "",
        };
        let expected = expected(self.root, schema);
        self.mistake(&format!("expected {expected}, found {}{hint}", found(node)));
        stand_in(self.root, schema)
    }

    fn map(&mut self, schema: &'a Value, entries: &[Entry]) -> Value {
        let mut read = Map::new();
        let keys = keys_of(schema);
        let mut seen = BTreeSet::new();
        for entry in entries {
            if !seen.insert(entry.key.as_str()) {
                let message = format!("`{}` stands there twice", entry.key);
                self.mistake_in_key(entry, &message);
                continue;
            }
            let value = if let Some(property) = schema["properties"].get(&entry.key) {
                self.under(&entry.key, |walker| walker.value(property, &entry.value))
            } else if schema["additionalProperties"].is_object() {
                let names = &schema["propertyNames"];
                if let Some(format) = format_of(names)
                    && !format.fits(&entry.key)
                {
                    let message = format!("`{}`: expected {}", entry.key, format.expected());
                    self.mistake_in_key(entry, &message);
                    continue;
                }
                let property = &schema["additionalProperties"];
                self.under(&entry.key, |walker| walker.value(property, &entry.value))
            } else {
                let message = format!(
                    "unknown key `{}`, expected {}{}",
                    entry.key,
                    listed(keys.iter().copied()),
                    nearest(&entry.key, keys.iter().copied())
                );
                self.mistake_in_key(entry, &message);
                continue;
            };
            read.insert(entry.key.clone(), value);
        }
        let unknown: Vec<&str> = entries
            .iter()
            .map(|entry| entry.key.as_str())
            .filter(|key| !keys.contains(key))
            .collect();
        for key in required(schema)
            .filter(|key| !read.contains_key(*key))
            .collect::<Vec<_>>()
        {
            let property = &schema["properties"][key];
            let line = self.tree.line(&self.path);
            // Written with a slip it was told already.
            if nearest(key, unknown.iter().copied()).0.is_none() {
                let expected = expected(self.root, property);
                self.mistake_on(line, &format!("`{key}` is missing: expected {expected}"));
            }
            self.break_under(key);
            read.insert(key.to_owned(), stand_in(self.root, property));
        }
        Value::Object(read)
    }

    fn list(&mut self, schema: &'a Value, items: &[Node]) -> Value {
        let least = schema["minItems"].as_u64().unwrap_or(0);
        if (items.len() as u64) < least {
            let expected = expected(self.root, schema);
            self.mistake(&format!("expected {expected}, found {}", items.len()));
            return stand_in(self.root, schema);
        }
        let mut read: Vec<Value> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            self.under(&index.to_string(), |walker| {
                let value = walker.value(&schema["items"], item);
                if schema["uniqueItems"] == true
                    && read.contains(&value)
                    && !walker.broken.contains(&walker.path)
                {
                    walker.mistake(&format!("{} stands there twice", found(item)));
                }
                read.push(value);
            });
        }
        Value::Array(read)
    }

    /// The words that may stand here, when that is what the schema says.
    fn choices(&self, schema: &'a Value) -> Option<Vec<Choice<'a>>> {
        let either = schema.get("oneOf").or_else(|| schema.get("anyOf"));
        let alternatives = match either {
            Some(either) => either.as_array()?.iter().collect(),
            None if schema.get("enum").is_some() || schema.get("const").is_some() => vec![schema],
            None => return None,
        };
        let mut choices = Vec::new();
        for alternative in alternatives {
            let alternative = resolved(self.root, alternative);
            if let Some(word) = alternative["const"].as_str() {
                choices.push(Choice { word, under: None });
            } else if let Some(words) = alternative["enum"].as_array() {
                let words = words.iter().filter_map(Value::as_str);
                choices.extend(words.map(|word| Choice { word, under: None }));
            } else {
                let properties = alternative["properties"].as_object()?;
                choices.extend(properties.iter().map(|(word, under)| Choice {
                    word,
                    under: Some(under),
                }));
            }
        }
        Some(choices)
    }

    fn choice(&mut self, schema: &'a Value, choices: &[Choice<'a>], node: &Node) -> Value {
        let words = || choices.iter().map(|choice| choice.word);
        let known = |word: &str| choices.iter().find(|choice| choice.word == word);
        match &node.content {
            Content::Word(word) if word.reading() != Reading::Nothing => {
                match known(&word.text).map(|choice| choice.under) {
                    Some(None) => return Value::String(word.text.clone()),
                    Some(Some(under)) => {
                        let expected = expected(self.root, under);
                        self.mistake(&format!(
                            "expected something under `{}`: {expected}",
                            word.text
                        ));
                    }
                    None => self.mistake(&format!(
                        "unknown word `{}`, expected {}{}",
                        word.text,
                        listed(words()),
                        nearest(&word.text, words())
                    )),
                }
            }
            Content::Map(entries) if choices.iter().any(|choice| choice.under.is_some()) => {
                return self.keyed_choice(schema, choices, entries);
            }
            _ => self.mistake(&format!(
                "expected {}, found {}",
                listed(words()),
                found(node)
            )),
        }
        stand_in(self.root, schema)
    }

    fn keyed_choice(
        &mut self,
        schema: &'a Value,
        choices: &[Choice<'a>],
        entries: &[Entry],
    ) -> Value {
        let words = || choices.iter().map(|choice| choice.word);
        if entries.len() != 1 {
            let keys = match entries {
                [] => "nothing".to_owned(),
                several => {
                    let keys: Vec<String> = several
                        .iter()
                        .map(|entry| format!("`{}`", entry.key))
                        .collect();
                    keys.join(" and ")
                }
            };
            let message = format!("expected one of {}, found {keys}", listed(words()));
            self.mistake(&message);
        }
        let mut read = None;
        for entry in entries {
            let known = choices.iter().find(|choice| choice.word == entry.key);
            match known.map(|choice| choice.under) {
                Some(Some(under)) => {
                    let value = self.under(&entry.key, |walker| walker.value(under, &entry.value));
                    read.get_or_insert(Value::Object(
                        [(entry.key.clone(), value)].into_iter().collect(),
                    ));
                }
                Some(None) => {
                    let message =
                        format!("`{}` stands by itself: nothing belongs under it", entry.key);
                    self.mistake_on(entry.key_line, &message);
                    self.broken.push(self.path.clone());
                    read.get_or_insert(Value::String(entry.key.clone()));
                }
                None => {
                    let message = format!(
                        "unknown word `{}`, expected {}{}",
                        entry.key,
                        listed(words()),
                        nearest(&entry.key, words())
                    );
                    self.mistake_on(entry.key_line, &message);
                    self.broken.push(self.path.clone());
                }
            }
        }
        read.unwrap_or_else(|| stand_in(self.root, schema))
    }
}

fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let mut schema = schema;
    while let Some(name) = schema["$ref"].as_str() {
        let name = name.trim_start_matches("#/$defs/");
        schema = &root["$defs"][name];
    }
    schema
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        only => only.as_str().into_iter().collect(),
    }
}

fn format_of(schema: &Value) -> Option<Format> {
    schema["format"].as_str().and_then(Format::named)
}

fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// The keys that may stand somewhere: those that must first.
fn keys_of(schema: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = required(schema).collect();
    if let Some(properties) = schema["properties"].as_object() {
        let optional: Vec<&str> = properties
            .keys()
            .map(String::as_str)
            .filter(|key| !keys.contains(key))
            .collect();
        keys.extend(optional);
    }
    keys
}

/// What one word comes to, when it is right.
fn scalar(schema: &Value, types: &[&str], word: &Word) -> Option<Value> {
    let may_be = |kind: &str| types.contains(&kind);
    let reading = word.reading();
    let is_of_type = match reading {
        Reading::Nothing => false,
        Reading::Boolean(_) => may_be("boolean"),
        Reading::Whole => may_be("integer") || may_be("number"),
        Reading::Broken => may_be("number"),
        Reading::Text => may_be("string"),
    };
    if !is_of_type || format_of(schema).is_some_and(|format| !format.fits(&word.text)) {
        return None;
    }
    // What may be text is read from text, whatever it looks like.
    if may_be("string") {
        let is_empty = schema["minLength"].as_u64().is_some_and(|least| least > 0)
            && word.text.trim().is_empty();
        return (!is_empty).then(|| Value::String(word.text.clone()));
    }
    if let Reading::Boolean(yes) = reading {
        return Some(Value::Bool(yes));
    }
    let number: i64 = word.text.parse().ok()?;
    let (least, most) = (schema["minimum"].as_i64(), schema["maximum"].as_i64());
    let fits = least.is_none_or(|least| least <= number) && most.is_none_or(|most| number <= most);
    fits.then(|| number.into())
}

/// What the schema wants, in words.
fn expected(root: &Value, schema: &Value) -> String {
    let schema = resolved(root, schema);
    if let Some(format) = format_of(schema) {
        return format.expected().to_owned();
    }
    let words: Vec<&str> = schema
        .get("oneOf")
        .or_else(|| schema.get("anyOf"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .flat_map(|alternative| {
            let properties = alternative["properties"].as_object();
            let keys = properties
                .into_iter()
                .flat_map(|map| map.keys().map(String::as_str));
            words_of(alternative).into_iter().chain(keys)
        })
        .chain(words_of(schema))
        .collect();
    if !words.is_empty() {
        return listed(words);
    }
    match types(schema).as_slice() {
        ["integer"] => {
            let bound = |key: &str| schema[key].as_i64();
            match (bound("minimum"), bound("maximum")) {
                (Some(least), Some(most)) if most < i64::from(u32::MAX) => {
                    format!("a whole number from {least} to {most}")
                }
                (Some(least), _) => format!("a whole number from {least}"),
                _ => "a whole number".to_owned(),
            }
        }
        ["boolean"] => "`true` or `false`".to_owned(),
        ["string"] => "text".to_owned(),
        ["array"] => match schema["minItems"].as_u64() {
            Some(least @ 2..) => format!("a list of at least {least}"),
            Some(1) => "a list of at least one".to_owned(),
            _ => "a list".to_owned(),
        },
        ["object"] => {
            let must: Vec<&str> = required(schema).collect();
            match (must.as_slice(), keys_of(schema).as_slice()) {
                ([], []) => "a list of names with a value each".to_owned(),
                ([], keys) => format!("any of {} under it", listed(keys.iter().copied())),
                (must, _) => {
                    let names: Vec<String> = must.iter().map(|key| format!("`{key}`")).collect();
                    format!("{} under it", names.join(" and "))
                }
            }
        }
        _ => "a number, a date, yes or no, or a code".to_owned(),
    }
}

fn words_of(schema: &Value) -> Vec<&str> {
    let words = schema["enum"].as_array().into_iter().flatten();
    words
        .chain(schema.get("const"))
        .filter_map(Value::as_str)
        .collect()
}

fn found(node: &Node) -> String {
    match &node.content {
        Content::Word(word) if word.reading() == Reading::Nothing => "nothing".to_owned(),
        Content::Word(word) if word.is_quoted => format!("\"{}\"", shortened(&word.text)),
        Content::Word(word) => format!("`{}`", shortened(&word.text)),
        Content::List(_) => "a list".to_owned(),
        Content::Map(entries) if entries.is_empty() => "nothing".to_owned(),
        Content::Map(entries) => {
            let keys = entries.iter().map(|entry| shortened(&entry.key));
            let keys: Vec<String> = keys.map(|key| format!("`{key}:`")).collect();
            keys.join(", ")
        }
    }
}

/// A message is one line, whatever is in the file.
fn shortened(text: &str) -> String {
    const SHOWN_MAX_CHARS: usize = 60;
    let flat: Vec<&str> = text.split_whitespace().collect();
    let flat = flat.join(" ");
    match flat.char_indices().nth(SHOWN_MAX_CHARS) {
        Some((end, _)) => format!("{}…", &flat[..end]),
        None => flat,
    }
}

/// Something that has the form of the schema.
fn stand_in(root: &Value, schema: &Value) -> Value {
    let schema = resolved(root, schema);
    if let Some(format) = format_of(schema) {
        return format.stand_in().into();
    }
    if let Some(word) = words_of(schema).first() {
        return (*word).into();
    }
    if let Some(first) = schema
        .get("oneOf")
        .or_else(|| schema.get("anyOf"))
        .and_then(|either| either.get(0))
    {
        return stand_in(root, first);
    }
    match types(schema).as_slice() {
        ["integer"] => schema["minimum"].as_i64().unwrap_or(1).into(),
        ["boolean"] => false.into(),
        ["array"] => {
            let least = schema["minItems"].as_u64().unwrap_or(0);
            (0..least)
                .map(|_| stand_in(root, &schema["items"]))
                .collect()
        }
        ["object"] => required(schema)
            .map(|key| (key.to_owned(), stand_in(root, &schema["properties"][key])))
            .collect::<Map<_, _>>()
            .into(),
        _ => "x".into(),
    }
}
