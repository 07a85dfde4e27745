//! A process that can't do its work says why, and ends.

use tokio::time::timeout;

use gochat_rig::{AT_MOST, command, free_addresses};

#[tokio::test]
async fn without_redis_a_service_ends_and_names_what_to_set() {
    let [nobody] = free_addresses();
    let variables = [
        ("GOCHAT_REDIS_URL".to_owned(), format!("redis://{nobody}")),
        ("GOCHAT_ACCOUNT_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
        ("GOCHAT_ACCOUNT_ADMIN_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
    ];
    let ended = timeout(AT_MOST, command("account", &variables).output()).await;
    let ended = ended.expect("ends by itself").unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    for part in ["redis", "GOCHAT_REDIS_URL"] {
        assert!(said.contains(part), "{said}");
    }
}
