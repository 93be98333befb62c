//! What the authority asks for at port 80 (`http-01`, RFC 8555 section 8.3).

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

const PATH: &str = "/.well-known/acme-challenge/";
/// The longest head of a request.
const LONGEST: u64 = 4096;
const LIMIT: Duration = Duration::from_secs(5);
const CONNECTIONS: usize = 64;

/// Answers to challenges, by their tokens.
#[derive(Clone, Debug, Default)]
pub struct Answers(Arc<Mutex<HashMap<String, String>>>);

impl Answers {
    /// Adds an answer.
    pub fn put(&self, token: &str, answer: &str) {
        self.lock().insert(token.to_owned(), answer.to_owned());
    }

    /// Forgets all of them.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves them for ever. Anybody can come here: time, length and number are bounded.
    pub async fn serve(self, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let place = Arc::clone(&places).acquire_owned().await;
            match listener.accept().await {
                Ok((client, _)) => {
                    let answers = self.clone();
                    tokio::spawn(async move {
                        let _place = place;
                        // A client that leaves, or is slow, is no concern of ours.
                        let _ = timeout(LIMIT, answers.answer(client)).await;
                    });
                }
                // Of descriptors, mostly.
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn answer(&self, mut client: TcpStream) -> io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut some = (&mut client).take(LONGEST - head.len() as u64);
            if some.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let head = String::from_utf8_lossy(&head);
        let token = head
            .strip_prefix("GET ")
            .and_then(|rest| rest.strip_prefix(PATH))
            .and_then(|rest| rest.split(' ').next());
        let answer = token.and_then(|token| self.lock().get(token).cloned());
        let (status, body) = match answer {
            Some(answer) => ("200 OK", answer),
            None => ("404 Not Found", String::new()),
        };
        let length = body.len();
        let response = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/octet-stream\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n{body}"
        );
        client.write_all(response.as_bytes()).await?;
        client.shutdown().await
    }
}
