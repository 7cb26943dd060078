//! What an argument must be, as written: a value, a list of values, or a table of conditions that all hold.

use regex::RegexBuilder;
use toml::Spanned;
use toml::de::DeValue;

use super::super::{Text, limited};
use super::words;
use crate::policy::PolicyError;
use crate::policy::mcp::{Matcher, Segments, Value};
use crate::policy::network::{HostPattern, IpRange, NetRule, Purpose};
use crate::policy::table::Table;
use crate::policy::{RuleId, pattern::Fault};

/// One condition.
#[derive(Debug, Clone, PartialEq)]
pub enum ConditionEntry {
    Whole(Matcher),
    /// Paths with variables in them.
    Under(Vec<Text>),
    Each(Vec<ConditionEntry>),
}

const KEYS: &[&str] = &[
    "eq",
    "in",
    "not_in",
    "glob",
    "prefix",
    "regex",
    "min",
    "max",
    "min_length",
    "max_length",
    "type",
    "under",
    "host",
    "cidr",
    "scheme",
    "exists",
    "each",
];
const TYPES: &[(&str, &str)] = &[
    ("string", "string"),
    ("integer", "integer"),
    ("number", "number"),
    ("boolean", "boolean"),
    ("array", "array"),
    ("object", "object"),
    ("null", "null"),
];
/// Bytes that a compiled expression may take.
const LARGEST_REGEX: usize = 1 << 20;
/// Whole numbers up to here are exact as fractions.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What stands at `key` of `table`.
pub fn of(table: &Table<'_>, key: &str, value: &Spanned<DeValue<'_>>) -> Result<Vec<ConditionEntry>, PolicyError> {
    match value.get_ref() {
        DeValue::Table(_) => match table.table(key, "a condition")? {
            Some(conditions) => all(&conditions, value.span().start),
            None => Ok(Vec::new()),
        },
        DeValue::Array(items) => {
            let values = items.iter().map(|item| plain(table, key, item)).collect::<Result<_, _>>()?;
            Ok(vec![Matcher::In(values).into()])
        }
        _ => Ok(vec![Matcher::In(vec![plain(table, key, value)?]).into()]),
    }
}

/// A text, number or truth value.
fn plain(table: &Table<'_>, key: &str, value: &Spanned<DeValue<'_>>) -> Result<Value, PolicyError> {
    match value.get_ref() {
        DeValue::String(text) => Ok(Value::Text(text.to_string())),
        DeValue::Boolean(yes) => Ok(Value::Bool(*yes)),
        DeValue::Integer(whole) => match i64::from_str_radix(whole.as_str(), whole.radix()) {
            Ok(whole) => Ok(Value::Int(whole.into())),
            Err(_) => Err(table.fault(value.span().start, format!("{whole} is no whole number of 64 bits"), None)),
        },
        other => Err(table.wrong(key, value.span().start, "a string, a whole number, or true or false", other)),
    }
}

fn all(table: &Table<'_>, at: usize) -> Result<Vec<ConditionEntry>, PolicyError> {
    table.only(KEYS, &[])?;
    let mut found: Vec<ConditionEntry> = Vec::new();
    let fault = |at: usize, fault: Fault| table.fault(at, fault.reason, fault.hint);
    if let Some(value) = table.value("eq") {
        found.push(Matcher::In(vec![plain(table, "eq", value)?]).into());
    }
    for (key, matcher) in [("in", Matcher::In as fn(Vec<Value>) -> Matcher), ("not_in", Matcher::NotIn)] {
        if table.value(key).is_some() {
            let values = table.items(key)?.iter().map(|item| plain(table, key, item)).collect::<Result<_, _>>()?;
            found.push(matcher(values).into());
        }
    }
    let texts =
        |key: &str| words(table, key).map(|all| all.into_iter().map(|text| text.value).collect::<Vec<String>>());
    if table.value("glob").is_some() {
        found.push(Matcher::Glob(texts("glob")?.iter().map(|glob| Segments::parse(glob)).collect()).into());
    }
    for (key, matcher) in [("prefix", Matcher::Prefix as fn(Vec<String>) -> Matcher), ("scheme", Matcher::Scheme)] {
        if table.value(key).is_some() {
            found.push(matcher(texts(key)?).into());
        }
    }
    if let Some(text) = table.string("regex")? {
        // The whole of it: a condition that finds its text anywhere is one that allows by mistake.
        let regex = RegexBuilder::new(&format!("^(?:{})$", text.value)).size_limit(LARGEST_REGEX).build();
        let regex = regex.map_err(|_| table.fault(text.at, format!("'{}' is no expression", text.value), None))?;
        found.push(Matcher::Regex(Box::new(regex)).into());
    }
    let (least, most) = (number(table, "min")?, number(table, "max")?);
    if least.is_some() || most.is_some() {
        found.push(Matcher::Range { least, most }.into());
    }
    let bound =
        |key| table.number(key, 0, 1 << 32).map(|bound| bound.and_then(|bound| usize::try_from(bound.value).ok()));
    let (shortest, longest) = (bound("min_length")?, bound("max_length")?);
    if shortest.is_some() || longest.is_some() {
        found.push(Matcher::Length { least: shortest.unwrap_or(0), most: longest.unwrap_or(usize::MAX) }.into());
    }
    if let Some(word) = table.word("type", TYPES)? {
        found.push(Matcher::Type(word.value.to_owned()).into());
    }
    if table.value("under").is_some() {
        found.push(ConditionEntry::Under(words(table, "under")?));
    }
    if table.value("host").is_some() {
        let pattern =
            |text: Text| HostPattern::parse(&text.value, Purpose::Allow).map_err(|wrong| fault(text.at, wrong));
        found.push(Matcher::Host(words(table, "host")?.into_iter().map(pattern).collect::<Result<_, _>>()?).into());
    }
    if table.value("cidr").is_some() {
        let range = |text: Text| -> Result<IpRange, PolicyError> {
            NetRule::parse(&text.value, RuleId::DEFAULT).map(|rule| rule.range).map_err(|wrong| fault(text.at, wrong))
        };
        found.push(Matcher::Within(limited(table, "cidr")?.into_iter().map(range).collect::<Result<_, _>>()?).into());
    }
    if let Some(exists) = table.boolean("exists")? {
        found.push(Matcher::Exists(exists.value).into());
    }
    if let Some(value) = table.value("each") {
        found.push(ConditionEntry::Each(of(table, "each", value)?));
    }
    match found.is_empty() {
        true => Err(table.fault(at, "a condition that says nothing", Some(format!("keys: {}", KEYS.join(", "))))),
        false => Ok(found),
    }
}

fn number(table: &Table<'_>, key: &str) -> Result<Option<f64>, PolicyError> {
    let Some(value) = table.value(key) else { return Ok(None) };
    let number = match value.get_ref() {
        DeValue::Integer(whole) => i64::from_str_radix(whole.as_str(), whole.radix()).ok().map(|whole| whole as f64),
        DeValue::Float(real) => real.as_str().parse::<f64>().ok(),
        other => return Err(table.wrong(key, value.span().start, "a number", other)),
    };
    match number.filter(|number| number.is_finite() && number.abs() <= EXACT) {
        Some(number) => Ok(Some(number)),
        None => Err(table.fault(value.span().start, format!("'{key}' is beyond what is exact"), None)),
    }
}
