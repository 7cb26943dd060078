//! Who vouches for a recording: keys of machines, and signatures over the last link of the chain.
//!
//! Invariant: a signature is made over a message that nothing else of ours is signed with.
//! Leaves to others: where keys lie (`session::recorder`), what is signed (`chain`).

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::base64;
use super::chain::LINK;

/// Comes before the link in what is signed.
const CONTEXT: &[u8] = b"govsh recording, format 2, end\0";
/// What a public key's text begins with.
const PREFIX: &str = "ed25519:";
/// Bytes in a signature.
pub(super) const SIGNATURE: usize = 64;

/// The key with which a machine signs what it recorded.
pub struct SecretKey {
    key: SigningKey,
    /// Of the machine, for people.
    name: String,
}

impl SecretKey {
    pub fn new(seed: &[u8; 32], name: String) -> Self {
        Self { key: SigningKey::from_bytes(seed), name }
    }

    pub fn public(&self) -> PublicKey {
        PublicKey(self.key.verifying_key().to_bytes())
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn sign(&self, link: &[u8; LINK]) -> [u8; SIGNATURE] {
        self.key.sign(&message(link)).to_bytes()
    }
}

/// Neither the key nor its seed: only whose it is.
impl fmt::Debug for SecretKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SecretKey({} of {:?})", self.public(), self.name)
    }
}

/// The key to verify with, as text `ed25519:` and base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// For people to compare: 128 bits of BLAKE3 over the key, in groups of four digits.
    pub fn fingerprint(&self) -> String {
        let hash = blake3::hash(&self.0);
        let groups =
            hash.as_bytes().chunks(2).take(8).map(|pair| pair.iter().map(|byte| format!("{byte:02x}")).collect());
        groups.collect::<Vec<String>>().join("-")
    }

    /// Whether the one who has the secret key made `signature` over `link`.
    pub(super) fn signed(&self, link: &[u8; LINK], signature: &[u8]) -> bool {
        let (Ok(key), Ok(signature)) = (VerifyingKey::from_bytes(&self.0), Signature::from_slice(signature)) else {
            return false;
        };
        key.verify_strict(&message(link), &signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        base64::encode(&mut text, &self.0);
        write!(out, "{PREFIX}{}", String::from_utf8_lossy(&text))
    }
}

/// Not a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a public key is '{PREFIX}' and 44 characters of base64, as 'govsh key show' prints it")]
pub struct BadKey;

impl FromStr for PublicKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let bytes = text.trim().strip_prefix(PREFIX).and_then(base64::decode).ok_or(BadKey)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| BadKey)?;
        VerifyingKey::from_bytes(&bytes).map(|_| Self(bytes)).map_err(|_| BadKey)
    }
}

fn message(link: &[u8; LINK]) -> Vec<u8> {
    [CONTEXT, link].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_link_and_key_alone() {
        let key = SecretKey::new(&[7; 32], "laptop".to_owned());
        let signature = key.sign(&[1; LINK]);
        assert!(key.public().signed(&[1; LINK], &signature));
        assert!(!key.public().signed(&[2; LINK], &signature));
        assert!(!SecretKey::new(&[8; 32], String::new()).public().signed(&[1; LINK], &signature));
    }

    #[test]
    fn a_public_key_reads_back_from_its_text() {
        let public = SecretKey::new(&[7; 32], String::new()).public();
        assert_eq!(public.to_string().parse(), Ok(public));
        assert_eq!(public.fingerprint().len(), 39);
        for wrong in ["", "ed25519:", "ed25519:AAAA", "rsa:x", "ed25519:////////////////////////////////////////////"] {
            assert_eq!(wrong.parse::<PublicKey>(), Err(BadKey), "{wrong}");
        }
    }
}
