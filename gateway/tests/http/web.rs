//! The browser client, as a browser gets it: types, policy, what is kept, and that it can be left out.

use http::Method;
use serde_json::Value;

use crate::world::World;

#[tokio::test]
async fn a_page_and_its_parts_come_with_their_types_and_a_policy() {
    let world = World::start().await;
    for (path, kind, part) in [
        ("", "text/html; charset=utf-8", "<!doctype html>"),
        ("web/main.js", "text/javascript; charset=utf-8", "import "),
        ("web/view/stage.js", "text/javascript; charset=utf-8", "export "),
        ("web/style.css", "text/css; charset=utf-8", ":root"),
        ("web/icon.svg", "image/svg+xml", "<svg"),
    ] {
        let response = world.client.get(world.page(path)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), kind);
        let policy = header("content-security-policy");
        for rule in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"] {
            assert!(policy.contains(rule), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert!(header("permissions-policy").contains("microphone=(self)"));
        assert!(response.text().await.unwrap().contains(part), "{path}");
    }
}

#[tokio::test]
async fn what_a_browser_holds_is_not_sent_again() {
    let world = World::start().await;
    let ask = |etag: &str| {
        world.client.get(world.page("web/main.js")).header("if-none-match", etag.to_owned()).send()
    };
    let first = ask("W/\"of another version\"").await.unwrap();
    assert_eq!(
        (first.status().as_u16(), &first.headers()["cache-control"]),
        (200, &"no-cache".parse().unwrap())
    );
    let etag = first.headers()["etag"].to_str().unwrap().to_owned();
    let again = ask(&etag).await.unwrap();
    assert_eq!(again.status(), 304);
    assert_eq!(again.headers()["etag"], *etag);
    assert!(again.bytes().await.unwrap().is_empty());
    let head = world.client.request(Method::HEAD, world.page("")).send().await.unwrap();
    assert_eq!(head.status(), 200);
}

#[tokio::test]
async fn the_client_can_be_left_out() {
    let world = World::with(&["--web=false"]).await;
    for path in ["", "web/main.js"] {
        let response = world.client.get(world.page(path)).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["ret"]["code"], 80001);
    }
    for path in ["docs", "openapi.json"] {
        let response = world.client.get(world.page(path)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
    }
}
