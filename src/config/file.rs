//! Takes `config.toml` apart: every value with its key and its line, and every mistake that can be seen without knowing
//! what the values mean. It knows sections and keys by the table only, and reads no value.

use super::keys::SECTIONS;
use super::load::{Entries, is_key};
use super::values::{Form, Raw};
use super::{CHANNEL_KEYS, Origin};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Adds everything in the text to `entries`. Returns whether it was TOML from beginning to end; if not, what could be
/// understood is there, and the rest must not be judged.
pub(super) fn collect(path: &str, text: &str, entries: &mut Entries) -> bool {
    let at = |offset: usize| Origin::File { path: path.to_owned(), line: line_of(text, offset) };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let offset = error.span().map_or(0, |span| span.start);
        entries.findings.add(at(offset), "", format!("not TOML: {}", error.message().replace('\n', ", ")));
    }
    walk(table.get_ref(), "", &at, entries);
    errors.is_empty()
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    1 + before.iter().filter(|b| **b == b'\n').count()
}

fn walk(table: &DeTable, above: &str, at: &dyn Fn(usize) -> Origin, entries: &mut Entries) {
    for (key, value) in table.iter() {
        let origin = at(key.span().start);
        let part: &str = key.get_ref();
        let name = if above.is_empty() { part.to_owned() } else { format!("{above}.{part}") };
        let is_channel = above == "channels";
        let is_section = is_channel || name == "channels" || SECTIONS.contains(&name.as_str());
        match value.get_ref() {
            _ if part.contains('.') => {
                entries.findings.add(origin, &name, "no quotes around a name with a dot: write [section] and the key");
            }
            _ if is_channel && !is_channel_name(part) => {
                entries.findings.add(origin, &name, CHANNEL_NAME_WANTED);
            }
            DeValue::Table(below) if is_channel || !is_key(&name) => {
                if is_channel {
                    entries.channels.insert(part.to_owned());
                } else if below.is_empty() && !is_section {
                    entries.findings.add(origin, &name, "unknown section");
                }
                walk(below, &name, at, entries);
            }
            _ if is_section => {
                entries.findings.add(origin, &name, format!("this is a section: write [{name}] and its keys below"));
            }
            _ => entries.accept(&name, raw(value), origin),
        }
    }
}

pub(super) const CHANNEL_NAME_WANTED: &str =
    "a channel's name has small letters, digits, - and _, at most 32, and begins with a letter";

/// Small letters only, because the environment says it in capitals.
pub(super) fn is_channel_name(name: &str) -> bool {
    name.len() <= 32
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

/// The name and the key of `channels.NAME.KEY`.
pub(super) fn channel_of(key: &str) -> Option<(&str, &str)> {
    let (name, leaf) = key.strip_prefix("channels.")?.split_once('.')?;
    (is_channel_name(name) && CHANNEL_KEYS.contains(&leaf)).then_some((name, leaf))
}

fn raw(value: &Spanned<DeValue>) -> Raw {
    let (text, form) = match value.get_ref() {
        DeValue::String(text) => (text.to_string(), Form::String),
        DeValue::Integer(number) if number.radix() == 10 => (number.as_str().to_owned(), Form::Integer),
        DeValue::Integer(_) => (String::new(), Form::Other("a number that is not decimal")),
        DeValue::Float(number) => (number.as_str().to_owned(), Form::Decimal),
        DeValue::Boolean(yes) => (yes.to_string(), Form::Boolean),
        DeValue::Datetime(_) => (String::new(), Form::Other("a date or time without quotes")),
        DeValue::Table(_) => (String::new(), Form::Other("a table")),
        DeValue::Array(parts) => {
            let texts: Option<Vec<&str>> = parts.iter().map(|part| part.get_ref().as_str()).collect();
            match texts {
                Some(texts) => (texts.join(","), Form::List),
                None => (String::new(), Form::Other("a list of something else than strings")),
            }
        }
    };
    Raw { text, form }
}
