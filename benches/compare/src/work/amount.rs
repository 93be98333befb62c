//! What a connection costs, and what the server occupies, with few and with very many of something in its file.

use super::{At, connections};

pub(super) async fn measure(at: At<'_>) -> anyhow::Result<Vec<f64>> {
    let (window, _) = connections::visit(at).await?;
    let mebibytes = at.server.memory() / 1024.0 / 1024.0;
    Ok(vec![window.cpu / window.done * 1e6, mebibytes])
}
