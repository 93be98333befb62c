//! A SOCKS5 proxy inside TLS, whose certificate comes from an ACME authority and stays fresh.
//!
//! ```text
//! PASSWORD=... acme proxy.example joe /var/lib/acme
//! ```
//!
//! The name has to lead to this machine, and the ports 80 (for the authority) and 1080 have to be free. Account
//! and certificate are kept in the folder. The variable DIRECTORY has the URL of an authority; by default it is the one
//! of Let's Encrypt for trials, whose certificates nobody believes.

use std::env;

use acme::{Answers, Folder, keep_fresh, order};
use instant_acme::{Account, LetsEncrypt, NewAccount};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_socks::{
    AclLayer, AuthLayer, BoxError, Connector, HandshakeLayer, Rules, UserPass, Users,
    layer::tls::TlsLayer, serve,
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [name, user, folder] = arguments.try_into().map_err(|_| "acme NAME USER FOLDER")?;
    let password = env::var("PASSWORD").map_err(|_| "the variable PASSWORD is not set")?;
    let users = Users::from_iter([(user, password)]);
    let folder = Folder::open(folder)?;
    let account = account(&folder).await?;

    let answers = Answers::default();
    let listener = TcpListener::bind("[::]:80").await?;
    tokio::spawn(answers.clone().serve(listener));
    let ordering = folder.clone();
    let order = async move || {
        let issued = order(&account, &name, &answers).await?;
        ordering.keep_issued(&issued)?;
        Ok(issued)
    };

    let issued = match folder.issued()? {
        Some(issued) => issued,
        None => order().await?,
    };
    let tls = TlsLayer::new(issued.config()?);
    let stack = ServiceBuilder::new()
        .layer(tls.clone())
        .layer(HandshakeLayer::new())
        .layer(AuthLayer::new(UserPass::new(users)))
        .layer(AclLayer::new(Rules::default()))
        .service(Connector::direct());
    let listener = TcpListener::bind("[::]:1080").await?;
    tokio::select! {
        served = serve(listener, stack).into_future() => served?,
        () = keep_fresh(tls, issued, order) => {}
    }
    Ok(())
}

/// The account of the folder, or a new one.
async fn account(folder: &Folder) -> Result<Account, BoxError> {
    if let Some(kept) = folder.account()? {
        return Ok(Account::builder()?.from_credentials(kept).await?);
    }
    let directory = env::var("DIRECTORY").unwrap_or_else(|_| LetsEncrypt::Staging.url().to_owned());
    let new = NewAccount {
        contact: &[],
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let (account, credentials) = Account::builder()?.create(&new, directory, None).await?;
    folder.keep_account(&credentials)?;
    Ok(account)
}
