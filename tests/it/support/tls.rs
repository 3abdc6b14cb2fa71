//! A certificate authority of our own, with a server and a client under it.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::path::PathBuf;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// PEM files in a directory that goes with this value.
pub(crate) struct Authority {
    dir: tempfile::TempDir,
}

impl Authority {
    /// Makes an authority, and under it `server` (for 127.0.0.1) and `client`.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).unwrap();
        std::fs::write(dir.path().join("ca.pem"), ca.pem()).unwrap();
        let issuer = Issuer::new(params, key);
        for (name, alternative) in [("server", "127.0.0.1"), ("client", "haldane")] {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![alternative.to_owned()]).unwrap();
            let cert = params.signed_by(&key, &issuer).unwrap();
            std::fs::write(dir.path().join(format!("{name}.pem")), cert.pem()).unwrap();
            std::fs::write(dir.path().join(format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        Self { dir }
    }

    /// `ca.pem`, `server.pem`, `server.key`, `client.pem` or `client.key`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What a server needs; with `ask_client` it talks only to clients of this authority.
    pub(crate) fn acceptor(&self, ask_client: bool) -> TlsAcceptor {
        haldane::prometheus::install_crypto();
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(self.file("ca.pem")).unwrap();
        roots.add(ca).unwrap();
        let config = ServerConfig::builder();
        let config = if ask_client {
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
                .build()
                .unwrap();
            config.with_client_cert_verifier(verifier)
        } else {
            config.with_no_client_auth()
        };
        let cert = CertificateDer::from_pem_file(self.file("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(self.file("server.key")).unwrap();
        TlsAcceptor::from(Arc::new(config.with_single_cert(vec![cert], key).unwrap()))
    }
}
