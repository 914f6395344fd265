//! What operators and tenants set up.

use protocol::TenantId;
use serde_json::json;

use super::kit::{Subject, at, tenant};
use crate::records::{Expected, Page, Record, Stored};

fn record(owner: &TenantId, id: &str, number: u32) -> Record {
    let body = json!({ "z": number, "a": "\u{1f600}" });
    Record { kind: "thing", tenant: owner.clone(), id: id.to_owned(), lookup: None, body }
}

async fn ids(ledger: &Subject, owner: Option<&TenantId>, page: Page) -> Vec<String> {
    ledger.records("thing", owner, &page).await.unwrap().into_iter().map(|stored| stored.id).collect()
}

/// Each owner has ids of its own, and so has each kind.
pub async fn a_record_reads_back_as_it_was_put(ledger: Subject) {
    let (own, other) = (tenant("own"), tenant("other"));
    assert_eq!(ledger.put_record(&record(&own, "a", 1), Expected::Nothing, at(1)).await.unwrap(), Some(1));
    assert_eq!(ledger.put_record(&record(&other, "a", 2), Expected::Nothing, at(2)).await.unwrap(), Some(1));
    assert_eq!(ledger.put_record(&record(&own, "a", 3), Expected::Anything, at(3)).await.unwrap(), Some(2));

    let read = ledger.record_of("thing", &own, "a").await.unwrap();
    let expected = Stored {
        tenant: own.clone(),
        id: "a".to_owned(),
        body: record(&own, "a", 3).body,
        revision: 2,
        created_at: at(1),
        updated_at: at(3),
    };
    assert_eq!(read, Some(expected));
    assert_eq!(ledger.record_of("thing", &other, "a").await.unwrap().unwrap().body["z"], 2);
    assert_eq!(ledger.record_of("something else", &own, "a").await.unwrap(), None);
    assert!(ledger.remove_record("thing", &own, "a").await.unwrap());
    assert!(!ledger.remove_record("thing", &own, "a").await.unwrap());
    assert!(ledger.record_of("thing", &other, "a").await.unwrap().is_some());
}

/// Of two who change the same revision, one learns that it came too late.
pub async fn a_record_changes_only_from_what_was_expected(ledger: Subject) {
    let own = tenant("own");
    assert_eq!(ledger.put_record(&record(&own, "a", 1), Expected::Revision(1), at(1)).await.unwrap(), None);
    assert_eq!(ledger.put_record(&record(&own, "a", 1), Expected::Nothing, at(1)).await.unwrap(), Some(1));
    assert_eq!(ledger.put_record(&record(&own, "a", 2), Expected::Nothing, at(2)).await.unwrap(), None);
    assert_eq!(ledger.put_record(&record(&own, "a", 3), Expected::Revision(1), at(3)).await.unwrap(), Some(2));
    assert_eq!(ledger.put_record(&record(&own, "a", 4), Expected::Revision(1), at(4)).await.unwrap(), None);
    assert_eq!(ledger.record_of("thing", &own, "a").await.unwrap().unwrap().body["z"], 3);
}

/// Whoever owns it; and no two records of a kind share a name.
pub async fn a_record_is_found_by_its_lookup_name(ledger: Subject) {
    let (own, other) = (tenant("own"), tenant("other"));
    let named = |record: Record, name: &str| Record { lookup: Some(name.to_owned()), ..record };
    let first = named(record(&own, "a", 1), "name");
    assert_eq!(ledger.put_record(&first, Expected::Nothing, at(1)).await.unwrap(), Some(1));
    for expected in [Expected::Nothing, Expected::Anything] {
        let second = named(record(&other, "b", 2), "name");
        assert_eq!(ledger.put_record(&second, expected, at(2)).await.unwrap(), None);
    }
    let elsewhere = Record { kind: "other thing", ..named(record(&other, "b", 2), "name") };
    assert_eq!(ledger.put_record(&elsewhere, Expected::Nothing, at(2)).await.unwrap(), Some(1));

    let found = ledger.find_record("thing", "name").await.unwrap().unwrap();
    assert_eq!((found.tenant, found.id.as_str()), (own.clone(), "a"));
    assert_eq!(ledger.find_record("thing", "another name").await.unwrap(), None);
    ledger.put_record(&record(&own, "a", 1), Expected::Revision(1), at(3)).await.unwrap().unwrap();
    assert_eq!(ledger.find_record("thing", "name").await.unwrap(), None, "it is called so no longer");
}

/// In the order of their ids as bytes, forwards or backwards, of one owner or of all.
pub async fn records_are_listed_page_by_page(ledger: Subject) {
    let (own, other) = (tenant("own"), tenant("other"));
    for (owner, id) in [(&own, "b"), (&own, "C"), (&own, "a"), (&other, "aa"), (&own, "d")] {
        ledger.put_record(&record(owner, id, 0), Expected::Nothing, at(1)).await.unwrap().unwrap();
    }
    let page = |after: Option<&str>, limit, descending| Page { after: after.map(str::to_owned), limit, descending };
    assert_eq!(ids(&ledger, Some(&own), Page::first(10)).await, ["C", "a", "b", "d"]);
    assert_eq!(ids(&ledger, Some(&own), page(Some("a"), 1, false)).await, ["b"]);
    assert_eq!(ids(&ledger, Some(&own), page(None, 2, true)).await, ["d", "b"]);
    assert_eq!(ids(&ledger, Some(&own), page(Some("b"), 9, true)).await, ["a", "C"]);
    assert_eq!(ids(&ledger, None, Page::first(10)).await, ["C", "a", "aa", "b", "d"]);
}
