//! What a host does to others is found in the log, under the name of the request that asked for it.

use gochat_rig::{AT_MOST, Deployment, Plan, until};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn an_act_of_moderation_is_logged_with_its_request() {
    let deployment = Deployment::of(Plan::whole().with("GOCHAT_LOG", "gochat::audit=info")).await;
    let client = deployment.client();
    let host = client.login("host", "").await.unwrap();
    let opened = host.create_room("tea").await.unwrap();
    let lea = client.login("lea", "").await.unwrap();
    lea.join_room(&opened.room.room_id).await.unwrap();

    let asked = json!({ "uid": host.uid(), "room_id": opened.room.room_id, "target_uid": lea.uid() });
    let call = reqwest::Client::new()
        .post(deployment.url("x/remove_member"))
        .bearer_auth(host.token().unwrap())
        .header("x-request-id", "complaint-4711")
        .json(&asked);
    let answer: Value = call.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["ret"]["code"], 0, "{answer}");

    let line = until("the line", AT_MOST, async || {
        let room = deployment.services().find(|process| process.name == "room")?;
        let said = room.said();
        said.lines().find(|line| line.contains("gochat::audit")).map(str::to_owned)
    })
    .await;
    for part in [format!("who={}", host.uid()), format!("whom={}", lea.uid()), "complaint-4711".to_owned()] {
        assert!(line.contains(&part), "{part}: {line}");
    }
}
