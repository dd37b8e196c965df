//! Certificates from files, read again when the files change: whoever renews them need not tell the service.

use std::fs;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::app::StartError;
use crate::config::Tls;

/// How often the files are looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The certificate that new connections are shown.
#[derive(Debug)]
pub(crate) struct Certificates {
    files: Tls,
    provider: Arc<CryptoProvider>,
    current: RwLock<Current>,
}

#[derive(Debug)]
struct Current {
    key: Arc<CertifiedKey>,
    changed: Option<[SystemTime; 2]>,
}

impl Certificates {
    /// Reads the files.
    pub(crate) fn read(files: &Tls) -> Result<Arc<Self>, StartError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let changed = changed(files);
        let key = read(files, &provider)?;
        let current = RwLock::new(Current { key, changed });
        Ok(Arc::new(Self { files: files.clone(), provider, current }))
    }

    /// A server's side of TLS with them.
    pub(crate) fn server(self: &Arc<Self>) -> Result<rustls::ServerConfig, StartError> {
        let resolver: Arc<Self> = Arc::clone(self);
        let config = rustls::ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| StartError::Tls(error.to_string()))?;
        Ok(config.with_no_client_auth().with_cert_resolver(resolver))
    }

    /// Reads the files again if they changed; whether they are used from now on. What cannot be used leaves what was.
    pub(crate) fn renew(&self) -> Result<bool, StartError> {
        let now = changed(&self.files);
        if now == self.current.read().unwrap_or_else(PoisonError::into_inner).changed {
            return Ok(false);
        }
        let key = read(&self.files, &self.provider)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Current { key, changed: now };
        Ok(true)
    }

    /// Looks at the files until the service ends.
    pub(crate) async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            match self.renew() {
                Ok(true) => tracing::info!("a new certificate is used"),
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "the new certificate cannot be used; the old one stays"),
            }
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).key))
    }
}

/// When both files were changed last.
fn changed(files: &Tls) -> Option<[SystemTime; 2]> {
    let of = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    Some([of(&files.certificate)?, of(&files.key)?])
}

fn read(files: &Tls, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, StartError> {
    let wrong = |error: &dyn std::fmt::Display| StartError::Tls(error.to_string());
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificate)
        .map_err(|error| wrong(&error))?
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(&error))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| wrong(&error))?;
    // A key of another certificate is refused here.
    CertifiedKey::from_der(chain, key, provider).map(Arc::new).map_err(|error| wrong(&error))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failing test may panic")]

    use super::*;

    #[test]
    fn certificates_that_change_are_used_if_they_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let files = Tls { certificate: folder.path().join("chain.pem"), key: folder.path().join("key.pem") };
        let mut moment = SystemTime::now();
        let mut write = |chain: &str, key: &str| {
            fs::write(&files.certificate, chain).unwrap();
            fs::write(&files.key, key).unwrap();
            // Clocks of file systems are coarse.
            moment += Duration::from_secs(1);
            fs::File::open(&files.key).unwrap().set_modified(moment).unwrap();
        };
        let made = || {
            let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
            (made.cert.pem(), made.signing_key.serialize_pem(), made.cert.der().clone())
        };
        let ((first, first_key, first_der), (second, second_key, second_der)) = (made(), made());
        write(&first, &first_key);
        let certificates = Certificates::read(&files).unwrap();
        certificates.server().unwrap();
        let shown = || certificates.current.read().unwrap().key.cert[0].clone();
        assert_eq!(shown(), first_der);
        assert!(!certificates.renew().unwrap());
        write(&second, &second_key);
        assert!(certificates.renew().unwrap() && shown() == second_der);
        for (chain, key) in
            [(first.as_str(), second_key.as_str()), ("nonsense", second_key.as_str()), (first.as_str(), "")]
        {
            write(chain, key);
            assert!(certificates.renew().is_err() && shown() == second_der);
        }
        write(&first, &first_key);
        assert!(certificates.renew().unwrap() && shown() == first_der);
    }
}
