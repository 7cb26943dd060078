//! A call as Cedar sees it: entities, attributes, context.
//!
//! Invariant: what a server says of its own tools is no attribute: each of them has the value that the protocol gives a
//! tool that says nothing; arguments are never read by way of Cedar's JSON, in which a value can pose as an entity.
//! Leaves to others: evaluating (`cedar`).

use std::collections::{HashMap, HashSet};
use std::str::FromStr as _;

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression as Expression,
};

use super::super::{Call, Subject, Value};
use super::Failed;

/// One request, with the entities that it is about.
#[derive(Debug)]
pub struct Asked {
    pub(super) request: Request,
    pub(super) entities: Entities,
    /// Why there are no arguments in it although the call has some.
    pub(super) untold: Option<&'static str>,
}

impl Asked {
    /// None: Cedar has no action for it.
    pub(super) fn of(call: &Call<'_>) -> Option<Result<Asked, Failed>> {
        let mut pairs = surroundings();
        let arguments = call.arguments.filter(|_| call.subject == Subject::Tool);
        let told = arguments.map(expression);
        let untold = matches!(told, Some(None));
        pairs.extend(told.flatten().map(|arguments| ("args".to_owned(), arguments)));
        let time = jiff::Timestamp::from_second(call.moment.unix).ok();
        pairs.extend(time.map(|time| ("request_time".to_owned(), Expression::new_datetime(time.to_string()))));
        Asked::with(call.server, call.subject, call.name, pairs, untold)
    }

    /// Some call of this name.
    pub(super) fn of_name(server: &str, subject: Subject, name: &str) -> Option<Result<Asked, Failed>> {
        Asked::with(server, subject, name, surroundings(), false)
    }

    fn with(
        server: &str,
        subject: Subject,
        name: &str,
        pairs: Vec<(String, Expression)>,
        is_untold: bool,
    ) -> Option<Result<Asked, Failed>> {
        let (kind, action, key) = match subject {
            Subject::Tool => ("Tool", "invokeTool", "name"),
            Subject::Resource => ("Resource", "readResource", "uri"),
            Subject::Prompt => ("Prompt", "getPrompt", "name"),
            Subject::Method => return None,
        };
        let mut attributes = vec![(key, Expression::new_string(name.to_owned()))];
        if subject == Subject::Tool {
            let silent = [("readOnly", false), ("destructive", true), ("idempotent", false), ("openWorld", true)];
            attributes.extend(silent.map(|(key, value)| (key, Expression::new_bool(value))));
        }
        let made = || {
            let server = uid("Server", server)?;
            let entity = entity(uid(kind, name)?, attributes, Some(&server))?;
            let mut asked = Asked::about(action, vec![entity, Entity::with_uid(server)], pairs)?;
            asked.untold = is_untold.then_some("a fraction, null or a number beyond 64 bits among the arguments");
            Ok(asked)
        };
        Some(made())
    }

    /// The first entity is the resource.
    pub(super) fn about(
        action: &str,
        entities: Vec<Entity>,
        pairs: Vec<(String, Expression)>,
    ) -> Result<Asked, Failed> {
        let resource = entities.first().map(Entity::uid).ok_or_else(|| Failed("no resource".to_owned()))?;
        let entities = Entities::from_entities(entities, None).map_err(Failed::of)?;
        let context = Context::from_pairs(pairs).map_err(Failed::of)?;
        let request = Request::new(uid("Agent", "agent")?, uid("Action", action)?, resource, context, None);
        Ok(Asked { request: request.map_err(Failed::of)?, entities, untold: None })
    }
}

/// What is in the context of every request. Nobody has scopes of OAuth: servers' tokens are not the agent's.
pub(super) fn surroundings() -> Vec<(String, Expression)> {
    vec![("oauth_scopes".to_owned(), Expression::new_set([]))]
}

pub(super) fn entity(
    uid: EntityUid,
    attributes: Vec<(&str, Expression)>,
    within: Option<&EntityUid>,
) -> Result<Entity, Failed> {
    let attributes: HashMap<String, Expression> =
        attributes.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let within: HashSet<EntityUid> = within.into_iter().cloned().collect();
    Entity::new(uid, attributes, within).map_err(Failed::of)
}

pub(super) fn uid(kind: &str, id: &str) -> Result<EntityUid, Failed> {
    let kind = EntityTypeName::from_str(&format!("MCP::{kind}")).map_err(Failed::of)?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

/// Arguments as Cedar has values: whole numbers, no null. None where one of them is something else.
fn expression(value: &Value) -> Option<Expression> {
    Some(match value {
        Value::Null | Value::Real(_) => return None,
        Value::Bool(yes) => Expression::new_bool(*yes),
        Value::Int(number) => Expression::new_long(i64::try_from(*number).ok()?),
        Value::Text(text) => Expression::new_string(text.clone()),
        Value::List(items) => Expression::new_set(items.iter().map(expression).collect::<Option<Vec<_>>>()?),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| Some((key.clone(), expression(value)?)));
            Expression::new_record(fields.collect::<Option<Vec<_>>>()?).ok()?
        }
    })
}
