//! The next certificate, in time.

use std::time::{Duration, SystemTime};

use tokio::time::sleep;
use tower_socks::{BoxError, layer::tls::TlsLayer};

use crate::Issued;

const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);

/// Replaces the certificate of the layer when two thirds of its time are over, for ever. An order that fails is
/// repeated after a minute, two, four, up to half a day; what the layer has stays in use.
pub async fn keep_fresh<O>(layer: TlsLayer, mut issued: Issued, mut order: O)
where
    O: AsyncFnMut() -> Result<Issued, BoxError>,
{
    let mut pause = SHORTEST;
    loop {
        sleep(issued.due_in(SystemTime::now())).await;
        let next = order().await.and_then(|next| Ok((next.config()?, next)));
        match next {
            Ok((config, next)) => {
                layer.replace(config);
                issued = next;
                pause = SHORTEST;
                // An authority whose certificates are due at once is not asked all the time.
                sleep(SHORTEST).await;
            }
            Err(error) => {
                eprintln!("no new certificate, next attempt in {pause:?}: {error}");
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
            }
        }
    }
}
