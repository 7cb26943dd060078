//! The server behind the way out: TLS with a certificate of the test's own authority, HTTP/1.1 and HTTP/2, and plain HTTP.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::git;
use crate::rig::{API, OTHER};

/// A request that arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub version: Version,
    pub method: String,
    pub uri: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub struct Far {
    pub tls: SocketAddr,
    pub plain: SocketAddr,
    /// PEM.
    pub authority: String,
    pub seen: Arc<Mutex<Vec<Seen>>>,
    pub repositories: tempfile::TempDir,
}

type Answer = Response<BoxBody<Bytes, Infallible>>;

impl Far {
    pub async fn start() -> Far {
        let (authority, config) = certified();
        let (tls, plain) =
            (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let repositories = tempfile::tempdir().unwrap();
        let far = Far {
            tls: tls.local_addr().unwrap(),
            plain: plain.local_addr().unwrap(),
            authority,
            seen: Arc::default(),
            repositories,
        };
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (seen, root) = (Arc::clone(&far.seen), far.repositories.path().to_owned());
        let answering = move |seen: &Arc<Mutex<Vec<Seen>>>, root: &std::path::Path| {
            let (seen, root) = (Arc::clone(seen), root.to_owned());
            service_fn(move |request| answer(Arc::clone(&seen), root.clone(), request))
        };
        let (seen_tls, root_tls) = (Arc::clone(&seen), root.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = tls.accept().await {
                let (acceptor, service) = (acceptor.clone(), answering(&seen_tls, &root_tls));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    match stream.get_ref().1.alpn_protocol() {
                        Some(b"h2") => {
                            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                            drop(server.serve_connection(TokioIo::new(stream), service).await);
                        }
                        _ => one(stream, service).await,
                    }
                });
            }
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = plain.accept().await {
                tokio::spawn(one(stream, answering(&seen, &root)));
            }
        });
        far
    }
}

async fn one<S, F>(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, service: S)
where
    S: hyper::service::Service<Request<Incoming>, Response = Answer, Error = Infallible, Future = F>,
    F: Future<Output = Result<Answer, Infallible>> + Send + 'static,
{
    let server = hyper::server::conn::http1::Builder::new();
    drop(server.serve_connection(TokioIo::new(stream), service).with_upgrades().await);
}

fn certified() -> (String, ServerConfig) {
    let mut params = CertificateParams::new(vec!["test authority".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec![API.to_owned(), OTHER.to_owned()];
    let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (authority.pem(), config)
}

async fn answer(
    seen: Arc<Mutex<Vec<Seen>>>,
    root: std::path::PathBuf,
    mut request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    if request.headers().contains_key("upgrade") {
        return Ok(websocket(&mut request));
    }
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let found = Seen {
        version: parts.version,
        method: parts.method.to_string(),
        uri: parts.uri.to_string(),
        headers: parts.headers,
        body,
    };
    seen.lock().unwrap().push(found.clone());
    let path = parts.uri.path();
    Ok(match path {
        "/echo" => plain(StatusCode::OK, format!("{:?}\n{}", found.headers, String::from_utf8_lossy(&found.body))),
        "/dribble" => dribble(&found),
        "/packed" => with(plain(StatusCode::OK, "packed".into()), "content-encoding", "gzip"),
        "/headers" => with(plain(StatusCode::OK, "ok".into()), "x-echo", found.header("authorization")),
        "/away" => {
            let to = parts.uri.query().unwrap_or_default();
            with(plain(StatusCode::FOUND, "away".into()), "location", to)
        }
        "/elsewhere" => with(plain(StatusCode::OK, "ok".into()), "alt-svc", "h3=\":443\""),
        _ if path.starts_with("/git/") => git::backend(&root, &found, parts.uri.query().unwrap_or_default()),
        _ => plain(StatusCode::OK, format!("hello from {path}\n")),
    })
}

pub fn plain(status: StatusCode, text: String) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(text)).boxed());
    *response.status_mut() = status;
    response
}

fn with(mut response: Answer, name: &'static str, value: &str) -> Answer {
    response.headers_mut().insert(name, value.parse().unwrap());
    response
}

/// The authorization sent back in pieces of three bytes.
fn dribble(found: &Seen) -> Answer {
    let text = format!("you sent {} to me", found.header("authorization"));
    let pieces: Vec<_> = text
        .as_bytes()
        .chunks(3)
        .map(|piece| Ok::<_, Infallible>(hyper::body::Frame::data(Bytes::copy_from_slice(piece))))
        .collect();
    Response::new(Pieces(pieces.into()).boxed())
}

struct Pieces(std::collections::VecDeque<Result<hyper::body::Frame<Bytes>, Infallible>>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.0.pop_front())
    }
}

/// Says back what it hears, and first what it was told in the request.
fn websocket(request: &mut Request<Incoming>) -> Answer {
    let authorization = request.headers().get("authorization").map(|value| value.as_bytes().to_vec());
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let mut stream = TokioIo::new(upgrade.await.unwrap());
        stream.write_all(&authorization.unwrap_or_default()).await.unwrap();
        let mut buffer = [0; 1024];
        while let Ok(read) = stream.read(&mut buffer).await {
            if read == 0 || stream.write_all(&buffer[..read]).await.is_err() {
                break;
            }
        }
    });
    let response = with(plain(StatusCode::SWITCHING_PROTOCOLS, String::new()), "connection", "upgrade");
    with(response, "upgrade", "websocket")
}
