//! What the server says of a record in its `meta` when it serves it, and takes out again when it comes back.

use chartseal_record::state::RecordState;

use super::json::Json;

/// The CID of the sealed record: the name of its receipt.
pub const CID: &str = "urn:chartseal:extension:cid";
/// How far it has come: stored, batched, submitted, anchored.
pub const STATE: &str = "urn:chartseal:extension:state";

/// Adds what is true of the record now. It is not part of what its author signed.
pub fn serve(resource: &mut Json, cid: &str, state: RecordState) {
    let Some(meta) = resource.get_mut("meta") else { return };
    drop_served(meta);
    let cid = Json::from([("url", CID.into()), ("valueString", cid.into())]);
    let state = Json::from([("url", STATE.into()), ("valueCode", state.as_str().into())]);
    let mut extensions = match meta.remove("extension") {
        Some(Json::List(extensions)) => extensions,
        _ => vec![],
    };
    extensions.extend([cid, state]);
    meta.set("extension", extensions);
}

/// Takes it out, so that a client may send back what it read.
pub fn drop_served(meta: &mut Json) {
    let Some(Json::List(mut extensions)) = meta.remove("extension") else {
        return;
    };
    extensions.retain(|extension| !matches!(extension.text("url"), Some(CID | STATE)));
    if !extensions.is_empty() {
        meta.set("extension", extensions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_served_can_be_sent_back() {
        let sent = br#"{"resourceType":"Claim","meta":{"versionId":"1","extension":[{"url":"x"}]}}"#;
        let mut claim = Json::parse(sent).unwrap();
        serve(&mut claim, "bafy", RecordState::Stored);
        serve(&mut claim, "bafy", RecordState::Anchored);
        let text = String::from_utf8(claim.to_bytes()).unwrap();
        assert_eq!(text.matches(CID).count(), 1);
        assert!(text.contains("anchored") && !text.contains("stored"));
        drop_served(claim.get_mut("meta").unwrap());
        assert_eq!(claim.to_bytes(), sent);
    }
}
