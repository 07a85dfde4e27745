//! The interleavings that broke looser wordings of following and resuming, each written down
//! as it happened: reads and messages are handed over one by one.

mod stage;

use gochat_proto::notifier::subscribe_response::Frame as Out;
use stage::{Client, LISTENER, Node, Redis, changed, invited, joined};

#[test]
fn a_history_that_is_lost_is_not_continued_by_numbers() {
    let mut redis = Redis::opened();
    let copy = redis.clone();
    let mut node = Node::with_ring(1);
    node.reads_all(&redis);
    let mut client = Client::begins(&mut node, &redis);
    let r0 = client.held();
    client.leaves();
    let (_lost, second) = (redis.commits(changed(1)), redis.commits(changed(2)));
    node.hears(&second);
    node.reads_all(&redis);
    // Redis is restored, and goes on otherwise; the client comes back with what it held.
    redis = copy;
    let other = redis.commits(changed(3));
    client.asks(&mut node, Some(r0), None);
    node.reads_all(&redis);
    assert_eq!(client.told(&mut node), ["commit 2"], "the log leads on from there");
    node.hears(&second);
    assert!(client.told(&mut node).is_empty(), "nothing of the lost history");
    assert_eq!(client.held(), other.place());
}

#[test]
fn a_view_that_lags_does_not_answer_who_is_ahead_of_it() {
    let mut redis = Redis::opened();
    let mut node = Node::with_ring(8);
    node.reads_all(&redis);
    // Another node has served the client up to here; this one has heard nothing.
    let held = redis.commits(changed(1)).place();
    redis.commits(changed(2));
    redis.commits(changed(3));
    redis.caps(1);
    let mut client = Client::new(LISTENER);
    client.asks(&mut node, Some(held), None);
    assert!(client.told(&mut node).is_empty(), "no older state");
    node.reads_all(&redis);
    assert_eq!(client.told(&mut node), ["snapshot 4 of 3"]);
}

#[test]
fn a_token_is_not_a_number() {
    let mut redis = Redis::opened();
    let copy = redis.clone();
    let mut node = Node::with_ring(8);
    node.reads_all(&redis);
    node.hears(&redis.commits(changed(1)));
    redis = copy;
    let held = redis.commits(changed(2)).place();
    redis.commits(changed(3));
    redis.commits(changed(4));
    redis.caps(1);
    let mut client = Client::new(LISTENER);
    client.asks(&mut node, Some(held), None);
    node.reads_all(&redis);
    assert_eq!(client.told(&mut node), ["snapshot 4 of 4"], "never what redis no longer has");
}

#[test]
fn a_minimum_is_not_a_number() {
    let mut redis = Redis::opened();
    let copy = redis.clone();
    let mut node = Node::with_ring(8);
    node.reads_all(&redis);
    node.hears(&redis.commits(changed(1)));
    redis = copy;
    let entered = redis.commits(joined(9)).place();
    let mut client = Client::new(9);
    client.asks(&mut node, None, Some(entered));
    node.reads_all(&redis);
    assert_eq!(client.told(&mut node), ["snapshot 2 of 9"], "with the client's own coming");
}

#[test]
fn a_minimum_that_redis_has_lost_is_not_waited_for() {
    let mut redis = Redis::opened();
    let copy = redis.clone();
    let lost = redis.commits(changed(1)).place();
    redis = copy;
    let mut node = Node::with_ring(8);
    node.reads_all(&redis);
    let mut client = Client::new(LISTENER);
    client.asks(&mut node, None, Some(lost));
    node.reads_all(&redis);
    assert_eq!(client.told(&mut node), ["snapshot 1 of 0"]);
}

#[test]
fn an_answer_that_is_merely_newer_or_older_discards_nothing() {
    let mut redis = Redis::opened();
    let mut node = Node::with_ring(8);
    node.reads_all(&redis);
    let mut client = Client::begins(&mut node, &redis);
    // The answer is ahead of the message.
    let first = redis.commits(changed(1));
    let mark = node.mark();
    node.is_compared(mark, &redis);
    node.reads_all(&redis);
    node.hears(&first);
    assert_eq!(client.told(&mut node), ["commit 2"], "once");
    // The messages are ahead of the answer.
    let (mark, then) = (node.mark(), redis.clone());
    node.hears(&redis.commits(changed(2)));
    node.is_compared(mark, &then);
    assert_eq!(client.told(&mut node), ["commit 3"]);
    assert!(node.is_at_rest());
}

#[test]
fn a_quiet_redis_that_went_back_is_noticed() {
    let mut redis = Redis::opened();
    let copy = redis.clone();
    let mut node = Node::with_ring(8);
    node.reads_all(&redis);
    let mut client = Client::begins(&mut node, &redis);
    node.hears(&redis.commits(changed(1)));
    assert_eq!(client.told(&mut node), ["commit 2"]);
    let mark = node.mark();
    node.is_compared(mark, &copy);
    node.reads_all(&copy);
    assert_eq!(client.told(&mut node), ["snapshot 1 of 0"]);
}

#[test]
fn the_last_event_of_a_quiet_room_is_not_lost() {
    let mut redis = Redis::opened();
    let mut node = Node::with_ring(8);
    node.reads_all(&redis);
    let mut client = Client::begins(&mut node, &redis);
    redis.commits(changed(1));
    let mark = node.mark();
    node.is_compared(mark, &redis);
    node.reads_all(&redis);
    assert_eq!(client.told(&mut node), ["commit 2"]);
}

#[test]
fn a_read_that_is_under_way_does_not_count() {
    let mut redis = Redis::opened();
    let mut node = Node::with_ring(8);
    node.reads_all(&redis);
    let mut early = Client::new(LISTENER);
    early.asks(&mut node, None, Some(redis.somewhere()));
    let under_way = node.sends(&redis);
    let entered = redis.commits(joined(9)).place();
    let mut late = Client::new(9);
    late.asks(&mut node, None, Some(entered));
    node.is_answered(under_way);
    assert_eq!(early.told(&mut node), ["snapshot 1 of 0"]);
    assert!(late.told(&mut node).is_empty(), "not by that one");
    node.reads_all(&redis);
    assert_eq!(late.told(&mut node), ["snapshot 2 of 9"]);
}

#[test]
fn what_is_personal_is_of_the_snapshots_revision() {
    let mut redis = Redis::opened();
    let mut node = Node::with_ring(8);
    node.reads_all(&redis);
    let sent = redis.commits(invited(LISTENER));
    let mut client = Client::new(LISTENER);
    client.asks(&mut node, None, None);
    let frames = client.frames(&mut node);
    assert!(matches!(&frames[1], Out::Personal(personal) if personal.invitation.is_none()));
    node.hears(&sent);
    assert_eq!(client.told(&mut node), ["commit 2"], "as an event, once");
    let mut again = Client::new(LISTENER);
    again.asks(&mut node, None, None);
    let frames = again.frames(&mut node);
    assert!(matches!(&frames[1], Out::Personal(personal) if personal.invitation.is_some()));
    assert!(again.told(&mut node).is_empty());
}

#[test]
fn a_host_learns_after_a_snapshot_whom_it_has_invited() {
    let mut redis = Redis::opened();
    let mut node = Node::with_ring(8);
    redis.commits(invited(LISTENER));
    let mut host = Client::new(stage::HOST);
    node.reads_all(&redis);
    node.hears(&redis.commits(invited(LISTENER)));
    host.asks(&mut node, None, None);
    let frames = host.frames(&mut node);
    let Out::Personal(personal) = &frames[1] else { panic!("{frames:?}") };
    assert_eq!(personal.outstanding.len(), 1);
    assert_eq!((personal.outstanding[0].target_uid, personal.outstanding[0].token.as_str()), (LISTENER, ""));
}

#[test]
fn a_token_does_not_fall_behind_where_others_are_told_things() {
    let mut redis = Redis::opened();
    let mut node = Node::with_ring(2);
    node.reads_all(&redis);
    let mut client = Client::begins(&mut node, &redis);
    (0..5).for_each(|_| node.hears(&redis.commits(invited(7))));
    assert!(client.told(&mut node).is_empty(), "it is not for this one");
    redis.caps(1);
    let token = client.keeps_alive();
    assert_eq!(token, redis.place());
    client.leaves();
    client.asks(&mut node, Some(token), None);
    assert!(client.told(&mut node).is_empty(), "it goes on without a snapshot");
    node.hears(&redis.commits(changed(1)));
    assert_eq!(client.told(&mut node), ["commit 7"]);
}

#[test]
fn a_node_that_has_just_started_resumes_from_the_log_read_once() {
    let mut redis = Redis::opened();
    let held = redis.commits(changed(1)).place();
    (2..5).for_each(|n| drop(redis.commits(changed(n))));
    let mut node = Node::with_ring(8);
    let mut clients: Vec<Client> = (0..3).map(|_| Client::new(LISTENER)).collect();
    clients.iter_mut().for_each(|client| client.asks(&mut node, Some(held), None));
    node.reads_all(&redis);
    for client in &mut clients {
        assert_eq!(client.told(&mut node), ["commit 3", "commit 4", "commit 5"]);
    }
    let mut late = Client::new(LISTENER);
    late.asks(&mut node, Some(held), None);
    assert_eq!(late.told(&mut node), ["commit 3", "commit 4", "commit 5"]);
    assert_eq!((node.snapshots_read, node.logs_read), (1, 1));
}

#[test]
fn a_log_that_is_too_short_is_read_once_too() {
    let mut redis = Redis::opened();
    let held = redis.place();
    (1..6).for_each(|n| drop(redis.commits(changed(n))));
    redis.caps(2);
    let mut node = Node::with_ring(8);
    for _ in 0..3 {
        let mut client = Client::new(LISTENER);
        client.asks(&mut node, Some(held), None);
        node.reads_all(&redis);
        assert_eq!(client.told(&mut node), ["snapshot 6 of 5"]);
    }
    assert_eq!(node.logs_read, 1);
}

#[test]
fn a_log_of_another_history_resumes_nobody() {
    let mut redis = Redis::opened();
    let copy = redis.clone();
    let lost = redis.commits(changed(1)).place();
    redis = copy;
    (2..5).for_each(|n| drop(redis.commits(changed(n))));
    let mut node = Node::with_ring(8);
    let mut client = Client::new(LISTENER);
    client.asks(&mut node, Some(lost), None);
    node.reads_all(&redis);
    assert_eq!(client.told(&mut node), ["snapshot 4 of 4"]);
}

#[test]
fn a_room_whose_number_is_used_again_is_another_room() {
    let mut redis = Redis::opened();
    let mut node = Node::with_ring(8);
    node.reads_all(&redis);
    (1..4).for_each(|n| node.hears(&redis.commits(changed(n))));
    let token = redis.place();
    let mut again = Redis::opened();
    node.hears(&again.commits(changed(7)));
    let mut client = Client::new(LISTENER);
    client.asks(&mut node, Some(token), None);
    node.reads_all(&again);
    assert_eq!(client.told(&mut node), ["snapshot 2 of 7"], "not what the former room was");
}
