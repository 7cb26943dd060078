//! Bodies of responses: what they are, and reading them within bounds.
//!
//! Invariant: a body is taken for what its type says or not at all; one that is encoded is not looked into, so not passed on.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap};

/// What a response's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Json,
    Events,
    Other,
}

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("a response longer than {0} bytes")]
    Long(usize),
    #[error("the response breaks off")]
    Broken,
    #[error("the server has said nothing for {0:?}")]
    Silent(Duration),
    #[error("an encoded response, which cannot be looked into")]
    Encoded,
}

/// By its media type, whatever its case (RFC 9110 §8.3.1).
pub fn kind(headers: &HeaderMap) -> Kind {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (first, second) = (types.next().and_then(|value| value.to_str().ok()), types.next());
    let media = first.map(|text| text.split(';').next().unwrap_or(text).trim().to_ascii_lowercase());
    match (media.as_deref(), second) {
        (Some("application/json"), None) => Kind::Json,
        (Some("text/event-stream"), None) => Kind::Events,
        _ => Kind::Other,
    }
}

/// Refuses what is compressed, though it was asked not to be.
pub fn plain(headers: &HeaderMap) -> Result<(), BodyError> {
    let identity = |value: &header::HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
    match headers.get_all(header::CONTENT_ENCODING).iter().all(identity) {
        true => Ok(()),
        false => Err(BodyError::Encoded),
    }
}

/// The next piece; None at the end.
pub async fn piece(body: &mut Incoming, patience: Duration) -> Result<Option<Bytes>, BodyError> {
    loop {
        let frame = tokio::time::timeout(patience, body.frame()).await.map_err(|_| BodyError::Silent(patience))?;
        match frame {
            None => return Ok(None),
            Some(Err(_)) => return Err(BodyError::Broken),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => return Ok(Some(piece)),
                // trailers
                Err(_) => {}
            },
        }
    }
}

/// All of it.
pub async fn whole(body: &mut Incoming, most: usize, patience: Duration) -> Result<Vec<u8>, BodyError> {
    let mut all = Vec::new();
    while let Some(piece) = piece(body, patience).await? {
        if all.len() + piece.len() > most {
            return Err(BodyError::Long(most));
        }
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn types_are_read_without_regard_to_case() {
        let of =
            |text: &'static str| kind(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(text))]));
        assert_eq!(of("Application/JSON ; charset=utf-8"), Kind::Json);
        assert_eq!(of(" text/Event-Stream"), Kind::Events);
        assert_eq!(of("application/json-seq"), Kind::Other);
        assert_eq!(kind(&HeaderMap::new()), Kind::Other);
        let mut headers = HeaderMap::new();
        for _ in 0..2 {
            headers.append(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        assert_eq!(kind(&headers), Kind::Other);
    }
}
