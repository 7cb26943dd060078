//! What the agent's programs must trust, as files and as the variables that name them.
//!
//! Invariant: only certificates are written, never a key. Leaves to others: where the files lie (`session`), which the
//! agent may read and not write.
//!
//! ```text
//! ca.pem       the session's authority alone: added to what a program trusts by itself (node)
//! bundle.pem   the system's store and the authority: taken instead of what a program trusts
//! trust.jks    the same for Java, which reads no PEM
//! ```

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use ring::digest;
use rustls::pki_types::CertificateDer;

use super::store::{Store, pem};

/// Variables that name a file of certificates that is taken instead of the built-in ones.
const BUNDLE: &[&str] = &[
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
    "PIP_CERT",
    "AWS_CA_BUNDLE",
    "NIX_SSL_CERT_FILE",
    "COMPOSER_CAFILE",
    "BUNDLE_SSL_CA_CERT",
    "HEX_CACERTS_PATH",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "npm_config_cafile",
];

/// And those that name one that is taken beside them.
const BESIDE: &[&str] = &["NODE_EXTRA_CA_CERTS", "DENO_CERT"];

/// Of the Java store: no secret, it guards nothing but certificates.
const PASSWORD: &str = "changeit";

/// Certificates that the agent's programs are told to trust.
#[derive(Debug, Clone)]
pub struct Trust {
    /// The session's authority, in PEM.
    ca: String,
    own: CertificateDer<'static>,
    system: Arc<Store>,
    /// Since 1970, of the making.
    seconds: u64,
}

impl Trust {
    /// `system` is trusted outside as well; `seconds` is now, since 1970.
    pub fn new(ca: &CertificateDer<'static>, system: Arc<Store>, seconds: u64) -> Trust {
        Trust { ca: pem(ca), own: ca.clone(), system, seconds }
    }

    /// The authority's certificate in PEM.
    #[must_use]
    pub fn ca(&self) -> &str {
        &self.ca
    }

    fn bundle(&self) -> Vec<u8> {
        [self.system.text(), self.ca.as_bytes()].concat()
    }

    fn java(&self) -> Vec<u8> {
        let system = self.system.decoded().enumerate().map(|(n, of)| (format!("system-{n}"), of));
        java(std::iter::once(("govsh-session".to_owned(), self.own.to_vec())).chain(system), self.seconds)
    }

    /// Puts the files into `dir`, absolute, the one for Java where `runs_java`; the variables that name them.
    pub fn write(&self, dir: &Path, runs_java: bool) -> io::Result<Vec<(&'static str, OsString)>> {
        let (ca, bundle, java) = (dir.join("ca.pem"), dir.join("bundle.pem"), dir.join("trust.jks"));
        fs::write(&ca, &self.ca)?;
        fs::write(&bundle, self.bundle())?;
        let mut variables: Vec<(&'static str, OsString)> =
            BUNDLE.iter().map(|name| (*name, bundle.clone().into_os_string())).collect();
        variables.extend(BESIDE.iter().map(|name| (*name, ca.clone().into_os_string())));
        if runs_java {
            fs::write(&java, self.java())?;
            let mut options = OsString::from("-Djavax.net.ssl.trustStore=");
            options.push(&java);
            options.push(" -Djavax.net.ssl.trustStoreType=JKS -Djavax.net.ssl.trustStorePassword=");
            options.push(PASSWORD);
            // Java says on stderr that it has read it, every time.
            variables.push(("JAVA_TOOL_OPTIONS", options));
        }
        Ok(variables)
    }
}

/// A JKS key store of trusted certificates, as `sun.security.provider.JavaKeyStore` reads it. All numbers big-endian:
/// ```text
/// feedfeed  version 2  count  ( tag 2  alias  milliseconds u64  "X.509"  length u32  DER )*  SHA-1
/// ```
/// with strings as u16 length and bytes, and the digest over the password in UTF-16, "Mighty Aphrodite" and all before.
fn java(certificates: impl Iterator<Item = (String, Vec<u8>)>, seconds: u64) -> Vec<u8> {
    let mut entries = Vec::new();
    let mut count = 0u32;
    for (alias, certificate) in certificates {
        let Ok(length) = u32::try_from(certificate.len()) else { continue };
        count += 1;
        entries.extend(2u32.to_be_bytes());
        text(&mut entries, &alias);
        entries.extend((seconds * 1000).to_be_bytes());
        text(&mut entries, "X.509");
        entries.extend(length.to_be_bytes());
        entries.extend_from_slice(&certificate);
    }
    let mut out = Vec::with_capacity(entries.len() + 64);
    out.extend(0xfeed_feedu32.to_be_bytes());
    out.extend(2u32.to_be_bytes());
    out.extend(count.to_be_bytes());
    out.append(&mut entries);
    let mut digest = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    PASSWORD.encode_utf16().for_each(|unit| digest.update(&unit.to_be_bytes()));
    digest.update(b"Mighty Aphrodite");
    digest.update(&out);
    out.extend_from_slice(digest.finish().as_ref());
    out
}

/// Aliases and type names are short ASCII.
fn text(out: &mut Vec<u8>, text: &str) {
    out.extend(u16::try_from(text.len()).unwrap_or(0).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::pem::PemObject;

    fn trust() -> Trust {
        let certificate = |byte: u8| CertificateDer::from(vec![byte; 100]);
        let system = Arc::new(Store::of(&[certificate(2), certificate(3)]));
        Trust::new(&certificate(1), system, 1_700_000_000)
    }

    #[test]
    fn the_bundle_reads_back() {
        let read: Vec<_> = CertificateDer::pem_slice_iter(&trust().bundle()).map(|found| found.unwrap()[0]).collect();
        assert_eq!(read, [2, 3, 1]);
        assert_eq!(trust().ca.lines().map(str::len).max(), Some(64));
    }

    #[test]
    fn the_java_store_is_laid_out_as_java_reads_it() {
        let store = trust().java();
        assert_eq!(store[..12], [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 3]);
        let entry = b"\0\0\0\x02\0\x0dgovsh-session\0\0\x01\x8b\xcf\xe5\x68\0\0\x05X.509\0\0\0\x64\x01";
        assert_eq!(store[12..12 + entry.len()], entry[..]);
        assert_eq!(store.len(), 12 + 3 * (4 + 2 + 8 + 7 + 4 + 100) + 13 + 2 * 8 + 20);
    }

    #[test]
    fn every_variable_names_a_file_that_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let variables = trust().write(dir.path(), true).unwrap();
        let named = |name: &str| variables.iter().find(|(known, _)| *known == name).unwrap().1.to_str().unwrap();
        assert_eq!(std::fs::read(named("SSL_CERT_FILE")).unwrap(), trust().bundle());
        assert_eq!(std::fs::read_to_string(named("NODE_EXTRA_CA_CERTS")).unwrap(), trust().ca);
        assert!(named("JAVA_TOOL_OPTIONS").contains("trust.jks -D"));
    }
}
