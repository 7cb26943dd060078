//! HTTP whose requests are judged one by one.

use crate::policy::Host;

use super::tunnel::Tunnel;

/// Carries plain HTTP/1 to `host`, `first` being what the client has said so far. The word on how it ended.
pub async fn plain(tunnel: Tunnel, first: Vec<u8>, host: Host) -> &'static str {
    drop((tunnel, first, host));
    "denied"
}
