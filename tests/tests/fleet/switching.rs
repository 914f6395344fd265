//! What operators are promised about backends: they choose where runs go, try, compare and switch without a restart.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::{RunId, RunState, Workflow};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::courier::Courier;
use crate::door::{Door, json as json_of};
use crate::harness::{First, Second, TestFleet, deed};
use crate::world::World;

/// A choice is in effect everywhere within this.
const SWITCHED: Duration = Duration::from_secs(2);

/// A fleet with a courier, whose only task gives back its input but for how it came; and a door to it. On `"odd"` the courier
/// makes a difference, on `"fragile"` things break with it, and `"hang"` never ends.
async fn fleet_with_courier(world: &World) -> (TestFleet, Courier, Door, Workflow) {
    let (fleet, courier) = TestFleet::start_with_courier(world, |worker| {
        worker.register::<First>(deed(|ctx, _| {
            Box::pin(async move {
                let protocol::Payload::Inline(mut input) = ctx.job().input.clone() else { panic!("a small input") };
                let via = input.as_object_mut().and_then(|input| input.remove("via"));
                if input["hang"] == true {
                    std::future::pending::<()>().await;
                }
                if input["fragile"] == true && via.is_some() {
                    return Err(protocol::TaskError::permanent("broken", "it broke on the way").into());
                }
                let difference = if input["odd"] == true { via } else { None };
                Ok(json!({ "input": input, "run": ctx.job().run_id, "via": difference }))
            })
        }))
    })
    .await;
    let mut flow = Workflow::named("echo");
    let _ = flow.task::<First>().add();
    fleet.fleet.register(&flow).await.unwrap();
    let door = Door::open(&fleet).await;
    (fleet, courier, door, flow)
}

/// The name that our own engine goes by here.
fn own(fleet: &TestFleet) -> &'static str {
    fleet.fleet.roster().own().as_str()
}

async fn choose(door: &Door, choice: &Value) -> (StatusCode, Value) {
    let answer = door.call(Method::PUT, "/api/v1/backends/choice").json(choice).send().await.unwrap();
    (answer.status(), json_of(answer).await)
}

/// Starts runs of that workflow, and waits for their ends.
async fn run_all(fleet: &TestFleet, door: &Door, inputs: &[Value], expected: RunState) -> Vec<RunId> {
    let runs: Vec<Value> = inputs.iter().map(|input| json!({ "workflow": "echo", "input": input })).collect();
    let answer = door.call(Method::POST, "/api/v1/runs").json(&json!({ "runs": runs })).send().await.unwrap();
    let answer = json_of(answer).await;
    let ids = answer["runs"].as_array().unwrap().iter();
    let ids: Vec<RunId> = ids.map(|run| serde_json::from_value(run["run_id"].clone()).unwrap()).collect();
    for id in &ids {
        fleet.ends(*id, expected).await;
    }
    ids
}

/// How many listed runs are on which backend.
async fn spread(door: &Door, query: &str) -> BTreeMap<String, usize> {
    let list = json_of(door.get(&format!("/api/v1/runs?limit=500{query}")).await).await;
    let mut spread = BTreeMap::new();
    for run in list["runs"].as_array().unwrap() {
        *spread.entry(run["backend"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    spread
}

/// Waits until every run that is listed, shadows too, has ended.
async fn until_all_ended(door: &Door) {
    let started = tokio::time::Instant::now();
    loop {
        let open = json_of(door.get("/api/v1/runs?shadows=true&state=queued,running").await).await;
        if open["runs"] == json!([]) {
            return;
        }
        assert!(started.elapsed() < crate::door::PATIENCE, "runs do not end: {open}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) async fn runs_are_split_as_operators_say_and_listed_by_backend(world: &World) {
    let (fleet, _, door, _) = fleet_with_courier(world).await;
    let half = format!("{}:50,celery:50", own(&fleet));
    let (status, shown) = choose(&door, &json!({ "default": half })).await;
    assert_eq!((status, &shown["choice"]["default"]), (StatusCode::OK, &json!(half)), "{shown}");

    let runs = run_all(&fleet, &door, &vec![json!({}); 200], RunState::Succeeded).await;

    let counts = spread(&door, "").await;
    assert_eq!(counts.values().sum::<usize>(), 200);
    assert!(counts.values().all(|count| (60..=140).contains(count)), "half each: {counts:?}");
    let celery = spread(&door, "&backend=celery").await;
    assert_eq!((celery.len(), celery["celery"]), (1, counts["celery"]));
    let status = json_of(door.get(&format!("/api/v1/runs/{}", runs[0])).await).await;
    assert!(counts.contains_key(status["backend"].as_str().unwrap()), "{status}");
    assert_eq!(status["shadow_of"], json!(null));
    door.close().await;
    fleet.stop().await;
}

pub(crate) async fn a_switch_holds_for_every_dispatcher_without_a_restart_and_is_taken_back(world: &World) {
    let (fleet, courier, door, flow) = fleet_with_courier(world).await;
    let other = Door::open_with(fleet.another_dispatcher()).await;
    // It has looked at the choice as it was, and believes it for a moment.
    let before = other.start(&flow, &json!({})).await;
    assert_eq!(fleet.ends(before, RunState::Succeeded).await.run.backend.as_str(), own(&fleet));

    let (status, shown) = choose(&door, &json!({ "workflows": { "echo": "celery" } })).await;
    assert_eq!(status, StatusCode::OK, "{shown}");
    assert_eq!(shown["said"], json!({ "workflows": { "echo": "celery" } }));
    assert!(courier.knows("echo"));
    // The promise is about time, not about a condition that could be waited for.
    tokio::time::sleep(SWITCHED).await;
    let switched = other.start(&flow, &json!({})).await;
    assert_eq!(fleet.ends(switched, RunState::Succeeded).await.run.backend.as_str(), "celery");

    let reset = door.call(Method::DELETE, "/api/v1/backends/choice").send().await.unwrap();
    assert_eq!(json_of(reset).await["said"], json!({}));
    tokio::time::sleep(SWITCHED).await;
    let back = other.start(&flow, &json!({})).await;
    assert_eq!(fleet.ends(back, RunState::Succeeded).await.run.backend.as_str(), own(&fleet));
    assert_eq!(fleet.record(switched).await.run.backend.as_str(), "celery", "runs stay where they are");
    let audit = json_of(door.get("/api/v1/audit").await).await;
    let actions: Vec<&Value> = audit["entries"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["backends.reset", "backends.chosen"]);
    other.close().await;
    door.close().await;
    fleet.stop().await;
}

pub(crate) async fn a_backend_that_cannot_do_it_is_refused_by_name_and_nothing_changes(world: &World) {
    let (fleet, _, door, _) = fleet_with_courier(world).await;
    let mut mapped = Workflow::named("mapped");
    let first = mapped.task::<First>().add();
    let _ = mapped.task::<Second>().map_over(&first).add();
    fleet.fleet.register(&mapped).await.unwrap();
    let before = json_of(door.get("/api/v1/backends").await).await;

    for (choice, paths) in [
        (json!({ "default": "temporal" }), vec!["$.default"]),
        (json!({ "default": "celery" }), vec!["$.default"]),
        (
            json!({ "workflows": { "mapped": format!("{}:1,celery:1", own(&fleet)) }, "shadows": { "echo": "hatchet:1" } }),
            vec!["$.workflows.mapped", "$.shadows.echo"],
        ),
    ] {
        let (status, problem) = choose(&door, &choice).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("backend_unfit")),
            "{problem}"
        );
        let found: Vec<&Value> = problem["errors"].as_array().unwrap().iter().map(|error| &error["path"]).collect();
        assert_eq!(found, paths, "{problem}");
    }
    let (_, problem) = choose(&door, &json!({ "workflows": { "mapped": "celery" } })).await;
    let message = problem["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("fan_out (\"map_over\" of task \"second\")"), "{message}");
    let (_, problem) = choose(&door, &json!({ "default": "sidekiq", "workflows": { "ecko": "celery" } })).await;
    assert_eq!((&problem["code"], problem["errors"].as_array().unwrap().len()), (&json!("request_invalid"), 2));
    assert_eq!(json_of(door.get("/api/v1/backends").await).await, before);

    // Once runs go there, workflows that could not follow are not taken in.
    let (status, _) = choose(&door, &json!({ "workflows": { "echo": "celery" } })).await;
    assert_eq!(status, StatusCode::OK);
    mapped.name = "echo".to_owned();
    mapped.version = 2;
    let refused = door.call(Method::POST, "/api/v1/workflows").json(&mapped).send().await.unwrap();
    assert_eq!(json_of(refused).await["code"], "backend_unfit");
    door.close().await;
    fleet.stop().await;
}

pub(crate) async fn one_run_may_try_a_backend(world: &World) {
    let (fleet, courier, door, _) = fleet_with_courier(world).await;
    let order = |backend: &str| json!({ "workflow": "echo", "input": {}, "backend": backend });
    let submit = async |body: &Value| {
        let answer = door.call(Method::POST, "/api/v1/runs").json(body).send().await.unwrap();
        (answer.status(), json_of(answer).await)
    };

    let (status, accepted) = submit(&order("celery")).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{accepted}");
    let run = serde_json::from_value(accepted["run_id"].clone()).unwrap();
    assert_eq!(fleet.ends(run, RunState::Succeeded).await.run.backend.as_str(), "celery");
    assert!(courier.knows("echo"));

    let (status, problem) = submit(&order("temporal")).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("backend_unfit")), "{problem}");
    assert_eq!(problem["errors"][0]["path"], "$.backend");
    let (status, problem) = submit(&order("sidekiq")).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("request_invalid")), "{problem}");
    let some = json!({ "runs": [order("celery"), order("temporal")], "partial": true });
    let (status, answer) = submit(&some).await;
    assert_eq!((status, &answer["started"], &answer["refused"]), (StatusCode::ACCEPTED, &json!(1), &json!(1)));
    assert_eq!(answer["runs"][1]["problem"]["errors"][0]["path"], "$.runs[1].backend");
    until_all_ended(&door).await;
    door.close().await;
    fleet.stop().await;
}

pub(crate) async fn shadows_repeat_runs_unseen_and_are_compared(world: &World) {
    let (fleet, _, door, _) = fleet_with_courier(world).await;
    let (status, shown) = choose(&door, &json!({ "shadows": { "echo": "celery" } })).await;
    assert_eq!(status, StatusCode::OK, "{shown}");
    let equal = vec![json!({ "a": 1 }); 5];
    run_all(&fleet, &door, &equal, RunState::Succeeded).await;
    let odd = run_all(&fleet, &door, &[json!({ "odd": true })], RunState::Succeeded).await;
    run_all(&fleet, &door, &[json!({ "fragile": true })], RunState::Succeeded).await;
    until_all_ended(&door).await;

    assert_eq!(
        spread(&door, "").await,
        BTreeMap::from([(own(&fleet).to_owned(), 7)]),
        "callers see their own runs alone"
    );
    let all = BTreeMap::from([("celery".to_owned(), 7), (own(&fleet).to_owned(), 7)]);
    assert_eq!(spread(&door, "&shadows=true").await, all);
    let report = json_of(door.get("/api/v1/backends/comparison?since=1h&workflow=echo").await).await;
    assert_eq!((&report["runs"], &report["truncated"]), (&json!(14), &json!(false)), "{report}");
    let [native, courier] = &report["backends"].as_array().unwrap()[..] else { panic!("{report}") };
    for (line, name, shadows, succeeded, failed) in [(native, own(&fleet), 0, 7, 0), (courier, "celery", 7, 6, 1)] {
        assert_eq!((&line["backend"], &line["runs"]), (&json!(name), &json!(7)), "{line}");
        assert_eq!((&line["shadows"], &line["succeeded"]), (&json!(shadows), &json!(succeeded)), "{line}");
        assert_eq!((&line["failed"], &line["under_way"]), (&json!(failed), &json!(0)), "{line}");
        assert!(line["latency_seconds"]["p99"].as_f64().unwrap() >= line["latency_seconds"]["p50"].as_f64().unwrap());
    }
    assert_eq!((&native["failure_rate"], &courier["failure_rate"]), (&json!(0.0), &json!(0.143)));
    let [pair] = &report["pairs"].as_array().unwrap()[..] else { panic!("{report}") };
    assert_eq!((&pair["backend"], &pair["shadow"], &pair["pairs"]), (&json!(own(&fleet)), &json!("celery"), &json!(7)));
    assert_eq!((&pair["equal"], &pair["different"], &pair["one_failed"]), (&json!(5), &json!(1), &json!(1)), "{pair}");
    let [difference] = &pair["differences"].as_array().unwrap()[..] else { panic!("{pair}") };
    assert_eq!((&difference["run_id"], &difference["at"]), (&json!(odd[0]), &json!("$.first.via")));
    let shadow = difference["shadow_run_id"].as_str().unwrap();
    let shadow = json_of(door.get(&format!("/api/v1/runs/{shadow}")).await).await;
    assert_eq!((&shadow["backend"], &shadow["shadow_of"]), (&json!("celery"), &json!(odd[0])));
    let nothing = json_of(door.get("/api/v1/backends/comparison?workflow=other").await).await;
    assert_eq!((&nothing["backends"], &nothing["pairs"]), (&json!([]), &json!([])));
    door.close().await;
    fleet.stop().await;
}

pub(crate) async fn a_signal_reaches_the_backend_of_a_run_under_way(world: &World) {
    let (fleet, courier, door, flow) = fleet_with_courier(world).await;
    let signal = async |run: RunId, body: &'static str| {
        let path = format!("/api/v1/runs/{run}/signals/approved");
        let answer = door.call(Method::POST, &path).body(body).send().await.unwrap();
        (answer.status().as_u16(), json_of(answer).await)
    };
    let native = door.start(&flow, &json!({ "hang": true })).await;
    let (status, problem) = signal(native, "{}").await;
    assert_eq!((status, &problem["code"]), (422, &json!("backend_unfit")), "our own engine says so: {problem}");

    let (status, _) = choose(&door, &json!({ "default": "celery" })).await;
    assert_eq!(status, StatusCode::OK);
    let run = door.start(&flow, &json!({ "hang": true })).await;
    assert_eq!(signal(run, r#"{"by": "ann"}"#).await, (202, json!({ "run_id": run, "signal": "approved" })));
    assert_eq!(signal(run, "").await.0, 202);
    let expected = [(run, "approved".to_owned(), json!({ "by": "ann" })), (run, "approved".to_owned(), json!(null))];
    assert_eq!(courier.signals(), expected);

    assert_eq!(signal(RunId::new(), "{}").await.1["code"], "no_such_run");
    assert_eq!(signal(run, "{").await.1["code"], "request_not_json");
    for run in [native, run] {
        let ended = door.call(Method::POST, &format!("/api/v1/runs/{run}/cancel")).send().await.unwrap();
        assert_eq!(ended.status(), StatusCode::OK);
    }
    let (status, problem) = signal(run, "{}").await;
    assert_eq!((status, &problem["code"]), (409, &json!("run_ended")), "{problem}");
    door.close().await;
    fleet.stop().await;
}

pub(crate) async fn operators_see_how_backends_are_and_what_they_can_do(world: &World) {
    let (fleet, courier, door, _) = fleet_with_courier(world).await;
    let shown = json_of(door.get("/api/v1/backends").await).await;
    assert_eq!(shown["own"], own(&fleet));
    let of = |shown: &Value, name: &str| {
        shown["backends"].as_array().unwrap().iter().find(|one| one["name"] == name).cloned().unwrap()
    };
    let (native, celery) = (of(&shown, own(&fleet)), of(&shown, "celery"));
    assert_eq!(
        (&native["connected"], &native["healthy"], &native["reason"]),
        (&json!(true), &json!(true), &json!(null))
    );
    assert_eq!(native["capabilities"]["signals"]["support"], "missing");
    assert_eq!(celery["capabilities"]["retries"], json!({ "support": "native" }));
    assert_eq!(celery["capabilities"]["signals"], json!({ "support": "emulated", "note": "kept in memory" }));
    assert_eq!(celery["capabilities"]["fan_out"]["support"], "missing");
    let temporal = of(&shown, "temporal");
    assert_eq!((&temporal["connected"], &temporal["healthy"]), (&json!(false), &json!(null)));
    assert!(temporal["reason"].as_str().unwrap().contains("--temporal-url"), "{temporal}");

    courier.fall_ill("no stamps left");
    let ill = of(&json_of(door.get("/api/v1/backends").await).await, "celery");
    assert_eq!((&ill["healthy"], &ill["reason"]), (&json!(false), &json!("no stamps left")));
    door.close().await;
    fleet.stop().await;
}
