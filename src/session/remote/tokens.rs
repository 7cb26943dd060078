//! Tokens of remote servers, kept between sessions: one file for each server, for the user alone.
//!
//! Invariant: a file is replaced as a whole, never written into; several sessions make a token anew one after the other, and
//! the second takes what the first was given; a file for another address than the server's is not used.
//! Leaves to others: how tokens are had and made anew (`mcp::http::oauth`), that no agent reads them (`policy::builtin`).

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use hyper::header::{AUTHORIZATION, HeaderValue};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::mcp::http::oauth::Tokens;
use crate::mcp::http::{Address, Authorizes, Credential, Later, Ways};

/// Bytes of one file.
const LONGEST: u64 = 1 << 20;

/// Why kept tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    #[error("cannot {act} '{}'", path.display())]
    File { act: &'static str, path: PathBuf, source: io::Error },
    #[error("'{}' does not hold what 'govsh mcp login' writes", path.display())]
    Unreadable { path: PathBuf },
}

/// The directory of tokens.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
}

/// The tokens of one server.
pub struct Kept {
    path: PathBuf,
    tokens: Tokens,
}

/// The same, for requests.
pub struct Fresh {
    path: PathBuf,
    ways: Ways,
    tokens: Mutex<Tokens>,
}

impl Store {
    pub fn at(dir: PathBuf) -> Store {
        Store { dir }
    }

    fn path(&self, server: &str) -> PathBuf {
        // Names of servers are letters, digits, '-', '_' and '.', and begin with no '.'.
        self.dir.join(format!("{server}.json"))
    }

    /// What is kept for this server at this address.
    pub fn of(&self, server: &str, address: &Address) -> Result<Option<Kept>, KeptError> {
        let path = self.path(server);
        let found = read(&path)?.filter(|tokens| tokens.server == address.to_string());
        Ok(found.map(|tokens| Kept { path, tokens }))
    }

    /// Keeps them; where.
    pub fn keep(&self, server: &str, tokens: &Tokens) -> Result<PathBuf, KeptError> {
        let failed = |source| KeptError::File { act: "make", path: self.dir.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(failed)?;
        let path = self.path(server);
        write(&path, tokens)?;
        Ok(path)
    }

    /// Forgets them; whether there were any.
    pub fn forget(&self, server: &str) -> Result<bool, KeptError> {
        let path = self.path(server);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(KeptError::File { act: "remove", path, source }),
        }
    }
}

impl Kept {
    pub fn with(self, ways: Ways) -> Fresh {
        Fresh { path: self.path, ways, tokens: Mutex::new(self.tokens) }
    }

    /// As whom the authorization server knows us.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }
}

fn read(path: &Path) -> Result<Option<Tokens>, KeptError> {
    let mut text = Zeroizing::new(Vec::new());
    let opened = match File::open(path) {
        Ok(file) => file.take(LONGEST).read_to_end(&mut text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error),
    };
    opened.map_err(|source| KeptError::File { act: "read", path: path.to_owned(), source })?;
    serde_json::from_slice(&text).map(Some).map_err(|_| KeptError::Unreadable { path: path.to_owned() })
}

fn write(path: &Path, tokens: &Tokens) -> Result<(), KeptError> {
    let failed = |source| KeptError::File { act: "write", path: path.to_owned(), source };
    let text = serde_json::to_vec(tokens).map(Zeroizing::new).map_err(|error| failed(error.into()))?;
    let new = path.with_extension(format!("new-{}", std::process::id()));
    let written = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    written().map_err(failed)
}

impl Fresh {
    /// The access token in force. Another session may have made it anew already.
    async fn token(&self, refused: Option<HeaderValue>) -> Result<HeaderValue, String> {
        let mut tokens = self.tokens.lock().await;
        let now = header(&tokens)?;
        if !tokens.is_stale() && refused.as_ref().is_none_or(|refused| *refused != now) {
            return Ok(now);
        }
        let lock = self.path.with_extension("lock");
        // Waits for another session that is at it, which takes as long as a request does.
        let locked = tokio::task::spawn_blocking(move || {
            let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(lock)?;
            file.lock().map(|()| file)
        });
        let _held = locked.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        if let Some(kept) =
            read(&self.path).map_err(|error| error.to_string())?.filter(|kept| kept.server == tokens.server)
        {
            *tokens = kept;
        }
        let kept = header(&tokens)?;
        if !tokens.is_stale() && refused.as_ref().is_none_or(|refused| *refused != kept) {
            return Ok(kept);
        }
        tokens.refresh(&self.ways).await.map_err(|error| format!("{error}: log in again"))?;
        write(&self.path, &tokens).map_err(|error| error.to_string())?;
        header(&tokens)
    }
}

fn header(tokens: &Tokens) -> Result<HeaderValue, String> {
    let text = Zeroizing::new(format!("Bearer {}", tokens.access));
    let mut value = HeaderValue::from_str(&text).map_err(|_| "the kept token cannot stand in a header".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

impl Authorizes for Fresh {
    fn authorize(&self, refused: Option<HeaderValue>) -> Later<'_, Result<Option<Credential>, String>> {
        Box::pin(async move { self.token(refused).await.map(|value| Some((AUTHORIZATION, value))) })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::mcp::http::oauth::rig::{Rig, Rules, browse, ways};
    use crate::mcp::http::oauth::{begin, discover};

    async fn logged_in(rig: &Rig) -> Tokens {
        let login = begin(&ways(), discover(&ways(), &rig.server()).await.unwrap(), None).await.unwrap();
        let page = login.page.clone();
        let browser = tokio::spawn(async move { browse(&page).await });
        let tokens = login.finish(&ways(), &rig.server()).await.unwrap();
        browser.await.unwrap();
        tokens
    }

    #[tokio::test]
    async fn tokens_are_for_the_user_alone_and_for_one_address() {
        let (dir, rig) = (tempfile::tempdir().unwrap(), Rig::start(Rules::default()).await);
        let store = Store::at(dir.path().join("govsh/mcp"));
        assert!(store.of("s", &rig.server()).unwrap().is_none());
        let path = store.keep("s", &logged_in(&rig).await).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert!(store.of("s", &rig.server()).unwrap().is_some());
        assert!(store.of("s", &Address::parse("https://evil.example/mcp").unwrap()).unwrap().is_none());
        assert!(store.forget("s").unwrap() && !store.forget("s").unwrap());
    }

    #[tokio::test]
    async fn of_several_sessions_one_makes_a_refused_token_anew() {
        let (dir, rig) = (tempfile::tempdir().unwrap(), Rig::start(Rules::default()).await);
        let store = Store::at(dir.path().to_owned());
        store.keep("s", &logged_in(&rig).await).unwrap();
        let session = || store.of("s", &rig.server()).unwrap().unwrap().with(ways());
        let (one, two) = (session(), session());
        let value = |credential: Option<Credential>| credential.unwrap().1;
        let old = value(one.authorize(None).await.unwrap());
        assert_eq!((old.to_str().unwrap(), old.is_sensitive()), ("Bearer access-1", true));
        rig.revoke();
        let (a, b) = tokio::join!(one.authorize(Some(old.clone())), two.authorize(Some(old.clone())));
        assert_eq!([value(a.unwrap()), value(b.unwrap())], ["Bearer access-2", "Bearer access-2"]);
        assert_eq!(rig.given(), 2);
        let kept = read(&dir.path().join("s.json")).unwrap().unwrap();
        assert_eq!((kept.access.as_str(), kept.refresh.as_str()), ("access-2", "refresh-2"));
    }
}
