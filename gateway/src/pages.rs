//! `/openapi.json` for machines, and `/docs` for people: one page that needs nothing from elsewhere.

use std::fmt::Write;

use axum::{Router, body::Bytes, routing::get};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use serde_json::Value;

use crate::Gateway;

const STYLE: &str = include_str!("pages.css");

/// The page may load nothing, and runs nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Both, as they are sent.
pub(crate) struct Pages {
    openapi: Bytes,
    docs: Bytes,
}

impl Pages {
    pub(crate) fn new(document: Value) -> Self {
        Self { docs: page(&document).into(), openapi: document.to_string().into() }
    }

    pub(crate) fn router(self) -> Router<Gateway> {
        let Self { openapi, docs } = self;
        let html = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY)];
        Router::new()
            .route("/openapi.json", get(async move || ([(CONTENT_TYPE, "application/json")], openapi)))
            .route("/docs", get(async move || (html, docs)))
    }
}

fn page(document: &Value) -> String {
    let (title, about) = (text(&document["info"]["title"]), text(&document["info"]["description"]));
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
         <title>{title}</title><style>{STYLE}</style><main><h1>{title}</h1><p>{about}</p>\
         <p><code>/openapi.json</code> says the same to machines.</p>"
    );
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (verb, operation) in item.as_object().into_iter().flatten() {
            section(&mut page, path, verb, operation);
        }
    }
    page.push_str("</main></html>");
    page
}

fn section(page: &mut String, path: &str, verb: &str, operation: &Value) {
    let (path, verb) = (escaped(path), verb.to_uppercase());
    put(page, format_args!("<section><h2><small>{verb}</small> {path}</h2>"));
    put(page, format_args!("<p>{}</p>", text(&operation["summary"])));
    let content = &operation["requestBody"]["content"]["application/json"];
    rows(page, &content["schema"]);
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let (name, about) = (text(&parameter["name"]), text(&parameter["description"]));
        put(page, format_args!("<p><code>{name}</code> {about}</p>"));
    }
    examples(page, &content["examples"]);
    for (_, answer) in operation["responses"]["200"]["content"].as_object().into_iter().flatten() {
        examples(page, &answer["examples"]);
    }
    page.push_str("</section>");
}

/// The parameters of a body, each with its type and what it means.
fn rows(page: &mut String, schema: &Value) {
    let Some(properties) = schema["properties"].as_object() else { return };
    let required = schema["required"].as_array();
    page.push_str("<table>");
    for (name, property) in properties {
        let needed = required.is_some_and(|required| required.iter().any(|other| other == name.as_str()));
        let mark = if needed { "" } else { "optional" };
        let kind = match &property["type"] {
            Value::Array(kinds) => kinds.iter().map(text).collect::<Vec<_>>().join(" or "),
            kind => text(kind),
        };
        let (name, about) = (escaped(name), text(&property["description"]));
        let row = format_args!("<tr><td><code>{name}</code><td>{kind}<td>{mark}<td>{about}");
        put(page, row);
    }
    page.push_str("</table>");
}

fn examples(page: &mut String, examples: &Value) {
    for (name, example) in examples.as_object().into_iter().flatten() {
        let value = example["value"].as_str().map_or_else(|| example["value"].to_string(), str::to_owned);
        let (name, value) = (escaped(name), escaped(&value));
        put(page, format_args!("<p>{name}<pre>{value}</pre>"));
    }
}

fn put(page: &mut String, what: std::fmt::Arguments<'_>) {
    // A string takes whatever is written.
    let _ = page.write_fmt(what);
}

fn text(value: &Value) -> String {
    escaped(value.as_str().unwrap_or_default())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\'', "&#39;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_says_what_the_document_says_and_runs_none_of_it() {
        let example = json!({ "call": { "value": { "nick_name": "<script>" } } });
        let schema = json!({ "required": ["nick_name"], "properties": {
            "nick_name": { "type": "string", "description": "Who." }, "avatar": { "type": ["string", "null"] } } });
        let body = json!({ "content": { "application/json": { "schema": schema, "examples": example } } });
        let document = json!({ "info": { "title": "a & b" },
            "paths": { "/login": { "post": { "summary": "Logs in.", "requestBody": body } } } });
        let page = page(&document);
        for part in [
            "a &amp; b",
            "POST</small> /login",
            "Logs in.",
            "<code>nick_name</code><td>string<td><td>Who.",
            "string or null<td>optional",
            "&lt;script&gt;",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("<script") && !page.contains("http"));
    }
}
