//! `GET /docs`: the contract as a page to read. Written here, once; no script, nothing from elsewhere.

use std::{fmt::Write, sync::LazyLock};

use axum::{Router, http::header, response::IntoResponse, routing::get};
use serde_json::Value;

use super::CONTRACT;
use crate::app::App;

pub fn routes() -> Router<App> {
    Router::new().route("/docs", get(show))
}

async fn show() -> impl IntoResponse {
    static PAGE: LazyLock<String> = LazyLock::new(|| write(&CONTRACT));
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    (headers, PAGE.as_str())
}

fn write(api: &Value) -> String {
    let mut page = HEAD.replace("{version}", text(&api["info"]["version"]));
    for paragraph in text(&api["info"]["description"]).split("\n\n") {
        push(&mut page, format_args!("<p>{}</p>\n", prose(paragraph)));
    }
    for tag in items(&api["tags"]) {
        let name = text(&tag["name"]);
        push(
            &mut page,
            format_args!(
                "<h2>{}</h2>\n<p>{}</p>\n",
                escape(name),
                prose(text(&tag["description"]))
            ),
        );
        for (path, item) in members(&api["paths"]) {
            for (method, operation) in members(item).filter(|(_, operation)| operation["tags"][0] == name) {
                self::operation(&mut page, method, path, operation);
            }
        }
    }
    page.push_str("<h2>Schemas</h2>\n");
    for (name, schema) in members(&api["components"]["schemas"]) {
        let name = escape(name);
        push(
            &mut page,
            format_args!("<details id=\"{name}\"><summary><code>{name}</code></summary>\n"),
        );
        json(&mut page, schema);
        page.push_str("</details>\n");
    }
    page.push_str("</html>\n");
    page
}

fn operation(page: &mut String, method: &str, path: &str, operation: &Value) {
    let (method, path) = (method.to_uppercase(), escape(path));
    push(
        page,
        format_args!("<details><summary><b>{method}</b> <code>{path}</code></summary>\n"),
    );
    for words in ["summary", "description"] {
        push(page, format_args!("<p>{}</p>\n", prose(text(&operation[words]))));
    }
    let who: Vec<&str> = items(&operation["security"])
        .flat_map(|way| members(way).map(|(name, _)| name))
        .collect();
    let who = if who.is_empty() {
        "no token".to_owned()
    } else {
        who.join(" or ")
    };
    push(page, format_args!("<p>Asked with: {}</p>\n<table>\n", escape(&who)));
    for parameter in items(&operation["parameters"]) {
        let needed = if parameter["required"] == true {
            ", required"
        } else {
            ""
        };
        let (name, place) = (escape(text(&parameter["name"])), escape(text(&parameter["in"])));
        let what = prose(text(&parameter["description"]));
        push(
            page,
            format_args!("<tr><th><code>{name}</code> ({place}{needed})</th><td>{what}</td></tr>\n"),
        );
    }
    body(page, "body", &operation["requestBody"]);
    for (status, response) in members(&operation["responses"]) {
        body(page, status, response);
    }
    page.push_str("</table></details>\n");
}

/// A row about what is sent or comes back.
fn body(page: &mut String, what: &str, body: &Value) {
    if body.is_null() {
        return;
    }
    push(
        page,
        format_args!("<tr><th>{}</th><td>{}", escape(what), prose(text(&body["description"]))),
    );
    for (media, content) in members(&body["content"]) {
        push(page, format_args!(" <span>{}", escape(media)));
        for name in names(&content["schema"]) {
            let name = escape(name);
            push(page, format_args!(" <a href=\"#{name}\">{name}</a>"));
        }
        page.push_str("</span>");
    }
    page.push_str("</td></tr>\n");
}

/// The schemas that a schema refers to.
fn names(schema: &Value) -> Vec<&str> {
    let own = schema["$ref"].as_str().and_then(|target| target.rsplit('/').next());
    let inner = items(&schema["allOf"])
        .chain(std::iter::once(&schema["items"]))
        .filter(|inner| !inner.is_null());
    own.into_iter().chain(inner.flat_map(names)).collect()
}

fn json(page: &mut String, schema: &Value) {
    push(page, format_args!("<pre>{}</pre>\n", escape(&format!("{schema:#}"))));
}

/// Escaped text with its `code` and **bold**.
fn prose(text: &str) -> String {
    let marked = |text: &str, mark: &str, tag: &str| {
        let mut open = false;
        let mut out = String::with_capacity(text.len());
        for (i, part) in text.split(mark).enumerate() {
            if i > 0 {
                open = !open;
                let slash = if open { "" } else { "/" };
                push(&mut out, format_args!("<{slash}{tag}>"));
            }
            out.push_str(part);
        }
        out
    };
    marked(&marked(&escape(text), "`", "code"), "**", "b")
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a String takes all that is written to it");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Chartseal API</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c2733; }
summary { cursor: pointer; padding: .25rem 0; } details { border-bottom: 1px solid #8884; }
pre { background: #f3f5f7; padding: .75rem; overflow-x: auto; font-size: .85rem; }
th { text-align: left; vertical-align: top; padding-right: 1.5rem; font-weight: 600; } td span { display: block; }
@media (prefers-color-scheme: dark) { body { background: #14191f; color: #dbe2ea; } pre { background: #1f2730; } a { color: #8ab8ff; } }
</style>
<h1>Chartseal API</h1>
<p>Version {version}. For programs: <a href="/openapi.json">/openapi.json</a>, OpenAPI 3.1.</p>
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_operation_and_loads_nothing() {
        let page = write(&CONTRACT);
        for (path, _) in members(&CONTRACT["paths"]) {
            assert!(page.contains(&format!("<code>{}</code>", escape(path))), "{path}");
        }
        assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("@import"));
    }

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(prose("<b> `a<b`"), "&lt;b&gt; <code>a&lt;b</code>");
    }

    #[test]
    fn every_link_within_the_page_leads_somewhere() {
        let page = write(&CONTRACT);
        for link in page.split("href=\"#").skip(1) {
            let name = link.split('"').next().unwrap();
            assert!(page.contains(&format!("id=\"{name}\"")), "{name}");
        }
    }
}
