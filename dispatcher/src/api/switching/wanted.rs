//! A choice of backends as somebody wants it, read with every problem told by its path.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use backends::choice::{Choice, Shadow, Split};
use backends::roster::Unfit;
use protocol::Backend;
use protocol::shape::{Field, Problems};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::codes::Code;
use super::super::{Api, Problem, workflows};

/// Most workflows that a choice may name.
const MOST: usize = 1_000;

const FIELDS: &[Field] = &[
    Field::of::<Option<String>>("default", "backends with their shares, such as \"fleet:90,celery:10\""),
    Field::of::<Option<Map<String, Value>>>("workflows", "an object of backends by the name of a workflow"),
    Field::of::<Option<Map<String, Value>>>("shadows", "an object of shadows by the name of a workflow"),
];

/// Where new runs go. What is left out is as configured.
#[derive(ToSchema)]
#[schema(as = BackendChoice)]
#[expect(dead_code, reason = "describes a body, which is read with every problem told by its path")]
pub(in crate::api) struct WantedChoice {
    /// Of every workflow that is not named: one backend, or several with their shares: `fleet:90,celery:10`.
    #[schema(example = "fleet:90,celery:10")]
    default: Option<String>,
    /// Of these workflows, in the same form.
    workflows: Option<BTreeMap<String, String>>,
    /// Which backend repeats runs of these workflows to be compared, in how many of a hundred: `temporal:10`, or `temporal`
    /// for all; with `:0` none, whatever is configured.
    shadows: Option<BTreeMap<String, String>>,
}

/// The choice that a body asks for, if everything that it names is there and fit.
pub(super) async fn read(api: &Api, value: Value) -> Result<Choice, Problem> {
    let mut problems = Problems::default();
    let choice = choice(value, &mut problems);
    let mut unfit = Problems::default();
    for (place, only, backend) in named(&choice) {
        if let Some(name) = only
            && (workflows::is_internal(name) || workflows::find(api, name).await?.is_none())
        {
            let message = format!("there is no workflow {name:?} whose backend can be chosen");
            problems.report(place, message, "name one that GET /api/v1/workflows lists");
            continue;
        }
        for reason in misfits(api, backend, only).await? {
            unfit.report(&place, reason.to_string(), fix(&reason));
        }
    }
    if !problems.is_empty() {
        let detail = "the choice cannot be used as it is; nothing was changed";
        return Err(Problem::invalid(Code::RequestInvalid, detail, problems.into_list()));
    }
    if !unfit.is_empty() {
        let detail = "a backend that it names cannot do it; nothing was changed";
        return Err(Problem::invalid(Code::BackendUnfit, detail, unfit.into_list()));
    }
    Ok(choice)
}

/// Why a backend cannot take runs of a workflow, or of all that are known; once for each workflow.
async fn misfits(api: &Api, backend: Backend, only: Option<&str>) -> Result<Vec<Unfit>, Problem> {
    let roster = api.fleet.roster();
    if let Err(reason) = roster.capabilities(backend) {
        return Ok(vec![reason.into()]);
    }
    let known = api.fleet.workflows().await?;
    let meant = known.iter().filter(|one| only.map_or(!workflows::is_internal(&one.name), |only| one.name == only));
    Ok(meant.filter_map(|workflow| roster.fits(backend, workflow).err()).collect())
}

/// What can be done about an unfit backend.
pub(in crate::api) const fn fix(reason: &Unfit) -> &'static str {
    match reason {
        Unfit::NotConnected(_) => {
            "start the dispatchers with it, or name one that GET /api/v1/backends shows as connected"
        }
        Unfit::Lacking(_) => "change the workflow, or leave it where it is by naming it in \"workflows\"",
    }
}

/// What the JSON says, without what is wrong with it.
fn choice(mut value: Value, problems: &mut Problems) -> Choice {
    problems.check(&mut value, "$", FIELDS);
    let default = value.get("default").and_then(Value::as_str).and_then(|text| parsed("$.default", text, problems));
    Choice {
        default,
        workflows: entries::<Split>(&value, "workflows", problems),
        shadows: entries::<Shadow>(&value, "shadows", problems),
    }
}

fn entries<T: FromStr<Err: Display>>(value: &Value, field: &str, problems: &mut Problems) -> BTreeMap<String, T> {
    let mut read = BTreeMap::new();
    let Some(entries) = value.get(field).and_then(Value::as_object) else { return read };
    if entries.len() > MOST {
        problems.report(
            format!("$.{field}"),
            format!("names {} workflows", entries.len()),
            format!("name at most {MOST}"),
        );
        return read;
    }
    for (name, entry) in entries {
        // Names of workflows are short; what is none must not flood the answer.
        let place = format!("$.{field}.{}", name.chars().take(64).collect::<String>());
        match entry.as_str() {
            Some(text) => read.extend(parsed(&place, text, problems).map(|entry| (name.clone(), entry))),
            None => problems.report(place, "must be a text", "write it as \"temporal\" or \"fleet:90,celery:10\""),
        }
    }
    read
}

fn parsed<T: FromStr<Err: Display>>(place: &str, text: &str, problems: &mut Problems) -> Option<T> {
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            problems.report(place, error.to_string(), "write it as \"temporal\" or \"fleet:90,celery:10\"");
            None
        }
    }
}

/// Every backend that a choice names: where, for which workflow, which. One without a share gets no runs, but has to be there.
fn named(choice: &Choice) -> Vec<(String, Option<&str>, Backend)> {
    let default =
        choice.default.iter().flat_map(Split::backends).map(|backend| ("$.default".to_owned(), None, backend));
    let mut all: Vec<(String, Option<&str>, Backend)> = default.collect();
    for (name, split) in &choice.workflows {
        let place = format!("$.workflows.{name}");
        all.extend(split.backends().map(|backend| (place.clone(), Some(name.as_str()), backend)));
    }
    for (name, shadow) in &choice.shadows {
        all.push((format!("$.shadows.{name}"), Some(name.as_str()), shadow.backend));
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_that_is_wrong_is_named_by_its_path() {
        let body = json!({
            "default": "sidekiq", "workflows": { "a": "fleet:x", "b": 7, "c": "temporal" },
            "shadows": { "c": "celery:101", "d": "celery:5" }, "defualt": "fleet"
        });
        let mut problems = Problems::default();
        let choice = choice(body, &mut problems);
        let paths: Vec<String> = problems.into_list().into_iter().map(|problem| problem.path).collect();
        assert_eq!(paths, ["$.defualt", "$.default", "$.workflows.a", "$.workflows.b", "$.shadows.c"]);
        let named: Vec<_> = named(&choice).into_iter().map(|(place, ..)| place).collect();
        assert_eq!(named, ["$.workflows.c", "$.shadows.d"]);
    }

    #[test]
    fn what_is_left_out_or_null_is_as_configured() {
        for body in [json!({}), json!({ "default": null, "workflows": null, "shadows": {} })] {
            let mut problems = Problems::default();
            assert_eq!(choice(body.clone(), &mut problems), Choice::default());
            assert!(problems.is_empty(), "{body}");
        }
    }
}
