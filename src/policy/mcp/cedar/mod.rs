//! Cedar: the `MCP::` policies of Docker AI Governance, each statement a rule of its own.
//!
//! Invariant: a statement whose evaluation has any error denies, so that a `forbid` on a missing argument forbids; what
//! cannot be told of a call (who the principal is, what a server says of its own tools) never permits and never keeps a
//! `forbid` from matching.
//! Leaves to others: reading files (`load`), the order of verdicts (`rule`).

mod asked;
mod conditions;
mod server;
#[cfg(test)]
mod tests;
mod text;

use std::str::FromStr as _;

use cedar_policy::{
    Authorizer, Effect, Entities, Policy, PolicyId, PolicySet, Request, Schema, ValidationError, ValidationMode,
    Validator,
};
use serde_json::Value as Json;

use super::{Call, Reach, Subject};
use crate::policy::Verdict;
pub use asked::Asked;
pub use server::{Refused, registration};
use text::Piece;

/// Whether this build understands Cedar.
pub const IS_BUILT: bool = true;
/// The types and actions of Docker's schema. Attributes are told apart in `conditions`; arguments have no type of their
/// own, so they are judged when they come.
const SCHEMA: &str = r#"
namespace MCP {
    entity Agent;
    entity Server;
    entity Tool in [Server];
    entity Resource in [Server];
    entity Prompt in [Server];
    entity Primordial in [Primordial];
    action register appliesTo { principal: [Agent], resource: [Server], context: {} };
    action invokeTool, listTools appliesTo { principal: [Agent], resource: [Tool], context: {} };
    action invokePrimordial appliesTo { principal: [Agent], resource: [Primordial], context: {} };
    action readResource, listResources, subscribeResource appliesTo {
        principal: [Agent], resource: [Resource], context: {}
    };
    action getPrompt appliesTo { principal: [Agent], resource: [Prompt], context: {} };
}
"#;
/// The annotation that makes a question of a permit: this very name.
const APPROVAL: &str = "requireApproval";
/// The annotation that names a statement.
const ID: &str = "id";
/// Most statements in a file.
const MOST: usize = 1000;
/// Longest statement, in bytes.
const LONGEST: usize = 64 * 1024;
/// Most operators and brackets in one: it is walked by recursion.
const MOST_MARKS: usize = 600;
/// Stack for reading a file, in bytes: reading takes up to 90 KiB for each level in a build that is not optimised. It is
/// mapped, and taken only as far as it is used.
const STACK: usize = 128 << 20;

/// One `permit` or `forbid`.
#[derive(Debug)]
pub struct Statement {
    text: String,
    at: usize,
    whole: PolicySet,
    /// The same without the conditions that look at the call's context: what holds of every call that it matches.
    outer: PolicySet,
    /// Its conditions look at the context.
    looks_within: bool,
    /// They look at the arguments.
    reads_arguments: bool,
    /// A permit for some principals: there are none to tell, so it permits nothing.
    is_inert: bool,
    effect: Verdict,
    reason: String,
    label: Option<String>,
}

impl PartialEq for Statement {
    fn eq(&self, other: &Statement) -> bool {
        (&self.text, self.at) == (&other.text, other.at)
    }
}

/// An evaluation that had an error: it denies. What it was, for people: never for the model, as a value may be in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed(pub String);

impl Failed {
    fn of(error: impl std::fmt::Display) -> Failed {
        Failed(error.to_string())
    }
}

/// Why a file of statements cannot be used, and the byte offset of the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub at: usize,
    pub reason: String,
}

/// The statements of a file, in its order.
pub fn statements(text: &str) -> Result<Vec<Statement>, Fault> {
    stacker::grow(STACK, || read(text))
}

fn read(text: &str) -> Result<Vec<Statement>, Fault> {
    let whole = |reason: &str| Fault { at: 0, reason: reason.to_owned() };
    let pieces = text::pieces(text);
    if pieces.len() > MOST {
        return Err(whole("more than 1000 statements"));
    }
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(|error| whole(&error.to_string()))?;
    let validator = Validator::new(schema);
    let one = |piece: &Piece<'_>| Statement::read(piece, &validator).map_err(|reason| Fault { at: piece.at, reason });
    let statements = pieces.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    // Had a statement been cut out otherwise than Cedar reads it, one might be missing.
    let set = PolicySet::from_str(text).map_err(|error| whole(&error.to_string()))?;
    if set.num_of_policies() != statements.len() {
        return Err(whole("its statements cannot be told apart"));
    }
    if statements.is_empty() {
        return Err(whole("there is no statement in it"));
    }
    Ok(statements)
}

/// Types and actions of another schema would never match.
fn check(set: &PolicySet, validator: &Validator) -> Result<(), String> {
    let checked = validator.validate(set, ValidationMode::Strict);
    let unknown = checked.validation_errors().find_map(|error| match error {
        ValidationError::UnrecognizedEntityType(error) => Some(error.to_string()),
        ValidationError::UnrecognizedActionId(error) => Some(error.to_string()),
        _ => None,
    });
    unknown.map_or(Ok(()), Err)
}

fn one(json: Json) -> Result<PolicySet, String> {
    let policy = Policy::from_json(Some(PolicyId::new("statement")), json).map_err(|error| error.to_string())?;
    PolicySet::from_policies([policy]).map_err(|error| error.to_string())
}

impl Statement {
    fn read(piece: &Piece<'_>, validator: &Validator) -> Result<Statement, String> {
        let Piece { at, text, marks } = *piece;
        if text.len() > LONGEST || marks > MOST_MARKS {
            return Err("a statement of more than 64 KiB, or 600 operators and brackets".to_owned());
        }
        let policy = Policy::parse(Some(PolicyId::new("statement")), text).map_err(|error| error.to_string())?;
        let mut json = policy.to_json().map_err(|error| error.to_string())?;
        let names_principal = conditions::names_principal(&json);
        if names_principal {
            conditions::forget_principal(&mut json);
        }
        conditions::check_attributes(&json)?;
        let outer = conditions::without_context(&json);
        let (looks_within, reads_arguments) = (conditions::looks_within(&json), conditions::reads_arguments(&json));
        let (whole, outer) = (one(json)?, one(outer)?);
        check(&whole, validator)?;
        let approval = policy.annotation(APPROVAL);
        let effect = match (policy.effect(), approval) {
            (Effect::Forbid, _) => Verdict::Deny,
            (Effect::Permit, Some(_)) => Verdict::Ask,
            (Effect::Permit, None) => Verdict::Allow,
        };
        Ok(Statement {
            text: text.to_owned(),
            at,
            whole,
            outer,
            looks_within,
            reads_arguments,
            is_inert: names_principal && effect != Verdict::Deny,
            effect,
            reason: approval.filter(|_| effect == Verdict::Ask).unwrap_or_default().to_owned(),
            label: policy.annotation(ID).filter(|id| !id.is_empty()).map(str::to_owned),
        })
    }

    /// Byte offset of its first word in the file.
    pub fn at(&self) -> usize {
        self.at
    }

    /// What it says where it matches; a permit that needs approval asks.
    pub fn effect(&self) -> Verdict {
        self.effect
    }

    /// Of the question; may be empty.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What its `@id` says.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// It is for some principals, and a permit: nobody is told apart here, so it permits nothing.
    pub fn is_inert(&self) -> bool {
        self.is_inert
    }

    /// Of which calls of this name it speaks, whatever their arguments.
    pub fn reach(&self, server: &str, subject: Subject, name: &str) -> Reach {
        if self.is_inert {
            return Reach::None;
        }
        let asked = match Asked::of_name(server, subject, name) {
            None => return Reach::None,
            Some(Err(_)) => return Reach::Failed,
            Some(Ok(asked)) => asked,
        };
        match (matches(&self.outer, &asked.request, &asked.entities), self.looks_within) {
            (Ok(false), _) => Reach::None,
            (Ok(true), false) => Reach::All,
            (Ok(true), true) | (Err(_), true) => Reach::Some,
            (Err(_), false) => Reach::Failed,
        }
    }

    /// Whether it matches this call. `asked` is the call as Cedar sees it, made once for all statements.
    pub fn holds(&self, call: &Call<'_>, asked: &mut Option<Asked>) -> Result<bool, Failed> {
        if self.is_inert {
            return Ok(false);
        }
        let asked = match asked {
            Some(asked) => asked,
            none => match Asked::of(call) {
                None => return Ok(false),
                Some(made) => none.insert(made?),
            },
        };
        if let (Some(why), true) = (asked.untold, self.reads_arguments) {
            // Of another call it need not understand them.
            return match matches(&self.outer, &asked.request, &asked.entities)? {
                true => Err(Failed(why.to_owned())),
                false => Ok(false),
            };
        }
        matches(&self.whole, &asked.request, &asked.entities)
    }
}

/// Whether the one statement of a set matches.
fn matches(set: &PolicySet, request: &Request, entities: &Entities) -> Result<bool, Failed> {
    let response = Authorizer::new().is_authorized(request, set, entities);
    match response.diagnostics().errors().next() {
        Some(error) => Err(Failed::of(error)),
        None => Ok(response.diagnostics().reason().next().is_some()),
    }
}
