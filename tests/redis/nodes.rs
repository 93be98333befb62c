//! What nodes tell each other.

use tower_socks::redis::{NodeText, RedisNodes, Unheard};

use crate::{server::Server, until};

#[tokio::test]
async fn each_node_has_a_note_which_goes_with_it() {
    let server = Server::start();
    let (one, two) = (server.node(), server.node());
    let (first, second) = (RedisNodes::new(&one), RedisNodes::new(&two));
    until("two nodes", async || {
        first.tell("here").await.is_ok()
            && first.notes().await.unwrap().len() == 1
            && two.nodes() == 2
    })
    .await;
    second.tell("there").await.unwrap();
    second.tell("elsewhere").await.unwrap();
    let mut notes = first.notes().await.unwrap();
    notes.sort_by(|a, b| a.text.cmp(&b.text));
    let note = |node: &str, text: &str| NodeText {
        node: node.into(),
        text: text.into(),
    };
    assert_eq!(
        notes,
        [note(two.node(), "elsewhere"), note(one.node(), "here")]
    );

    assert_eq!(
        first.tell(&"x".repeat(16 * 1024 + 1)).await,
        Err(Unheard::TooLong)
    );
    // Somebody else has written more than a node does.
    let place = format!("tower-socks:nodes:note:{{{}}}", two.node());
    server.cli(&["setrange", &place, "100000", "x"]);
    let longest = first
        .notes()
        .await
        .unwrap()
        .into_iter()
        .map(|note| note.text.len())
        .max();
    assert_eq!(longest, Some(16 * 1024));

    two.leave().await;
    assert_eq!(first.notes().await.unwrap(), [note(one.node(), "here")]);
}

#[tokio::test]
async fn all_nodes_hear_a_question_once_and_answer() {
    let server = Server::start();
    let (one, two) = (
        RedisNodes::new(&server.node()),
        RedisNodes::new(&server.node()),
    );
    let id = one.ask("before").await.unwrap();
    assert!(one.answers(&id).await.unwrap().is_empty());
    // From here on.
    assert!(two.questions().await.unwrap().is_empty());
    let id = one.ask("how many?").await.unwrap();
    let asked = two.questions().await.unwrap();
    assert_eq!(
        (asked.len(), &*asked[0].id, &*asked[0].text),
        (1, &*id, "how many?")
    );
    assert!(two.questions().await.unwrap().is_empty());
    two.answer(&id, "3").await.unwrap();
    two.answer(&id, "4").await.unwrap();
    let answers = one.answers(&id).await.unwrap();
    assert_eq!((answers.len(), &*answers[0].text), (1, "4"));
    // All of it is forgotten by itself.
    for key in server
        .cli(&["--scan", "--pattern", "*questions*"])
        .lines()
        .chain(server.cli(&["--scan", "--pattern", "*answers*"]).lines())
    {
        let left: i64 = server.cli(&["ttl", key]).parse().unwrap();
        assert!((1..=60).contains(&left), "{key}: {left}");
    }
}

#[tokio::test]
async fn while_redis_is_away_nobody_waits() {
    let mut server = Server::start();
    let redis = server.node();
    let nodes = RedisNodes::new(&redis);
    nodes.tell("here").await.unwrap();
    server.kill();
    until("away", async || {
        nodes.tell("here").await == Err(Unheard::Away) && !redis.is_up()
    })
    .await;
    let started = std::time::Instant::now();
    assert_eq!(nodes.ask("x").await, Err(Unheard::Away));
    assert_eq!(nodes.notes().await, Err(Unheard::Away));
    assert_eq!(nodes.questions().await, Err(Unheard::Away));
    assert!(started.elapsed() < std::time::Duration::from_millis(100));
    server.restart();
    until("back", async || nodes.tell("here").await.is_ok()).await;
}
