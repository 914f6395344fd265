//! What is said when Temporal cannot be used.

use backends::engines::Engine;
use backends::host::Serving;
use protocol::RunId;
use specs::temporal::Server;
use tokio_util::sync::CancellationToken;

use crate::yard::Yard;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_named_with_the_flag_to_look_at() {
    let mut server = Server::start();
    server.fall();
    let yard = Yard::at(&server).await;
    let error = yard.backend.look(RunId::new()).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("temporal is not available: {}/ does not answer", server.url())), "{error}");
    assert!(error.contains("--temporal-url"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_missing_is_named_with_what_makes_it() {
    let server = Server::start();
    let Engine { backend, .. } = server.open_with(&["--temporal-namespace", "nowhere"]);
    let error = backend.health().await.unwrap_err();
    assert_eq!(
        error,
        "temporal refuses: it has no namespace \"nowhere\"; look at --temporal-namespace, or make it: temporal operator \
         namespace create --namespace nowhere"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_gives_up_on_a_namespace_that_is_missing() {
    let server = Server::start();
    let Engine { host, .. } = server.open_with(&["--temporal-namespace", "nowhere"]);
    let serving = Serving { name: "spec".to_owned(), queues: vec!["default".to_owned()], concurrency: 1 };
    let intake = Yard::at(&server).await.intake();
    let error = host.unwrap().serve(&serving, intake, CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains("--temporal-namespace"), "{error}");
}
