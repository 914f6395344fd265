//! Giving signatures their ids before they are sent, so that those that are sent first can name those that follow.

use serde_json::{Value, json};

use super::{append, flattened, header_id, new_id};
use crate::DecodeError;
use crate::signature::{Shape, Signature, values};

/// What a signature is given with its id. What it has already it keeps.
#[derive(Clone, Debug, Default)]
pub(super) struct Frozen {
    pub(super) task_id: Option<Value>,
    pub(super) group_id: Option<Value>,
    pub(super) group_index: Option<Value>,
    pub(super) chord: Option<Value>,
    pub(super) root_id: Option<Value>,
    pub(super) parent_id: Option<Value>,
    pub(super) reply_to: Option<Value>,
}

/// Gives a signature, and what it is composed of, ids.
pub(super) fn freeze(signature: &mut Signature, frozen: &Frozen) -> Result<(), DecodeError> {
    match signature.shape()? {
        Shape::Task => freeze_task(signature, frozen),
        Shape::Chain(tasks) => {
            let steps = freeze_parts(tasks, &[], frozen, &[])?;
            if let Some(id) = steps.last().and_then(|last| last.options.get("task_id")) {
                signature.options.insert("task_id".to_owned(), id.clone());
            }
            signature.kwargs.insert("tasks".to_owned(), values(steps));
        }
        Shape::Group(tasks) => {
            let id = frozen.group_id.clone().unwrap_or_else(|| new_id().into());
            let id = signature.options.entry("task_id").or_insert(id).clone();
            let tasks = freeze_members(tasks, &id, frozen)?;
            signature.kwargs.insert("tasks".to_owned(), values(tasks));
        }
        Shape::Chord { header, mut body } => {
            let group = header_id(signature).unwrap_or_else(|| new_id().into());
            let outer = Frozen { parent_id: None, ..frozen.clone() };
            freeze(&mut body, &outer)?;
            if let Some(id) = body.options.get("task_id") {
                signature.options.insert("task_id".to_owned(), id.clone());
            }
            let inner = Frozen {
                chord: Some(body.to_value()),
                root_id: frozen.root_id.clone(),
                parent_id: frozen.parent_id.clone(),
                reply_to: frozen.reply_to.clone(),
                ..Frozen::default()
            };
            let tasks = freeze_members(header, &group, &inner)?;
            let header = Signature::group(tasks).option("task_id", group);
            signature.kwargs.insert("header".to_owned(), header.to_value());
            signature.kwargs.insert("body".to_owned(), body.to_value());
        }
    }
    Ok(())
}

fn freeze_members(tasks: Vec<Signature>, group: &Value, frozen: &Frozen) -> Result<Vec<Signature>, DecodeError> {
    let mut flat = flattened(tasks)?;
    for (index, task) in flat.iter_mut().enumerate() {
        let frozen =
            Frozen { task_id: None, group_id: Some(group.clone()), group_index: Some(index.into()), ..frozen.clone() };
        freeze(task, &frozen)?;
    }
    Ok(flat)
}

fn freeze_task(signature: &mut Signature, frozen: &Frozen) {
    let options = &mut signature.options;
    let id = || frozen.task_id.clone().unwrap_or_else(|| json!(new_id()));
    options.entry("task_id").or_insert_with(id);
    let over = [
        ("root_id", &frozen.root_id),
        ("parent_id", &frozen.parent_id),
        ("chord", &frozen.chord),
        ("group_index", &frozen.group_index),
    ];
    for (name, value) in over {
        if let Some(value) = value {
            options.insert(name.to_owned(), value.clone());
        }
    }
    for (name, value) in [("group_id", &frozen.group_id), ("reply_to", &frozen.reply_to)] {
        if let Some(value) = value {
            options.entry(name).or_insert_with(|| value.clone());
        }
    }
}

/// The steps of a chain, in the order they run: chains within are taken apart, and a group with a step behind it becomes a
/// chord. The last step stands for the chain in its group.
pub(super) fn freeze_parts(
    tasks: Vec<Signature>,
    args: &[Value],
    frozen: &Frozen,
    link_error: &[Signature],
) -> Result<Vec<Signature>, DecodeError> {
    let mut steps: Vec<Signature> = Vec::new();
    // From the last to the first, as a group has to know what comes behind it.
    for mut step in unrolled(tasks)?.into_iter().rev() {
        let is_last = steps.is_empty();
        if let Shape::Group(header) = step.shape()?
            && !is_last
        {
            let body = steps.remove(0);
            let id = body.options.get("task_id").cloned();
            let group = step.options.clone();
            step = Signature::chord(header, body);
            if let Some(id) = group.get("task_id") {
                let header = step.kwargs.get("header").cloned().unwrap_or_default();
                let tasks = Signature::list_from(Some(&header))?;
                step.kwargs.insert("header".into(), Signature::group(tasks).option("task_id", id.clone()).to_value());
            }
            if let Some(id) = id {
                step.options.insert("task_id".to_owned(), id);
            }
        }
        let outermost = if is_last {
            Frozen { parent_id: None, ..frozen.clone() }
        } else {
            Frozen { root_id: frozen.root_id.clone(), reply_to: frozen.reply_to.clone(), ..Frozen::default() }
        };
        freeze(&mut step, &outermost)?;
        if !link_error.is_empty() {
            append_error(&mut step, link_error)?;
        }
        steps.insert(0, step);
    }
    if let Some(first) = steps.first_mut() {
        let given = std::mem::take(first);
        *first = given.after(args);
    }
    Ok(steps)
}

/// The steps with those of chains among them in their places, and groups of one as that one.
fn unrolled(tasks: Vec<Signature>) -> Result<Vec<Signature>, DecodeError> {
    let mut steps = Vec::with_capacity(tasks.len());
    for task in tasks {
        match task.shape()? {
            Shape::Chain(inner) => {
                let mut inner = unrolled(inner)?;
                if let Some(first) = inner.first_mut() {
                    let given = std::mem::take(first);
                    *first = given.after(&task.args);
                }
                steps.extend(inner);
            }
            Shape::Group(mut only) if only.len() == 1 => steps.extend(only.pop()),
            _ => steps.push(task),
        }
    }
    Ok(steps)
}

/// Who is told of a failure: the task, every task of a group, the body of a chord.
fn append_error(step: &mut Signature, errbacks: &[Signature]) -> Result<(), DecodeError> {
    match step.shape()? {
        Shape::Chord { mut body, .. } => {
            append(&mut body.options, "link_error", errbacks.to_vec())?;
            step.kwargs.insert("body".to_owned(), body.to_value());
            Ok(())
        }
        Shape::Group(mut tasks) => {
            for task in &mut tasks {
                append(&mut task.options, "link_error", errbacks.iter().cloned().map(Signature::immutable).collect())?;
            }
            step.kwargs.insert("tasks".to_owned(), values(tasks));
            Ok(())
        }
        _ => append(&mut step.options, "link_error", errbacks.to_vec()),
    }
}
