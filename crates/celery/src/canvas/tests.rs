use super::*;

fn caller() -> Caller {
    Caller {
        root_id: Some("root".into()),
        parent_id: Some("parent".into()),
        reply_to: Some("replies".into()),
        now: Timestamp::UNIX_EPOCH,
    }
}

fn sig(name: &str) -> Signature {
    Signature::new(name, [])
}

fn planned(signature: &Signature, args: &[Value]) -> Plan {
    plan(signature, args, Options::new(), &caller()).unwrap()
}

#[test]
fn a_chain_is_its_first_task_with_the_rest_in_reverse() {
    let plan = planned(&Signature::chain([sig("a"), sig("b"), sig("c")]), &[json!(1)]);
    let [Send { message, .. }] = plan.sends.as_slice() else { panic!("{plan:?}") };
    assert_eq!((message.task.as_str(), message.args.as_slice()), ("a", &[json!(1)][..]));
    let rest: Vec<&str> = message.embed.chain.iter().map(|step| step.task.as_str()).collect();
    assert_eq!(rest, ["c", "b"]);
    assert_eq!(plan.last.as_deref(), message.embed.chain[0].text("task_id"));
    assert_eq!(message.root_id.as_deref(), Some("root"));
    assert_eq!(plan.children, [json!([[message.id, null], null])]);
}

#[test]
fn chains_within_chains_are_one_chain() {
    let inner = Signature::chain([sig("b"), sig("c")]);
    let plan = planned(&Signature::chain([sig("a"), inner, sig("d")]), &[]);
    let rest: Vec<&str> = plan.sends[0].message.embed.chain.iter().map(|step| step.task.as_str()).collect();
    assert_eq!(rest, ["d", "c", "b"]);
}

#[test]
fn every_member_of_a_group_knows_its_place() {
    let plan = planned(&Signature::group([sig("a"), sig("b")]), &[json!(7)]);
    let places: Vec<_> = plan.sends.iter().map(|send| send.message.group_index).collect();
    assert_eq!(places, [Some(0), Some(1)]);
    assert_eq!(plan.sends[0].message.group, plan.sends[1].message.group);
    assert!(plan.chords.is_empty());
    assert_eq!(plan.sends[1].message.args, [json!(7)]);
}

#[test]
fn the_members_of_a_chord_carry_its_body() {
    let chord = Signature::chord([sig("a"), Signature::chain([sig("b"), sig("c")])], sig("sum"));
    let plan = planned(&chord, &[]);
    let (group, size) = plan.chords.first().unwrap();
    assert_eq!((*size, plan.sends.len()), (2, 2));
    let first = &plan.sends[0].message;
    assert_eq!(first.group.as_ref(), Some(group));
    assert_eq!(first.embed.chord.as_ref().unwrap().text("task_id"), plan.last.as_deref());
    let chain = &plan.sends[1].message;
    assert_eq!(chain.embed.chord, None, "only the last step of a chain counts for the chord");
    let last = &chain.embed.chain[0];
    assert!(last.options.contains_key("chord") && last.options["group_index"] == 1, "{last:?}");
}

#[test]
fn a_group_with_a_step_behind_it_is_a_chord_and_the_rest_comes_after_its_body() {
    let chain = Signature::chain([Signature::group([sig("a"), sig("b")]), sig("sum"), sig("report")]);
    let plan = planned(&chain, &[]);
    assert_eq!(plan.chords.len(), 1);
    assert_eq!(plan.sends.len(), 2);
    let body = plan.sends[0].message.embed.chord.clone().unwrap();
    assert_eq!(body.task, "sum");
    let after = Signature::list_from(body.options.get("chain")).unwrap();
    assert_eq!(after[0].task, "report");
    assert_eq!(after[0].text("task_id"), plan.last.as_deref());
    assert!(plan.sends[0].message.embed.chain.is_empty());
}

#[test]
fn an_empty_chord_is_its_body() {
    let plan = planned(&Signature::chord([], sig("sum")), &[]);
    assert_eq!(plan.sends[0].message.args, [json!([])]);
}

#[test]
fn options_say_when_where_and_how() {
    let signature = sig("a").queue("fast").option("countdown", 10).option("priority", 7).option("time_limit", 1.5);
    let plan = planned(&signature, &[]);
    let Send { message, route } = &plan.sends[0];
    assert_eq!(*route, Route::Queue("fast".into()));
    assert_eq!((message.eta.unwrap().as_second(), message.priority), (10, Some(7)));
    assert_eq!(message.limits.hard, Some(std::time::Duration::from_millis(1500)));
    assert_eq!(message.reply_to.as_deref(), Some("replies"));
}

#[test]
fn several_callbacks_go_side_by_side() {
    let plan = plan_all(&[sig("a"), sig("b").immutable()], &[json!(1)], &caller()).unwrap();
    let args: Vec<_> = plan.sends.iter().map(|send| send.message.args.len()).collect();
    assert_eq!(args, [1, 0]);
}

#[test]
fn broken_compositions_are_errors() {
    let broken = Signature { task: "celery.chord".into(), ..Signature::default() };
    assert!(plan(&broken, &[], Options::new(), &caller()).is_err());
    let nested = Signature { kwargs: json!({"tasks": [1]}).as_object().unwrap().clone(), ..Signature::chain([]) };
    assert!(plan(&nested, &[], Options::new(), &caller()).is_err());
}
