//! Replies on their way to the client.

use std::{io, time::Duration};

use tokio::{io::AsyncWriteExt, time::timeout};

use super::Wire;
use crate::{
    proto::{Reply, ReplyCode},
    relay::hang_up,
};

/// How long a reply may take to leave. With the time of [`hang_up`] this stays below the 10 s that
/// RFC 1928 section 6 allows.
const LIMIT: Duration = Duration::from_secs(5);

/// Writes a reply.
///
/// # Errors
///
/// When the stream fails, or will not take the reply within 5 s.
pub(crate) async fn answer<W: Wire>(client: &mut W, reply: &Reply) -> io::Result<()> {
    let write = async {
        client.write_all(&reply.encode()).await?;
        client.flush().await
    };
    timeout(LIMIT, write).await?
}

/// Says no, and closes so that it is heard.
pub(crate) async fn refuse<W: Wire>(mut client: W, code: ReplyCode) {
    // Whoever is gone need not be told.
    if answer(&mut client, &Reply::failure(code)).await.is_ok() {
        hang_up(client).await;
    }
}
