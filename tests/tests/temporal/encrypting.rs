//! Temporal behind TLS, with certificates on both sides.

use std::path::Path;
use std::sync::Arc;

use backends::engines::Engine;
use rustls::RootCertStore;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use specs::temporal::Server;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

type Made = rcgen::CertifiedKey<rcgen::KeyPair>;

/// Lets through who shows that certificate; returns the address.
async fn guard(server: &Server, ours: &Made, theirs: &Made) -> String {
    let mut known = RootCertStore::empty();
    known.add(theirs.cert.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(known)).build().unwrap();
    let key = PrivateKeyDer::try_from(ours.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder().with_client_cert_verifier(verifier);
    let mut config = config.with_single_cert(vec![ours.cert.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let behind = server.address();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                if let Ok(mut shown) = acceptor.accept(stream).await {
                    let mut plain = TcpStream::connect(behind).await.unwrap();
                    let _gone = tokio::io::copy_bidirectional(&mut shown, &mut plain).await;
                }
            });
        }
    });
    format!("https://localhost:{port}")
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_shown_and_asked_for() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let made = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (theirs, ours) = (made(), made());
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (ca, cert) = (write("ca.pem", theirs.cert.pem()), write("cert.pem", ours.cert.pem()));
    let key = write("key.pem", ours.signing_key.serialize_pem());
    let url = guard(&server, &theirs, &ours).await;
    let show = |path: &Path| path.to_str().unwrap().to_owned();
    let (ca, cert, key) = (show(&ca), show(&cert), show(&key));
    let health = async |flags: &[&str]| {
        let Engine { backend, .. } = Server::open_at(&url, flags);
        backend.health().await
    };
    let known = ["--temporal-tls-ca", &ca, "--temporal-tls-cert", &cert, "--temporal-tls-key", &key];
    assert_eq!(health(&known).await, Ok(()));
    let refusal = health(&known[2..]).await.unwrap_err();
    assert!(refusal.contains("--temporal-tls-ca"), "nobody vouches for the server: {refusal}");
    let refusal = health(&known[..2]).await.unwrap_err();
    assert!(refusal.contains("--temporal-tls-cert"), "who we are is not told: {refusal}");
}
