use proptest::prelude::*;
use serde_json::json;

use super::*;

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z_]{1,8}", inner), 0..4).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

fn signature() -> impl Strategy<Value = Signature> {
    ("[a-z.]{1,12}", prop::collection::vec(json_value(), 0..3), any::<bool>())
        .prop_map(|(task, args, immutable)| Signature { immutable, ..Signature::new(task, args).queue("elsewhere") })
}

prop_compose! {
    fn message()(
        args in prop::collection::vec(json_value(), 0..4),
        kwargs in prop::collection::vec(("[a-z]{1,6}", json_value()), 0..3),
        chain in prop::collection::vec(signature(), 0..3),
        callbacks in prop::collection::vec(signature(), 0..2),
        chord in prop::option::of(signature()),
        seconds in prop::option::of(0_i64..4_000_000_000),
        limits in prop::option::of((1_u64..10_000, 1_u64..10_000)),
        retries in any::<u16>(),
        priority in prop::option::of(0_u8..10),
    ) -> Message {
        let mut message = Message::new("proj.tasks.add").args(args);
        message.kwargs = kwargs.into_iter().collect();
        message.embed = Embed { callbacks, errbacks: Vec::new(), chain, chord };
        message.eta = seconds.map(|seconds| Timestamp::from_second(seconds).unwrap());
        message.expires = message.eta;
        message.retries = retries.into();
        message.priority = priority;
        message.group = Some("g".to_owned());
        message.group_index = Some(3);
        message.limits = limits.map_or(TimeLimits::default(), |(hard, soft)| TimeLimits {
            hard: Some(Duration::from_millis(hard)),
            soft: Some(Duration::from_secs(soft)),
        });
        message
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(message in message()) {
        let mut read = Message::decode(&message.encode()).unwrap();
        read.extra.clear();
        prop_assert_eq!(read, message);
    }

    #[test]
    fn no_body_is_a_panic(body in prop::collection::vec(any::<u8>(), 0..64), compressed in any::<bool>()) {
        let mut raw = Message::new("a").encode();
        raw.body = body;
        if compressed {
            raw.headers.insert("compression".to_owned(), json!("application/x-gzip"));
        }
        let _ = Message::decode(&raw);
    }

    #[test]
    fn no_json_in_body_or_headers_is_a_panic(body in json_value(), header in json_value(), which in 0_usize..18) {
        let mut raw = Message::new("a").encode();
        raw.body = body.to_string().into_bytes();
        let name = raw.headers.keys().nth(which % raw.headers.len()).unwrap().clone();
        raw.headers.insert(name, header);
        let _ = Message::decode(&raw);
    }
}

fn raw(body: &str) -> Raw {
    let mut raw = Message::new("proj.add").id("an-id").encode();
    raw.body = body.as_bytes().to_vec();
    raw
}

/// As Celery 5.6.2 wrote it, abridged.
#[test]
fn a_message_of_celerys_is_understood() {
    let headers = json!({
        "lang": "py", "task": "proj.add", "id": "ad94a4ee", "shadow": null, "eta": "2026-11-26T18:05:00.500000+00:00",
        "expires": "2026-11-26T20:05:00+02:00", "group": null, "group_index": null, "retries": 2,
        "timelimit": [30, 2.5], "root_id": "ad94a4ee", "parent_id": null, "argsrepr": "(2, 3)", "kwargsrepr": "{}",
        "origin": "gen7@host", "ignore_result": false, "replaced_task_nesting": 0, "stamped_headers": ["tenant"],
        "stamps": {"tenant": "t"}, "tenant": "t", "x-death": [{}],
    });
    let Value::Object(headers) = headers else { unreachable!() };
    let body = r#"[[2, 3], {}, {"callbacks": null, "errbacks": null, "chain": [{"task": "proj.twice", "args": [],
        "kwargs": {}, "options": {"task_id": "b"}, "subtask_type": null, "immutable": false}], "chord": null}]"#;
    let read = Message::decode(&Raw { headers, body: body.as_bytes().to_vec(), ..raw("") }).unwrap();
    assert_eq!((read.id.as_str(), read.retries, read.args), ("ad94a4ee", 2, vec![json!(2), json!(3)]));
    assert_eq!(read.limits.soft, Some(Duration::from_millis(2500)));
    assert_eq!(read.eta.unwrap().as_millisecond() % 1000, 500);
    assert_eq!(iso(read.expires.unwrap()), "2026-11-26T18:05:00.000000+00:00");
    assert_eq!(read.embed.chain[0].text("task_id"), Some("b"));
    assert_eq!(read.extra["tenant"], "t");
    assert!(!read.extra.contains_key("x-death"), "what RabbitMQ added would look like a cycle when it is sent again");
}

#[test]
fn zlib_bodies_are_decompressed() {
    let mut compressed = raw("");
    let text = br#"[["long ago"], {}, {}]"#;
    compressed.body = miniz_oxide::deflate::compress_to_vec_zlib(text, 6);
    compressed.headers.insert("compression".to_owned(), json!("application/x-gzip"));
    assert_eq!(Message::decode(&compressed).unwrap().args, [json!("long ago")]);
}

#[test]
fn what_cannot_be_read_is_named() {
    let broken = |change: fn(&mut Raw)| {
        let mut raw = raw("[[], {}, {}]");
        change(&mut raw);
        Message::decode(&raw).unwrap_err().to_string()
    };
    let set = |raw: &mut Raw, name: &str, value: Value| raw.headers.insert(name.to_owned(), value);
    assert!(broken(|raw| raw.headers.clear()).contains("\"id\""));
    assert!(
        broken(|raw| raw.properties.content_type = Some("application/x-python-serialize".into())).contains("python")
    );
    assert!(broken(|raw| raw.body = b"[[".to_vec()).contains("not JSON"));
    assert!(broken(|raw| raw.body = br#"[[], [], {}]"#.to_vec()).contains("keyword arguments"));
    assert!(broken(|raw| raw.body = br#"[[], {}, {"chain": [7]}]"#.to_vec()).contains("signature"));
    assert!(set(&mut raw(""), "eta", json!("x")).is_some());
    assert!(broken(|raw| drop(raw.headers.insert("eta".into(), json!("tomorrow")))).contains("tomorrow"));
    assert!(broken(|raw| drop(raw.headers.insert("timelimit".into(), json!([-1])))).contains("seconds"));
    assert!(broken(|raw| drop(raw.headers.insert("compression".into(), json!("brotli")))).contains("brotli"));
}

#[test]
fn arguments_are_shown_as_python_shows_them() {
    let message = Message::new("a").args([json!("it's"), json!([true, null, 1.5])]).kwarg("k", json!({"a": "b"}));
    let headers = message.encode().headers;
    assert_eq!(headers["argsrepr"], r#"("it's", [True, None, 1.5])"#);
    assert_eq!(headers["kwargsrepr"], "{'k': {'a': 'b'}}");
}
