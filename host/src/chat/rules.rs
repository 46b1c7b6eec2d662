//! What judging a chunk and judging a whole answer have in common: small steps that consume a value, or say what is
//! wrong with it.

use super::repair::SERVICE_TIERS;
use super::scan::{Fault, Kind, Scanner, Text};

/// Why a chunk or an answer is not relayed as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Departs {
    /// It breaks this rule.
    Because(&'static str),
    /// It carries an error.
    Failed,
}

impl From<Fault> for Departs {
    fn from(fault: Fault) -> Self {
        Self::Because(fault.problem)
    }
}

pub(super) fn because<T>(reason: &'static str) -> Result<T, Departs> {
    Err(Departs::Because(reason))
}

/// Whether a document that breaks a rule also says at its top that it is an error, which then counts for more.
pub(super) fn reports_error(document: &str) -> bool {
    let mut scanner = Scanner::lenient(document);
    let read = scanner.members(|scanner, key| match &*key.decode() {
        "error" => check_error(scanner),
        _ => Ok(scanner.skip()?),
    });
    read == Err(Departs::Failed)
}

pub(super) fn require(condition: bool, otherwise: &'static str) -> Result<(), Departs> {
    if condition { Ok(()) } else { because(otherwise) }
}

/// Fills a slot that must be empty: of a field that comes twice, clients and we might see different ones.
pub(super) fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), Departs> {
    require(slot.is_none(), "a field twice")?;
    *slot = Some(value);
    Ok(())
}

pub(super) fn text<'a>(scanner: &mut Scanner<'a>, otherwise: &'static str) -> Result<Text<'a>, Departs> {
    require(scanner.peek()? == Kind::String, otherwise)?;
    Ok(scanner.string()?)
}

pub(super) fn whole_number(scanner: &mut Scanner<'_>, otherwise: &'static str) -> Result<u64, Departs> {
    require(scanner.peek()? == Kind::Number, otherwise)?;
    scanner.number()?.as_u64().ok_or(Departs::Because(otherwise))
}

pub(super) fn skip_text_or_null(scanner: &mut Scanner<'_>, otherwise: &'static str) -> Result<(), Departs> {
    require(matches!(scanner.peek()?, Kind::String | Kind::Null), otherwise)?;
    Ok(scanner.skip()?)
}

pub(super) fn skip_object_or_null(scanner: &mut Scanner<'_>, otherwise: &'static str) -> Result<(), Departs> {
    require(matches!(scanner.peek()?, Kind::Object | Kind::Null), otherwise)?;
    Ok(scanner.skip()?)
}

/// Consumes a service tier that clients know.
pub(super) fn check_service_tier(scanner: &mut Scanner<'_>) -> Result<(), Departs> {
    if scanner.peek()? == Kind::Null {
        return Ok(scanner.null()?);
    }
    let tier = text(scanner, "service_tier is not a string")?;
    require(SERVICE_TIERS.contains(&tier.raw()), "an unknown service_tier")
}

/// Consumes an `error` that says that there is none.
pub(super) fn check_error(scanner: &mut Scanner<'_>) -> Result<(), Departs> {
    let failed = match scanner.peek()? {
        Kind::Null => return Ok(scanner.null()?),
        Kind::Boolean => scanner.boolean()?,
        Kind::Number => scanner.number()?.as_f64() != 0.0,
        Kind::String => !scanner.string()?.is_empty(),
        // Some clients take an empty object for an error, some do not.
        Kind::Object | Kind::Array => {
            let before = *scanner;
            scanner.skip()?;
            return if is_empty(before)? { because("an empty error") } else { Err(Departs::Failed) };
        }
    };
    if failed { Err(Departs::Failed) } else { Ok(()) }
}

fn is_empty(mut container: Scanner<'_>) -> Result<bool, Departs> {
    let mut empty = true;
    let mut note = |scanner: &mut Scanner<'_>| {
        empty = false;
        scanner.skip()
    };
    match container.peek()? {
        Kind::Object => container.members(|scanner, _| note(scanner))?,
        _ => container.elements(|scanner, _| note(scanner))?,
    }
    Ok(empty)
}
