//! GoChat by TLS from end to end: clients, gateway, services and Redis, with certificates made by the tests.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod certificates;
mod deployment;
mod redis;
