use ledger::sqlite::SqliteLedger;
use outbound::Allowed;
use outbound::signature::Secret;

use super::*;

const MASTER: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

async fn webhooks() -> Webhooks {
    let ledger = Arc::new(SqliteLedger::in_memory().await.unwrap());
    let inside: Allowed = "hooks.internal".parse().unwrap();
    Webhooks::new(ledger, Vault::new(MASTER).unwrap(), Policy::allowing([inside]))
}

fn endpoint(id: &str, url: &str) -> Endpoint {
    Endpoint {
        id: id.to_owned(),
        url: url.to_owned(),
        events: Vec::new(),
        description: "orders".to_owned(),
        enabled: true,
        disabled_because: None,
        secrets: vec![Secret::generate().unwrap().into()],
    }
}

fn usual(id: &str) -> Endpoint {
    endpoint(id, "https://hooks.example.com/a")
}

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

#[tokio::test]
async fn an_endpoint_reads_back_as_it_was_put_and_belongs_to_its_tenant_alone() {
    let (webhooks, own, other) = (webhooks().await, tenant("own"), tenant("other"));
    let put = Endpoint { events: vec![EventType::RunFailed], enabled: false, ..usual("a") };
    assert_eq!(webhooks.put(&own, &put, Expected::Nothing).await.unwrap(), Some(1));
    assert_eq!(webhooks.put(&own, &put, Expected::Nothing).await.unwrap(), None);
    assert_eq!(webhooks.find(&own, "a").await.unwrap(), Some((put.clone(), 1)));
    assert_eq!(webhooks.list(&own).await.unwrap(), [put]);
    assert_eq!(webhooks.find(&other, "a").await.unwrap(), None);
    assert!(!webhooks.remove(&other, "a").await.unwrap());
    assert!(webhooks.remove(&own, "a").await.unwrap());
    assert_eq!(webhooks.list(&own).await.unwrap(), []);
}

#[tokio::test]
async fn secrets_of_an_endpoint_are_kept_encrypted_or_not_at_all() {
    let (webhooks, own) = (webhooks().await, tenant("own"));
    let put = usual("a");
    webhooks.put(&own, &put, Expected::Nothing).await.unwrap();
    let stored = webhooks.records.record_of(KIND, &own, "a").await.unwrap().unwrap().body.to_string();
    assert!(!stored.contains("whsec_") && !stored.contains(&put.secrets[0].secret.expose()), "{stored}");

    let keyless = Webhooks { vault: Vault::new("").unwrap(), ..webhooks };
    let refused = keyless.put(&own, &usual("b"), Expected::Nothing).await.unwrap_err().to_string();
    assert!(refused.contains("FLOTILLA_MASTER_KEY"), "{refused}");
    assert!(keyless.find(&own, "a").await.is_err());
}

#[tokio::test]
async fn an_endpoint_that_leads_where_nothing_may_be_sent_is_refused() {
    let (webhooks, own) = (webhooks().await, tenant("own"));
    let refused =
        async |endpoint: &Endpoint| webhooks.put(&own, endpoint, Expected::Anything).await.unwrap_err().to_string();
    assert!(refused(&endpoint("a", "https://169.254.169.254/")).await.contains("url: 169.254.169.254"));
    assert!(refused(&endpoint("a", "http://hooks.example.com/")).await.contains("plain http"));
    assert!(refused(&usual("a b")).await.contains("\"a b\""));
    assert!(refused(&Endpoint { secrets: Vec::new(), ..usual("a") }).await.contains("secrets"));
    webhooks.put(&own, &endpoint("a", "http://hooks.internal:8080/"), Expected::Nothing).await.unwrap();
}

#[tokio::test]
async fn a_tenant_has_so_many_endpoints_and_no_more() {
    let (webhooks, own) = (webhooks().await, tenant("own"));
    for number in 0..MOST_ENDPOINTS {
        webhooks.put(&own, &usual(&format!("e{number}")), Expected::Nothing).await.unwrap();
    }
    let refused = webhooks.put(&own, &usual("more"), Expected::Nothing).await;
    assert!(matches!(refused, Err(Error::TooMany)), "{refused:?}");
    assert!(webhooks.put(&own, &usual("e1"), Expected::Anything).await.unwrap().is_some(), "a known one may change");
}

#[tokio::test]
async fn whether_a_tenant_listens_is_known_at_once_where_it_was_changed() {
    let (webhooks, own) = (webhooks().await, tenant("own"));
    assert!(!webhooks.listens(&own).await);
    webhooks.put(&own, &usual("a"), Expected::Nothing).await.unwrap();
    assert!(webhooks.listens(&own).await);
    assert!(!webhooks.listens(&tenant("other")).await);
    assert!(webhooks.switch_off(&own, "a", "it answered 410 Gone").await.unwrap());
    assert!(!webhooks.switch_off(&own, "a", "again").await.unwrap());
    assert!(!webhooks.listens(&own).await);
    let (off, _) = webhooks.find(&own, "a").await.unwrap().unwrap();
    assert_eq!(off.disabled_because.as_deref(), Some("it answered 410 Gone"));
}

#[tokio::test]
async fn an_endpoint_wants_what_it_names_or_everything_whether_or_not_its_secret_can_be_read() {
    let (webhooks, own) = (webhooks().await, tenant("own"));
    let failures = Endpoint { events: vec![EventType::RunFailed], ..usual("failures") };
    for endpoint in [usual("all"), failures, Endpoint { enabled: false, ..usual("off") }] {
        webhooks.put(&own, &endpoint, Expected::Nothing).await.unwrap();
    }
    let keyless = Webhooks { vault: Vault::new("").unwrap(), ..webhooks };
    let subscriptions = keyless.subscriptions(&own).await.unwrap();
    let wanting = |event| -> Vec<&str> {
        subscriptions.iter().filter(|one| one.wants(event)).map(|one| one.id.as_str()).collect()
    };
    assert_eq!(wanting(EventType::RunFailed), ["all", "failures"]);
    assert_eq!(wanting(EventType::RunSucceeded), ["all"]);
}
