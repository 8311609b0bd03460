//! `GET /` of a gateway without a portal: a plain page that says what runs here and how to try it. No script, nothing from elsewhere.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};

use crate::app::App;

pub fn show(app: &App) -> Response {
    let head = app
        .index
        .head()
        .map_or("not seen yet".to_owned(), |head| format!("block {}", head.number));
    let c = &app.contracts;
    let organisations = app.config.organisations.iter();
    let organisations: String = organisations
        .map(|o| format!("<li>{} <code>{}</code></li>\n", escape(&o.name), o.account))
        .collect();
    let facts = [
        ("Chain", format!("{} ({head})", c.chain_id)),
        ("Directory", format!("<code>{}</code>", c.directory)),
        ("Consent", format!("<code>{}</code>", c.consent)),
        ("Anchors", format!("<code>{}</code>", c.anchors)),
    ];
    let facts: String = facts
        .iter()
        .map(|(name, value)| format!("<tr><th>{name}</th><td>{value}</td></tr>\n"))
        .collect();
    let page = PAGE
        .replace("{facts}", &facts)
        .replace("{organisations}", &organisations)
        .replace("{version}", env!("CARGO_PKG_VERSION"))
        .replace("{origin}", &escape(app.config.url("").trim_end_matches('/')));
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    (
        [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, policy),
        ],
        page,
    )
        .into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Chartseal gateway</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem; color: #1c2733; }
pre { background: #f3f5f7; padding: .75rem; overflow-x: auto; }
th { text-align: left; padding-right: 1.5rem; }
@media (prefers-color-scheme: dark) { body { background: #14191f; color: #dbe2ea; } pre { background: #1f2730; } a { color: #8ab8ff; } }
</style>
<h1>Chartseal gateway</h1>
<p>Medical records, sealed per patient, opened under the patient's grant. Version {version}.</p>
<table>
{facts}</table>
<h2>Organisations served here</h2>
<ul>
{organisations}</ul>
<h2>Links</h2>
<ul>
<li><a href="/readyz?verbose">/readyz</a>: is everything this gateway needs there?</li>
<li><a href="/fhir/R4/metadata">/fhir/R4/metadata</a>: what the FHIR server does</li>
<li><a href="/fhir/R4/.well-known/smart-configuration">smart-configuration</a>: where systems get a token</li>
<li><a href="/v1/deployment">/v1/deployment</a>: chain and contracts</li>
</ul>
<h2>Try it</h2>
<p>Systems sign a JWT with their registered key (SMART Backend Services) and post it to <code>{origin}/oauth2/token</code>;
people sign in with a wallet at <code>{origin}/v1/sessions</code>. With the token in <code>$TOKEN</code> and a patient's
FHIR id in <code>$PATIENT</code>:</p>
<pre>curl -s -H "Authorization: Bearer $TOKEN" "{origin}/fhir/R4/DocumentReference?patient=$PATIENT"

curl -s -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/fhir+json" \
  {origin}/fhir/R4/DocumentReference -d '{
    "resourceType": "DocumentReference", "status": "current",
    "subject": { "reference": "Patient/'$PATIENT'" },
    "content": [{ "attachment": { "contentType": "text/plain", "data": "aGVsbG8=" } }]
  }'</pre>
<p>A development stack (<code>chartseal up</code>) writes its accounts, clients and patients to <code>stack.json</code> in its
data folder; the README shows the whole walk.</p>
</html>
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_become_markup() {
        assert_eq!(escape("<b>\"R&D\""), "&lt;b&gt;&quot;R&amp;D&quot;");
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere() {
        assert!(
            !PAGE.contains("src=")
                && !PAGE.contains("http://")
                && !PAGE.contains("https://")
                && !PAGE.contains("<script")
        );
    }
}
