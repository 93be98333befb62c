//! A node of Redis Cluster that has not the key: it redirects, and the log says what that is.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
};

use tower_socks::{
    layer::{key, limit::ConcurrentTunnels},
    redis::{Redis, RedisTunnels},
};

use crate::{admitted, log::Log};

/// Says of each key that it is elsewhere.
fn elsewhere() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut answers = stream.try_clone().unwrap();
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    // So a command begins.
                    if line.starts_with('*') {
                        let _ = answers.write_all(b"-MOVED 3999 127.0.0.1:6381\r\n");
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn redirections_are_said_once_and_limits_go_on() {
    let (log, _guard) = Log::start(tracing::Level::WARN);
    let redis = Redis::builder(&format!("redis://{}", elsewhere()));
    let redis = redis.unwrap().build().unwrap();
    let limit = ConcurrentTunnels::new(2, key::user).with_store(RedisTunnels::new(&redis, "test"));
    let mut open = Vec::new();
    for _ in 0..2 {
        open.push(admitted(&limit, "joe").await.unwrap());
    }
    assert!(admitted(&limit, "joe").await.is_err());
    let said = log.text();
    assert_eq!(said.matches("this is Redis Cluster").count(), 1, "{said}");
}
