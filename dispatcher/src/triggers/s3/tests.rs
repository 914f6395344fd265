//! Notifications in the shapes that Amazon and MinIO document.

use super::*;

/// Amazon S3, version 2.1 of its message.
fn amazon(key: &str, sequencer: &str) -> Value {
    json!({ "Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-west-2", "eventTime": "2026-11-26T15:00:00.000Z",
        "eventName": "ObjectCreated:Put", "userIdentity": { "principalId": "AIDAJDPLRKLG7UEXAMPLE" },
        "requestParameters": { "sourceIPAddress": "127.0.0.1" },
        "responseElements": { "x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG" },
        "s3": {
            "s3SchemaVersion": "1.0", "configurationId": "testConfigRule",
            "bucket": { "name": "scans", "ownerIdentity": { "principalId": "A3NL1KOZZKExample" }, "arn": "arn:aws:s3:::scans" },
            "object": { "key": key, "size": 1024, "eTag": "d41d8cd98f00b204e9800998ecf8427e", "sequencer": sequencer }
        }
    }] })
}

fn one(body: Value) -> Event {
    let mut problems = Problems::default();
    let told = read(body, 1_000, &mut problems);
    assert!(problems.is_empty(), "{:?}", problems.into_list());
    assert_eq!(told.created.len(), 1);
    told.created.into_iter().next().unwrap()
}

#[test]
fn a_notification_of_amazon_names_the_object_as_it_is() {
    let event = one(amazon("imports/acme/M%C3%A4rz+2026/Rechnung%2B1+%281%29.pdf", "0055AED6DCD90281E5"));
    assert_eq!((event.source.as_str(), event.kind.as_str()), ("s3://scans", CREATED));
    let data = &event.whole["data"];
    assert_eq!(data["key"], "imports/acme/M\u{e4}rz 2026/Rechnung+1 (1).pdf");
    assert_eq!(event.whole["subject"], "scans/imports/acme/M\u{e4}rz 2026/Rechnung+1 (1).pdf");
    assert_eq!((&data["size"], &data["sequencer"]), (&json!(1024), &json!("0055AED6DCD90281E5")));
    assert_eq!(event.whole["time"], "2026-11-26T15:00:00.000Z");
    let mut problems = Problems::default();
    assert!(Event::read(event.whole.clone(), "$", &mut problems).is_some(), "{:?}", problems.into_list());
}

#[test]
fn a_notification_of_minio_is_the_same_with_a_wrapping() {
    let body = json!({
        "EventName": "s3:ObjectCreated:Put", "Key": "scans/imports/acme/hello world.pdf",
        "Records": [{
            "eventVersion": "2.0", "eventSource": "minio:s3", "awsRegion": "", "eventTime": "2019-10-22T09:27:27Z",
            "eventName": "s3:ObjectCreated:Put", "userIdentity": { "principalId": "AKIAIOSFODNN7EXAMPLE" },
            "requestParameters": { "accessKey": "AKIAIOSFODNN7EXAMPLE", "region": "", "sourceIPAddress": "172.16.118.255" },
            "responseElements": { "x-amz-request-id": "15CFEDF8D4736ED9", "x-minio-origin-endpoint": "http://172.17.0.2:9000" },
            "s3": {
                "s3SchemaVersion": "1.0", "configurationId": "Config",
                "bucket": { "name": "scans", "ownerIdentity": { "principalId": "AKIAIOSFODNN7EXAMPLE" }, "arn": "arn:aws:s3:::scans" },
                "object": { "key": "imports%2Facme%2Fhello+world.pdf", "size": 224662, "eTag": "5fc7298143efe1276d39a3466d4e255f-1",
                    "contentType": "application/pdf", "userMetadata": { "content-type": "application/pdf" }, "versionId": "1",
                    "sequencer": "15CFEDF8D5304D1A" }
            },
            "source": { "host": "172.16.118.255", "port": "", "userAgent": "MinIO (linux; amd64) minio-go/v6.0.32" }
        }]
    });
    let event = one(body);
    assert_eq!(event.whole["data"]["key"], "imports/acme/hello world.pdf");
    assert_eq!(event.whole["data"]["version_id"], "1");
}

#[test]
fn an_event_of_eventbridge_is_the_same_event_as_the_notification() {
    let bridge = json!({
        "version": "0", "id": "17793124-05d4-b198-2fde-7ededc63b103", "detail-type": "Object Created", "source": "aws.s3",
        "account": "111122223333", "time": "2026-11-26T15:00:07Z", "region": "ca-central-1", "resources": ["arn:aws:s3:::scans"],
        "detail": {
            "version": "0", "bucket": { "name": "scans" },
            "object": { "key": "imports/acme/a+b.pdf", "size": 1024, "etag": "d41d8cd98f00b204e9800998ecf8427e",
                "sequencer": "0055AED6DCD90281E5" },
            "request-id": "N4N7GDK58NMKJ12R", "requester": "123456789012", "source-ip-address": "1.2.3.4", "reason": "PutObject"
        }
    });
    let event = one(bridge);
    assert_eq!(event.whole["data"]["key"], "imports/acme/a+b.pdf", "it is not encoded there");
    assert_eq!(event.id, one(amazon("imports/acme/a%2Bb.pdf", "0055AED6DCD90281E5")).id);
}

#[test]
fn a_redelivery_is_the_same_event_and_a_new_content_another() {
    let first = one(amazon("imports/acme/a.pdf", "0055AED6DCD90281E5"));
    assert_eq!(first.id, one(amazon("imports/acme/a.pdf", "0055AED6DCD90281E5")).id);
    assert_ne!(first.id, one(amazon("imports/acme/a.pdf", "0055AED6DCD90281E6")).id);
    assert_ne!(first.id, one(amazon("imports/acme/b.pdf", "0055AED6DCD90281E5")).id);
    let without = |time: &str| {
        let mut body = amazon("imports/acme/a.pdf", "");
        body["Records"][0]["s3"]["object"].as_object_mut().unwrap().remove("sequencer");
        body["Records"][0]["eventTime"] = json!(time);
        one(body).id
    };
    assert_eq!(without("2026-11-26T15:00:00Z"), without("2026-11-26T15:00:00Z"));
    assert_ne!(without("2026-11-26T15:00:00Z"), without("2026-11-26T15:00:01Z"));
}

#[test]
fn what_is_no_new_object_starts_nothing() {
    let mut removed = amazon("a", "1");
    removed["Records"][0]["eventName"] = json!("ObjectRemoved:Delete");
    let test = json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2014-10-13T15:57:02.089Z", "Bucket": "scans",
        "RequestId": "5582815E1AEA5ADF", "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE" });
    for body in [removed, test, json!({ "detail-type": "Object Deleted", "detail": {} })] {
        let mut problems = Problems::default();
        assert_eq!(read(body, 1_000, &mut problems), Told { created: Vec::new(), others: 1 });
        assert!(problems.is_empty());
    }
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    let mut nameless = amazon("a", "1");
    nameless["Records"][0]["s3"]["bucket"] = json!({});
    let mut wordless = amazon("a", "1");
    wordless["Records"][0]["eventName"] = json!(7);
    let cases = [
        (json!({ "Records": "x" }), "$.Records"),
        (json!([]), "$.Records"),
        (json!({ "Records": vec![json!({}); 1_001] }), "$.Records"),
        (amazon("%zz", "1"), "$.Records[0].s3.object.key"),
        (amazon("%FF", "1"), "$.Records[0].s3.object.key"),
        (amazon("a%00b", "1"), "$.Records[0].s3.object.key"),
        (amazon("a%", "1"), "$.Records[0].s3.object.key"),
        (amazon(&"x".repeat(1_025), "1"), "$.Records[0].s3.object.key"),
        (nameless, "$.Records[0].s3.bucket.name"),
        (wordless, "$.Records[0].eventName"),
        (json!({ "detail-type": "Object Created" }), "$.detail.bucket.name"),
    ];
    for (body, place) in cases {
        let mut problems = Problems::default();
        let told = read(body, 1_000, &mut problems);
        assert_eq!(told.created, [], "{place}");
        assert_eq!(problems.into_list()[0].path, place);
    }
}
