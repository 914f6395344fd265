//! What has to be sent so that a signature runs: chains, groups and chords taken apart as Celery takes them apart.
//!
//! Nothing is sent here. A [`Plan`] is a list of messages and of chords to be counted, made by a pure function; whoever
//! asked for it notes the sizes of the chords, then sends the messages in order.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::message::Message;
use crate::signature::{Shape, Signature, values};
use crate::{DecodeError, TaskId};
use freeze::{Frozen, freeze, freeze_parts};

mod freeze;
mod send;

pub(crate) use send::message_of;

/// Options that a signature keeps, whatever whoever calls it says.
const KEPT: &[&str] = &["group_id", "stamped_headers"];

/// What whoever calls a signature hands on.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The root of what is called.
    pub(crate) root_id: Option<TaskId>,
    /// The task that calls.
    pub(crate) parent_id: Option<TaskId>,
    /// Where results go when a signature does not say it.
    pub(crate) reply_to: Option<String>,
    /// From when countdowns count.
    pub(crate) now: Timestamp,
}

/// What has to be sent.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Messages, in order.
    pub(crate) sends: Vec<Send>,
    /// Chords and of how many parts they are; to be noted before anything is sent.
    pub(crate) chords: Vec<(String, usize)>,
    /// What was called, as `children` of a result lists it.
    pub(crate) children: Vec<Value>,
    /// The task whose result is the result of it all; a group has none.
    pub(crate) last: Option<TaskId>,
}

/// A message and where it goes.
#[derive(Debug)]
pub(crate) struct Send {
    pub(crate) message: Message,
    pub(crate) route: Route,
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Wherever the task's name leads.
    ByName,
    /// To a queue.
    Queue(String),
    /// To an exchange.
    Exchange { exchange: String, routing_key: String },
}

type Options = Map<String, Value>;

/// What has to be sent so that a signature runs with arguments before its own. `options` go over its own.
pub(crate) fn plan(
    signature: &Signature,
    args: &[Value],
    options: Options,
    caller: &Caller,
) -> Result<Plan, DecodeError> {
    let mut plan = Plan::default();
    let options = with_caller(options, caller);
    plan.last = Planner { plan: &mut plan, caller }.call(signature, args, options, true)?;
    Ok(plan)
}

/// The same for several that are called with one result, such as the callbacks of a task.
pub(crate) fn plan_all(signatures: &[Signature], args: &[Value], caller: &Caller) -> Result<Plan, DecodeError> {
    let one = match signatures {
        [] => return Ok(Plan::default()),
        [one] => return plan(one, args, Options::new(), caller),
        _ => signatures
            .iter()
            .cloned()
            .partition::<Vec<_>, _>(|signature| matches!(signature.shape(), Ok(Shape::Group(_)))),
    };
    let (groups, others) = one;
    let together = (!others.is_empty()).then(|| Signature::group(others));
    let mut plan = Plan::default();
    for signature in groups.iter().chain(&together) {
        let options = with_caller(Options::new(), caller);
        Planner { plan: &mut plan, caller }.call(signature, args, options, true)?;
    }
    Ok(plan)
}

fn with_caller(mut options: Options, caller: &Caller) -> Options {
    for (name, id) in [("root_id", &caller.root_id), ("parent_id", &caller.parent_id)] {
        if let Some(id) = id {
            options.insert(name.to_owned(), id.clone().into());
        }
    }
    options
}

/// A signature's options under those of whoever calls it.
fn merged(own: &Options, over: &Options) -> Options {
    let mut merged = own.clone();
    let is_kept = |name: &str| KEPT.contains(&name) && own.contains_key(name);
    let counting = over.iter().filter(|(name, value)| !value.is_null() && !is_kept(name));
    merged.extend(counting.map(|(name, value)| (name.clone(), value.clone())));
    merged
}

struct Planner<'a> {
    plan: &'a mut Plan,
    caller: &'a Caller,
}

impl Planner<'_> {
    fn reply_to(&self) -> Option<Value> {
        self.caller.reply_to.clone().map(Value::String)
    }

    /// Calls a signature; says the task whose result is its result.
    fn call(&mut self, signature: &Signature, args: &[Value], options: Options, noted: bool) -> Called {
        match signature.shape()? {
            Shape::Task => self.task(signature, args, &options, noted),
            Shape::Chain(tasks) => self.chain(signature, tasks, args, &options, noted),
            Shape::Group(tasks) => self.group(signature, tasks, args, &options, noted).map(|_group| None),
            Shape::Chord { header, body } => self.chord(signature, header, *body, args, &options),
        }
    }

    fn task(&mut self, signature: &Signature, args: &[Value], options: &Options, noted: bool) -> Called {
        let options = merged(&signature.options, options);
        let signature = Signature { options, ..signature.clone() }.after(args);
        let (message, route) = message_of(&signature, self.caller)?;
        let id = message.id.clone();
        if noted {
            self.plan.children.push(json!([[id, null], null]));
        }
        self.plan.sends.push(Send { message, route });
        Ok(Some(id))
    }

    fn chain(
        &mut self,
        chain: &Signature,
        tasks: Vec<Signature>,
        args: &[Value],
        over: &Options,
        noted: bool,
    ) -> Called {
        let mut options = chain.options.clone();
        options.extend(over.iter().map(|(name, value)| (name.clone(), value.clone())));
        let mut take = |name: &str| options.remove(name).filter(|value| !value.is_null());
        let frozen = Frozen {
            task_id: take("task_id"),
            group_id: take("group_id"),
            group_index: take("group_index"),
            chord: take("chord"),
            root_id: take("root_id"),
            parent_id: take("parent_id"),
            reply_to: take("reply_to").or_else(|| self.reply_to()),
        };
        let (link, link_error) = (take("link"), Signature::list_from(take("link_error").as_ref())?);
        let first =
            Signature { args: chain.args.clone(), immutable: chain.immutable, ..Signature::default() }.after(args);
        let mut steps = freeze_parts(tasks, &first.args, &frozen, &link_error)?;
        let Some(last) = steps.last_mut() else { return Ok(None) };
        if let Some(link) = link {
            append(&mut last.options, "link", Signature::list_from(Some(&link))?)?;
        }
        let result = last.text("task_id").map(str::to_owned);
        // The rest, next one last; what already waits behind this chain comes after it.
        let first = steps.remove(0);
        let mut rest = Signature::list_from(options.get("chain"))?;
        rest.extend(steps.into_iter().rev());
        options.insert("chain".to_owned(), values(rest));
        for (name, value) in [("root_id", frozen.root_id), ("parent_id", frozen.parent_id)] {
            if let Some(value) = value {
                options.insert(name.to_owned(), value);
            }
        }
        self.call(&first, &[], options, noted)?;
        Ok(result)
    }

    /// Calls every task of a group; says the group's id.
    fn group(
        &mut self,
        group: &Signature,
        tasks: Vec<Signature>,
        args: &[Value],
        over: &Options,
        noted: bool,
    ) -> Result<String, DecodeError> {
        let mut options = merged(&group.options, over);
        let id = match options.remove("task_id") {
            Some(Value::String(id)) => id,
            _ => new_id(),
        };
        options.insert("group_id".to_owned(), id.clone().into());
        options.remove("group_index");
        let chord = options.remove("chord").filter(|chord| !chord.is_null());
        let root_id = options.get("root_id").cloned();
        let mut size = 0;
        let mut members = Vec::new();
        for (index, mut task) in flattened(tasks)?.into_iter().enumerate() {
            size += parts_of(&task)?;
            let frozen = Frozen {
                group_id: Some(id.clone().into()),
                group_index: Some(index.into()),
                root_id: root_id.clone(),
                reply_to: self.reply_to(),
                ..Frozen::default()
            };
            freeze(&mut task, &frozen)?;
            let mut options = options.clone();
            if let Some(chord) = chord.as_ref().or_else(|| task.options.get("chord")).filter(|chord| !chord.is_null()) {
                options.insert("chord".to_owned(), chord.clone());
            }
            let called = self.call(&task, args, options, false)?;
            members.push(called.map_or(Value::Null, |id| json!([[id, null], null])));
        }
        // One at the end of a chain within a header was counted with that header.
        if chord.is_some() {
            self.plan.chords.push((id.clone(), size));
        }
        if noted {
            self.plan.children.push(json!([[id, null], members]));
        }
        Ok(id)
    }

    fn chord(
        &mut self,
        chord: &Signature,
        header: Vec<Signature>,
        mut body: Signature,
        args: &[Value],
        over: &Options,
    ) -> Called {
        let given =
            Signature { args: chord.args.clone(), immutable: chord.immutable, ..Signature::default() }.after(args);
        let own_id = chord.options.get("task_id").cloned();
        body.options = merged(&body.options, over);
        let mut options = chord.options.clone();
        options.extend(over.iter().map(|(name, value)| (name.clone(), value.clone())));
        let task_id = options.remove("task_id");
        body.options.extend(options.iter().map(|(name, value)| (name.clone(), value.clone())));
        let group_id = header_id(chord).or(own_id).unwrap_or_else(|| new_id().into());
        let root_id = body.options.get("root_id").cloned();
        let frozen = Frozen {
            task_id,
            group_id: Some(group_id.clone()),
            root_id,
            reply_to: self.reply_to(),
            ..Frozen::default()
        };
        freeze(&mut body, &frozen)?;
        let result = body.text("task_id").map(str::to_owned);
        for name in ["chain", "chord", "link", "link_error"] {
            options.remove(name);
        }
        if header.is_empty() {
            self.call(&body, &[json!([])], Options::new(), true)?;
            return Ok(result);
        }
        options.insert("task_id".to_owned(), group_id);
        options.insert("chord".to_owned(), body.to_value());
        let group = Signature { task: "celery.group".to_owned(), ..Signature::default() };
        self.group(&group, header, &given.args, &options, true)?;
        Ok(result)
    }
}

type Called = Result<Option<TaskId>, DecodeError>;

fn new_id() -> TaskId {
    uuid::Uuid::new_v4().to_string()
}

/// The group id of a chord's header, where it was fixed.
fn header_id(chord: &Signature) -> Option<Value> {
    let options = chord.kwargs.get("header")?.get("options")?;
    options.get("task_id").filter(|id| id.is_string()).cloned()
}

/// Tasks with those of groups among them in their places.
fn flattened(tasks: Vec<Signature>) -> Result<Vec<Signature>, DecodeError> {
    let mut flat = Vec::with_capacity(tasks.len());
    for task in tasks {
        match task.shape()? {
            Shape::Group(inner) => flat.extend(flattened(inner)?),
            _ => flat.push(task),
        }
    }
    Ok(flat)
}

/// How many ends a signature has that a chord waits for.
fn parts_of(signature: &Signature) -> Result<usize, DecodeError> {
    Ok(match signature.shape()? {
        Shape::Task => 1,
        Shape::Group(tasks) => tasks.iter().map(parts_of).sum::<Result<_, _>>()?,
        Shape::Chord { body, .. } => parts_of(&body)?,
        Shape::Chain(tasks) => {
            let sizes = tasks.iter().rev().map(parts_of).collect::<Result<Vec<_>, _>>()?;
            sizes.into_iter().find(|size| *size > 0).unwrap_or(0)
        }
    })
}

fn append(options: &mut Options, name: &str, more: Vec<Signature>) -> Result<(), DecodeError> {
    let mut all = Signature::list_from(options.get(name))?;
    all.extend(more);
    options.insert(name.to_owned(), values(all));
    Ok(())
}

#[cfg(test)]
mod tests;
