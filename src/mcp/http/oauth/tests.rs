//! Log-ins against an authorization server that looks closely.

use super::rig::{Rig, Rules, browse, ways};
use super::*;

async fn log_in(rig: &Rig, client: Option<Client>) -> Result<Tokens, OauthError> {
    let place = discover(&ways(), &rig.server()).await?;
    let login = begin(&ways(), place, client).await?;
    let page = login.page.clone();
    // Somebody who guesses is turned away, and the log-in goes on.
    let redirect = page.split("redirect_uri=").nth(1).and_then(|rest| rest.split('&').next()).unwrap();
    let guess = format!("{}?code=evil&state=guess", fetch::unescaped(redirect).unwrap());
    let browser = tokio::spawn(async move {
        assert!(browse(&guess).await.starts_with("HTTP/1.1 404"));
        browse(&page).await
    });
    let tokens = login.finish(&ways(), &rig.server()).await;
    assert!(browser.await.unwrap().starts_with("HTTP/1.1 200"));
    tokens
}

#[tokio::test]
async fn a_log_in_gives_tokens_and_they_are_made_anew() {
    let rig = Rig::start(Rules::default()).await;
    let mut tokens = log_in(&rig, None).await.unwrap();
    assert_eq!((tokens.access.as_str(), tokens.client.id.as_str(), tokens.is_stale()), ("access-1", "client-1", false));
    assert_eq!(tokens.server, format!("{}/mcp", rig.base));
    tokens.refresh(&ways()).await.unwrap();
    assert_eq!((tokens.access.as_str(), tokens.refresh.as_str()), ("access-2", "refresh-2"));
    tokens.refresh = "refresh-1".to_owned();
    let refused = tokens.refresh(&ways()).await.unwrap_err().to_string();
    assert!(refused.contains("invalid_grant") && !refused.contains("refresh-1"), "{refused}");
    let shown = format!("{tokens:?}");
    assert!(!shown.contains("access-") && !shown.contains("refresh-"), "{shown}");
}

#[tokio::test]
async fn a_client_that_is_known_is_not_registered() {
    let rig = Rig::start(Rules { no_registration: true, ..Rules::default() }).await;
    assert!(matches!(log_in(&rig, None).await, Err(OauthError::NoClient)));
    let client = Client { id: "client-1".to_owned(), secret: String::new() };
    assert_eq!(log_in(&rig, Some(client)).await.unwrap().access, "access-1");
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let rig = Rig::start(Rules { mixes_up: true, ..Rules::default() }).await;
    assert!(matches!(log_in(&rig, None).await, Err(OauthError::Refused(_))));
    assert_eq!(rig.given(), 0);
    let rig = Rig::start(Rules { no_pkce: true, ..Rules::default() }).await;
    assert!(matches!(log_in(&rig, None).await, Err(OauthError::NoPkce)));
    let rig = Rig::start(Rules { other_resource: true, ..Rules::default() }).await;
    assert!(matches!(log_in(&rig, None).await, Err(OauthError::Nowhere(_))));
}
