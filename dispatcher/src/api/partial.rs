//! `POST /api/v1/runs` with `"partial": true`: of many runs, those are started that can be.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use protocol::TenantId;
use protocol::shape::Problems;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::again::refusal;
use super::orders::{self, Unusable};
use super::runs::Accepted;
use super::{Api, Problem, auth, documents, switching};

/// What became of many runs.
#[derive(Serialize, ToSchema)]
pub(super) struct Partial {
    /// How many were started, or had been by their key.
    started: usize,
    /// How many were not.
    refused: usize,
    /// What became of each, in order.
    runs: Vec<Started>,
}

/// What became of one run.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Started {
    /// It was started.
    Run(Accepted),
    /// It was not.
    Refused {
        /// Why.
        problem: Problem,
    },
}

/// Marks an answer with an error's status whose body says what is wrong in its own way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Explained;

/// Starts what can be started of these entries: 202 when any was, 422 when none was.
pub(super) async fn submit(api: &Api, tenant: &TenantId, entries: Vec<Value>) -> Result<Response, Problem> {
    let mut unusable: BTreeMap<String, Option<Unusable>> = BTreeMap::new();
    let mut outcomes: Vec<Option<Started>> = Vec::with_capacity(entries.len());
    let mut orders = Vec::with_capacity(entries.len());
    for (place, entry) in entries.into_iter().enumerate() {
        let mut problems = Problems::default();
        let path = format!("$.runs[{place}]");
        let of_document = entry.get("document").is_some();
        let order = if of_document {
            documents::order(api, tenant, entry, &path, &mut problems).await?
        } else {
            orders::order(entry, &path, &mut problems)
        };
        if let Some(order) = order.as_ref().filter(|_| !of_document) {
            if !unusable.contains_key(&order.workflow) {
                unusable.insert(order.workflow.clone(), orders::unusable(api, &order.workflow).await?);
            }
            if let Some(Some(Unusable { message, fix })) = unusable.get(&order.workflow) {
                problems.report(format!("{path}.workflow"), message, *fix);
            }
        }
        if let Some(order) = order.as_ref().filter(|_| problems.is_empty())
            && let Some(reason) = orders::unfit(api, order).await?
        {
            problems.report(format!("{path}.{}", orders::BACKEND), reason.to_string(), switching::fix(&reason));
            outcomes.push(Some(Started::Refused { problem: orders::misplaced(problems) }));
            continue;
        }
        match order {
            Some(order) if problems.is_empty() => {
                orders.push(order);
                outcomes.push(None);
            }
            _ => outcomes.push(Some(Started::Refused { problem: orders::invalid(problems) })),
        }
    }
    auth::count_runs(api, tenant, orders.len()).await?;
    let mut recorded = api.desk.submit_each(tenant, orders).await?.into_iter();
    let of_ledger = || {
        recorded.next().map(|outcome| match outcome {
            Ok(submitted) => Started::Run(Accepted::of(&submitted)),
            Err(refused) => Started::Refused { problem: refusal(api, refused) },
        })
    };
    let runs: Vec<Started> = outcomes
        .into_iter()
        .filter_map({
            let mut of_ledger = of_ledger;
            move |outcome| outcome.or_else(&mut of_ledger)
        })
        .collect();
    let started = runs.iter().filter(|one| matches!(one, Started::Run(_))).count();
    let status = if started > 0 { StatusCode::ACCEPTED } else { StatusCode::UNPROCESSABLE_ENTITY };
    let mut response = (status, Json(Partial { started, refused: runs.len() - started, runs })).into_response();
    response.extensions_mut().insert(Explained);
    Ok(response)
}
