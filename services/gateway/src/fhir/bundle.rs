//! A page of matches as a searchset Bundle, and what other Bundles share with it.

use serde::Serialize;
use serde_json::Value;

use super::{json::Json, search::Query};

/// What a search found.
#[derive(Debug)]
pub struct Page {
    /// (FHIR id, resource) of the matches on this page.
    pub matches: Vec<(String, Json)>,
    /// Matches on all pages.
    pub total: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    resource_type: &'static str,
    r#type: &'static str,
    total: usize,
    link: Vec<Link>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entry: Vec<Entry>,
}

/// One link of a Bundle.
#[derive(Debug, Serialize)]
pub struct Link {
    relation: &'static str,
    url: String,
}

/// The links of a page. Both are absolute: some clients follow nothing else.
pub fn links(own: String, next: Option<String>) -> Vec<Link> {
    let next = next.map(|url| Link { relation: "next", url });
    let own = Link {
        relation: "self",
        url: own,
    };
    std::iter::once(own).chain(next).collect()
}

/// FHIR knows no empty list: a Bundle without entries has no `entry`.
pub fn without_nothing(mut bundle: Value) -> Value {
    if bundle["entry"].as_array().is_some_and(Vec::is_empty)
        && let Some(members) = bundle.as_object_mut()
    {
        members.remove("entry");
    }
    bundle
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    full_url: String,
    resource: Json,
    search: Search,
}

#[derive(Serialize)]
struct Search {
    mode: &'static str,
}

/// Writes the Bundle. `url` is the resource type's own.
pub fn searchset(page: Page, query: &Query, url: &str, next: Option<String>) -> Vec<u8> {
    let link = links(query.link(url), next);
    let entry = |(id, resource)| Entry {
        full_url: format!("{url}/{id}"),
        resource,
        search: Search { mode: "match" },
    };
    let bundle = Bundle {
        resource_type: "Bundle",
        r#type: "searchset",
        total: page.total,
        link,
        entry: page.matches.into_iter().map(entry).collect(),
    };
    serde_json::to_vec(&bundle).expect("a bundle of JSON trees has string keys and finite numbers")
}

#[cfg(test)]
mod tests {
    use super::{
        super::search::{Here, read_form},
        *,
    };

    #[test]
    fn a_page_has_its_links_and_full_urls() {
        let here = Here {
            base: "http://x/fhir/R4",
            chain_id: 1,
        };
        let query = Query::parse("Claim", &read_form("status=active&_count=1"), false, here).unwrap();
        let resource = Json::parse(br#"{"resourceType":"Claim"}"#).unwrap();
        let page = Page {
            matches: vec![("ab".into(), resource)],
            total: 2,
        };
        let bundle: serde_json::Value = serde_json::from_slice(&searchset(
            page,
            &query,
            "http://x/fhir/R4/Claim",
            Some("http://x/fhir/R4/Claim?_page=ab".into()),
        ))
        .unwrap();
        assert_eq!(bundle["total"], 2);
        assert_eq!(
            bundle["link"][0]["url"],
            "http://x/fhir/R4/Claim?status=active&_count=1"
        );
        assert_eq!(bundle["link"][1]["url"], "http://x/fhir/R4/Claim?_page=ab");
        assert_eq!(bundle["entry"][0]["fullUrl"], "http://x/fhir/R4/Claim/ab");
        assert_eq!(bundle["entry"][0]["search"]["mode"], "match");
    }

    #[test]
    fn an_empty_page_has_no_entry_at_all() {
        let here = Here {
            base: "http://x",
            chain_id: 1,
        };
        let query = Query::parse("Claim", &[], false, here).unwrap();
        let text = searchset(
            Page {
                matches: vec![],
                total: 0,
            },
            &query,
            "http://x/Claim",
            None,
        );
        let bundle: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(bundle["total"], 0);
        assert!(bundle.get("entry").is_none());
    }
}
