//! The tables of docs/permissions.md against what the services do: every RPC of the contract, as every
//! kind of caller.

use std::{collections::BTreeSet, fs, path::Path};

use gochat_proto::{Access, access};
use prost::Message;

use crate::{
    permissions_asked::{is_look, question},
    permissions_cast::{Cast, USERS},
    wire::{Headers, acting, bearer, word},
    world::{ACTING, LOOKING, REVOKING, World},
};

/// Columns of the table of answers, after the RPC.
const COLUMNS: [&str; 9] = [
    "nobody",
    "stranger",
    "listener",
    "guest",
    "host",
    "banned",
    "other host",
    "service for any of them",
    "service by itself",
];
const FOR_THEM: usize = 7;
const BY_ITSELF: usize = 8;
/// In the column of services that act for users: the answer of the user acted for.
const AS_THEY: &str = "as they";

/// A row of the table of answers.
struct Row {
    /// As `Service/Rpc`.
    rpc: String,
    /// What sort of request, where there are several.
    sort: String,
    expected: Vec<String>,
}

/// Somebody who makes a call.
struct Attempt {
    who: String,
    headers: Headers,
    /// The user that it is made for, as an index of [`USERS`].
    user: Option<usize>,
    expected: String,
}

#[test]
fn every_rpc_is_open_to_whom_the_page_says_and_to_nobody_else() {
    let rows = table("open to");
    let told: BTreeSet<&str> = rows.iter().map(|row| plain(&row[0])).collect();
    let mut rpcs: BTreeSet<String> = contract();
    let others = ["Health/Check", "Health/Watch"].map(|rpc| format!("grpc.health.v1.{rpc}"));
    let reflection = ["v1", "v1alpha"]
        .map(|version| format!("grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"));
    rpcs.extend(others.into_iter().chain(reflection));
    assert_eq!(told, rpcs.iter().map(String::as_str).collect(), "one row for each RPC");
    assert_eq!(rows.len(), rpcs.len(), "no RPC twice");
    for row in &rows {
        let said = match access(&format!("/{}", plain(&row[0]))) {
            Some(Access::Anybody) => "anybody",
            Some(Access::User) => "users",
            Some(Access::UserOrService) => "users, services",
            Some(Access::Service) => "services",
            Some(Access::ServiceWith(right)) => &format!("services with `{right}`"),
            None => "nobody",
        };
        assert_eq!(row[1], said, "{}", row[0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_actor_is_answered_what_the_table_says() {
    let rows = answers();
    let rpcs: BTreeSet<String> = rows.iter().map(|row| row.rpc.clone()).collect();
    assert_eq!(rpcs, contract(), "every RPC of the contract has a row");
    let world = World::start().await;
    let mut cast = Cast::new(&world).await;
    let mut wrong = Vec::new();
    for row in &rows {
        for attempt in 0..attempts(row, &cast).len() {
            let attempt = attempts(row, &cast).swap_remove(attempt);
            let asked = question(&world, &cast, &row.rpc, &row.sort, attempt.user).await;
            let before = cast.place(&world).await;
            let answer = word(&world.call(&format!("/{}", row.rpc), &attempt.headers, asked).await);
            if answer != attempt.expected {
                let Attempt { who, expected, .. } = &attempt;
                wrong.push(format!("{} {}: {who} is answered {answer}, not {expected}", row.rpc, row.sort));
            }
            if answer == "ok" && !is_look(&row.rpc) {
                cast = Cast::new(&world).await;
            } else if cast.place(&world).await != before {
                wrong.push(format!("{} {}: {} changed the room", row.rpc, row.sort, attempt.who));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Everybody who tries an RPC: nobody, each user, a service for each user, with the right to and without,
/// and a service by itself, with the right to act for users, with that to end sessions, and with none.
fn attempts(row: &Row, cast: &Cast) -> Vec<Attempt> {
    let attempt = |who: String, headers, user, expected: &str| {
        let expected = expected.to_owned();
        Attempt { who, headers, user, expected }
    };
    let cell = |column: usize| row.expected[column].as_str();
    let mut all = vec![attempt(COLUMNS[0].to_owned(), Vec::new(), None, cell(0))];
    for (user, name) in USERS.into_iter().enumerate() {
        let as_they = if cell(FOR_THEM) == AS_THEY { cell(user + 1) } else { cell(FOR_THEM) };
        let (uid, own) = (cast.uid(user), bearer(cast.token(user)));
        all.push(attempt(name.to_owned(), own, Some(user), cell(user + 1)));
        all.push(attempt(format!("a service for the {name}"), acting(ACTING, uid), Some(user), as_they));
        let without = format!("a service without the right, for the {name}");
        all.push(attempt(without, acting(LOOKING, uid), Some(user), "NOT_PERMITTED"));
    }
    for token in [ACTING, LOOKING, REVOKING] {
        let by_itself = match cell(BY_ITSELF).strip_prefix("with its right ") {
            Some(answer) if token == REVOKING => answer,
            Some(_) => "NOT_PERMITTED",
            None => cell(BY_ITSELF),
        };
        all.push(attempt(format!("{token} by itself"), bearer(token), None, by_itself));
    }
    all
}

/// Every RPC of the contract, as `package.Service/Rpc`.
fn contract() -> BTreeSet<String> {
    let set = prost_types::FileDescriptorSet::decode(gochat_proto::DESCRIPTORS).unwrap();
    let mut rpcs = BTreeSet::new();
    for file in &set.file {
        for service in &file.service {
            let name = format!("{}.{}", file.package(), service.name());
            rpcs.extend(service.method.iter().map(|rpc| format!("{name}/{}", rpc.name())));
        }
    }
    rpcs
}

/// The table of answers.
fn answers() -> Vec<Row> {
    let rows = table(COLUMNS[0]);
    let read = |row: &Vec<String>| {
        let (rpc, sort) = row[0].trim_start_matches('`').split_once('`').unwrap();
        assert_eq!(row.len(), COLUMNS.len() + 1, "{rpc}");
        Row { rpc: rpc.to_owned(), sort: sort.trim().to_owned(), expected: row[1..].to_vec() }
    };
    rows.iter().map(read).collect()
}

/// The rows of the table of the page whose second column has this heading.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/permissions.md");
    let page = fs::read_to_string(page).unwrap();
    let cells = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let lines = page.lines().map(cells);
    let mut rows = lines.skip_while(|cells| cells.get(1).is_none_or(|cell| cell != heading));
    let headings = rows.next().unwrap_or_else(|| panic!("no table with {heading}"));
    assert!(headings.len() == 2 || headings[1..] == COLUMNS, "{headings:?}");
    rows.skip(1).take_while(|cells| cells.len() > 1).collect()
}

fn plain(cell: &str) -> &str {
    cell.trim_matches('`')
}
