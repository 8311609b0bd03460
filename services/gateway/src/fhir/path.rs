//! Places in a resource, written like FHIRPath: `content.attachment.creation`, whatever is a list on the way.

use super::json::Json;

/// The values at each of the `places`, which are separated by blanks.
pub fn find<'a>(resource: &'a Json, places: &str) -> Vec<&'a Json> {
    let mut found = Vec::new();
    for place in places.split(' ') {
        walk(resource, place, &mut found);
    }
    found
}

fn walk<'a>(json: &'a Json, place: &str, found: &mut Vec<&'a Json>) {
    if let Json::List(items) = json {
        return items.iter().for_each(|item| walk(item, place, found));
    }
    if place.is_empty() {
        return found.push(json);
    }
    let (name, rest) = place.split_once('.').unwrap_or((place, ""));
    if let Some(inner) = json.get(name) {
        walk(inner, rest, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_on_the_way_are_looked_through() {
        let json = Json::parse(br#"{"name":[{"given":["A","B"]},{"family":"C"}],"x":{"y":1}}"#).unwrap();
        let texts = |place| -> Vec<_> { find(&json, place).into_iter().filter_map(Json::as_str).collect() };
        assert_eq!(texts("name.given"), ["A", "B"]);
        assert_eq!(texts("name.family name.given"), ["C", "A", "B"]);
        assert!(texts("name.given.z").is_empty() && texts("none").is_empty());
        assert_eq!(find(&json, "x.y").len(), 1);
    }
}
