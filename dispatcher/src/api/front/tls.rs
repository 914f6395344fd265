//! HTTPS without another server in front.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use tokio_rustls::TlsAcceptor;

/// Files that HTTPS cannot be served with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate cannot be read.
    #[error("--tls-cert {} cannot be read as PEM with at least one certificate", file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// The key cannot be read.
    #[error("--tls-key {} cannot be read as PEM with a private key (PKCS#8, PKCS#1 or SEC1)", file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// They do not fit, or are of a kind that is not supported.
    #[error("--tls-cert and --tls-key cannot be used together; do they belong to each other?")]
    Unusable(#[from] rustls::Error),
}

/// What turns connections into encrypted ones, by the files of certificate and key.
pub(super) fn acceptor(cert: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let refused = |source| TlsError::Certificate { file: cert.to_path_buf(), source };
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(cert).map_err(refused)?.collect::<Result<_, _>>().map_err(refused)?;
    if chain.is_empty() {
        return Err(refused(pem::Error::NoItemsFound));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|source| TlsError::Key { file: key.to_path_buf(), source })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn files_that_cannot_be_used_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&key, "no key").unwrap();
        let Err(error) = acceptor(&cert, &key) else { panic!("accepted nothing") };
        assert!(error.to_string().contains("--tls-cert") && error.to_string().contains("cert.pem"), "{error}");
        std::fs::write(&cert, "no certificate").unwrap();
        let Err(error) = acceptor(&cert, &key) else { panic!("accepted a text") };
        assert!(error.to_string().contains("--tls-cert") && error.source().is_some(), "{error}");
    }
}
