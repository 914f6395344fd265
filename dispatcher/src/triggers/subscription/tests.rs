//! What subscriptions are about, and what is told about those that cannot be used.

use super::*;

fn read(value: Value) -> Subscription {
    let mut problems = Problems::default();
    let read = Subscription::read(value, &mut problems);
    read.unwrap_or_else(|| panic!("{:?}", problems.into_list()))
}

fn event(kind: &str, data: Value) -> Event {
    let whole = json!({ "id": "1", "source": "here", "type": kind, "data": data });
    Event::read(whole, "$", &mut Problems::default()).unwrap()
}

fn places(value: Value) -> Vec<String> {
    let mut problems = Problems::default();
    assert_eq!(Subscription::read(value, &mut problems), None);
    problems.into_list().into_iter().map(|problem| problem.path).collect()
}

#[test]
fn what_is_left_out_has_its_usual_value_and_what_is_shown_can_be_put_again() {
    let subscription = read(json!({ "types": ["a"], "workflow": "w" }));
    let expected = json!({ "types": ["a"], "filter": [], "workflow": "w", "input": null, "document": null, "file_name": null,
        "request": null, "priority": 0, "enabled": true, "description": "" });
    assert_eq!(subscription.shown, expected);
    assert_eq!(read(expected), subscription);
    assert_eq!(read(json!({ "types": ["a"], "document": "data.key" })).workflow, PIPELINE);
}

#[test]
fn types_are_exact_or_a_beginning() {
    let subscription = read(json!({ "types": ["order.paid", "invoice.*"], "workflow": "w" }));
    for (kind, wanted) in [("order.paid", true), ("order.paid2", false), ("invoice.x", true), ("invoice", false)] {
        assert_eq!(subscription.wants(&event(kind, Value::Null)), wanted, "{kind}");
    }
    assert!(read(json!({ "types": ["*"], "workflow": "w" })).wants(&event("anything", Value::Null)));
}

#[test]
fn all_conditions_have_to_hold_and_those_that_do_not_are_named() {
    let subscription = read(json!({ "types": ["a"], "workflow": "w", "filter": [
        { "path": "data.total", "op": "gt", "value": 100 }, { "path": "data.currency", "op": "eq", "value": "EUR" }] }));
    assert!(subscription.wants(&event("a", json!({ "total": 101, "currency": "EUR" }))));
    let poor = event("b", json!({ "total": 7, "currency": "EUR" }));
    assert!(!subscription.wants(&poor));
    let misses = subscription.misses(&poor);
    assert_eq!(misses, ["the type \"b\" is none of its types", "filter[0] does not hold of data.total"]);
}

#[test]
fn of_a_bucket_only_pdfs_are_documents_unless_a_filter_says_what_is() {
    let usual = read(json!({ "types": ["s3.*"], "document": "data.key" }));
    let object = |key: &str| event(s3::CREATED, json!({ "key": key }));
    assert!(usual.wants(&object("imports/acme/A.PDF")) && !usual.wants(&object("imports/acme/a.txt")));
    assert_eq!(usual.misses(&object("imports/acme/a.txt")).len(), 1);
    let filter = json!([{ "path": "data.key", "op": "suffix", "value": ".txt" }]);
    let filtered = read(json!({ "types": ["s3.*"], "document": "data.key", "filter": filter }));
    assert!(filtered.wants(&object("imports/acme/a.txt")));
    assert!(read(json!({ "types": ["s3.*"], "workflow": "w" })).wants(&object("a.txt")), "no document is read there");
}

#[test]
fn everything_wrong_with_a_subscription_is_told_at_once() {
    let bad = json!({ "types": [], "filter": [{ "path": "a", "op": "like", "value": 1 }], "document": "a..b", "input": 1,
        "request": { "outputs": [{ "name": "x", "prompt": "?", "type": "colour" }] }, "priority": "high", "enabled": 1,
        "workflow": "mine", "colour": "red", "description": "x".repeat(1_001) });
    let found = places(bad);
    for place in [
        "$.types",
        "$.filter[0].op",
        "$.document",
        "$.input",
        "$.priority",
        "$.enabled",
        "$.workflow",
        "$.colour",
        "$.description",
    ] {
        assert!(found.iter().any(|path| path == place), "{place} is not in {found:?}");
    }
    let request = json!({ "types": ["a"], "document": "data.key", "request": { "outputs": [{ "name": "x", "prompt": "?", "type": "colour" }] } });
    assert_eq!(places(request), ["$.request.outputs[0].type"]);
    assert_eq!(
        places(json!({ "types": ["a*b", "", "**"], "workflow": "w" })),
        ["$.types[0]", "$.types[1]", "$.types[2]"]
    );
    assert_eq!(places(json!({ "types": ["a"] })), ["$.workflow"]);
    assert_eq!(places(json!({ "types": ["a"], "workflow": PIPELINE })), ["$.document"]);
    assert_eq!(
        places(json!({ "types": ["a"], "workflow": "w", "request": {}, "file_name": "id" })),
        ["$.file_name", "$.request"]
    );
    assert_eq!(places(json!(["types"])), ["$", "$.types", "$.workflow"]);
}
