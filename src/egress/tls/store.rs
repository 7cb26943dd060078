//! Whom the machine trusts, as text: read once, decoded by whoever needs it, which in most sessions is nobody.
//!
//! Invariant: it is read before anything of the agent's runs; there is nothing in it but certificates, so that it can be handed
//! on as it is. Leaves to others: verifying by it (`upstream`), handing it on (`trust`).
//!
//! ```text
//! SSL_CERT_FILE and SSL_CERT_DIR, where one of them is set; else the first bundle that there is; else the directories
//! ```

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::TlsError;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// Where systems keep all of their certificates in one file, which is made of what lies in their directories: reading both,
/// as some do, reads everything twice, in hundreds of files.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
];
/// Larger ones are read by their directories, in bytes.
const MOST: u64 = 16 << 20;

/// See the module.
#[derive(Debug, Clone)]
pub struct Store {
    /// PEM; ends with a line.
    text: Vec<u8>,
}

impl Store {
    /// The system's store, and `authorities`: PEM of the machine's configuration.
    pub fn read(authorities: &[u8]) -> Result<Store, TlsError> {
        let more: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(authorities).collect();
        let more = more.map_err(TlsError::Authorities)?;
        let mut store = Store { text: system() };
        store.text.extend(more.iter().flat_map(|certificate| pem(certificate).into_bytes()));
        Ok(store)
    }

    #[cfg(test)]
    pub fn of(certificates: &[CertificateDer<'_>]) -> Store {
        Store { text: certificates.iter().flat_map(|certificate| pem(certificate).into_bytes()).collect() }
    }

    /// In PEM.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// What verifies; what cannot be read is not trusted, which fails closed and says so at the first connection.
    pub fn certificates(&self) -> impl Iterator<Item = CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(&self.text).filter_map(Result::ok)
    }

    /// The same, quicker and less forgiving of how it is written, for those who are merely told of it.
    pub fn decoded(&self) -> impl Iterator<Item = Vec<u8>> {
        let text = str::from_utf8(&self.text).unwrap_or_default();
        text.split(BEGIN).skip(1).filter_map(|behind| {
            let (inner, _) = behind.split_once(END)?;
            let inner: Vec<u8> = inner.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
            STANDARD.decode(inner).ok()
        })
    }
}

/// RFC 7468 §5.
pub fn pem(certificate: &[u8]) -> String {
    let text = STANDARD.encode(certificate);
    let mut out = String::with_capacity(text.len() + text.len() / 32 + 64);
    out.push_str(BEGIN);
    out.push('\n');
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, behind) = rest.split_at_checked(64).unwrap_or((rest, ""));
        out.push_str(line);
        out.push('\n');
        rest = behind;
    }
    out.push_str(END);
    out.push('\n');
    out
}

/// What cannot be read of it is not trusted.
fn system() -> Vec<u8> {
    let bundle = match (std::env::var_os("SSL_CERT_FILE"), std::env::var_os("SSL_CERT_DIR")) {
        (None, None) => BUNDLES.iter().find_map(|path| bundle(Path::new(path))),
        (Some(path), None) => bundle(Path::new(&path)),
        (_, Some(_)) => None,
    };
    bundle.unwrap_or_else(|| {
        let found = rustls_native_certs::load_native_certs().certs;
        found.iter().flat_map(|certificate| pem(certificate).into_bytes()).collect()
    })
}

/// A file of nothing but certificates, as it is.
fn bundle(path: &Path) -> Option<Vec<u8>> {
    let file = File::open(path).ok()?;
    let size = file.metadata().ok().filter(|found| found.is_file() && found.len() <= MOST)?.len();
    let mut text = Vec::with_capacity(usize::try_from(size).ok()? + 1);
    file.take(MOST).read_to_end(&mut text).ok()?;
    if text.last() != Some(&b'\n') {
        text.push(b'\n');
    }
    is_plain(&text).then_some(text)
}

/// Whether it holds certificates, and nothing else that PEM can hold, such as a key.
fn is_plain(text: &[u8]) -> bool {
    let begins = memmem::find_iter(text, b"-----BEGIN ").count();
    begins > 0 && begins == memmem::find_iter(text, BEGIN.as_bytes()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_taken_as_it_is_where_it_holds_certificates_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bundle.pem");
        let whole = format!("# Some Root\n{}{}", pem(&[1; 100]), pem(&[2; 47]).trim_end());
        std::fs::write(&path, &whole).unwrap();
        let store = Store { text: bundle(&path).unwrap() };
        assert_eq!(store.text(), format!("{whole}\n").as_bytes());
        let read: Vec<Vec<u8>> = store.certificates().map(|certificate| certificate.to_vec()).collect();
        assert_eq!(read, [vec![1; 100], vec![2; 47]]);
        assert_eq!(store.decoded().collect::<Vec<_>>(), read);
        for other in ["", "no certificate\n", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            std::fs::write(&path, other).unwrap();
            assert_eq!(bundle(&path), None, "{other}");
            std::fs::write(&path, format!("{whole}\n{other}")).unwrap();
            assert_eq!(bundle(&path).is_none(), other.contains("KEY"), "{other}");
        }
        assert_eq!(bundle(dir.path()), None);
    }

    #[test]
    fn authorities_stand_behind_the_system() {
        let store = Store::read(pem(&[7; 30]).as_bytes()).unwrap();
        assert_eq!(store.certificates().last().unwrap().to_vec(), [7; 30]);
        assert!(Store::read(b"-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n").is_err());
    }
}
