//! An order (RFC 8555 section 7.4).

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, NewOrder, OrderStatus, RetryPolicy,
};
use tower_socks::BoxError;

use crate::{Answers, Issued};

/// Orders a certificate for a name: answers the challenges, and waits for it.
pub async fn order(account: &Account, name: &str, answers: &Answers) -> Result<Issued, BoxError> {
    let names = [Identifier::Dns(name.to_owned())];
    let mut order = account.new_order(&NewOrder::new(&names)).await?;
    let mut asked = order.authorizations();
    while let Some(authorization) = asked.next().await {
        let mut authorization = authorization?;
        match authorization.status {
            AuthorizationStatus::Pending => {}
            // From an order before this one.
            AuthorizationStatus::Valid => continue,
            other => return Err(format!("an authorization is {other:?}").into()),
        }
        let challenge = authorization.challenge(ChallengeType::Http01);
        let mut challenge = challenge.ok_or("the authority does not offer http-01")?;
        answers.put(&challenge.token, challenge.key_authorization().as_str());
        challenge.set_ready().await?;
    }
    let ready = order.poll_ready(&RetryPolicy::default()).await;
    answers.clear();
    match ready? {
        OrderStatus::Ready => {}
        other => return Err(format!("the order is {other:?}: does {name} lead here?").into()),
    }
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&RetryPolicy::default()).await?;
    Issued::new(format!("{}\n{key}", chain.trim_end()))
}
