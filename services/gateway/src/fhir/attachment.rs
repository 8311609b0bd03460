//! The attachments inside a resource: taken out before it is sealed, pointed at by `ipfs://<cid>` in it, and
//! by a URL of this gateway when it is served.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use cid::Cid;
use uuid::Uuid;

use super::{json::Json, outcome::Outcome, reference};
use crate::problem::Code;

/// The extension that carries a document's SHA-256; `Attachment.hash` is SHA-1 by definition.
pub const SHA256: &str = "urn:chartseal:extension:sha256";

/// Documents on one resource. Their keys stand in the record's header, which has room for about a thousand.
pub const MOST: usize = 500;

/// Where a client says the bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In the resource, as base64; decoded here.
    Inline(Vec<u8>),
    /// Uploaded before as a Binary.
    Staged(Uuid),
    /// Hanging on an earlier version of the record.
    Kept(Cid),
}

/// What an Attachment says of its bytes, to be checked against them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// SHA-1.
    pub hash: Option<Vec<u8>>,
    pub size: Option<u64>,
}

/// One attachment that this gateway keeps the bytes of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its FHIRPath.
    pub path: String,
    pub source: Source,
    pub claims: Claims,
}

/// Takes the bytes out of a resource. Attachments that point elsewhere stay as they are.
pub fn take(resource: &mut Json, base: &str) -> Result<Vec<Found>, Outcome> {
    let mut found = Vec::new();
    let mut visit = |path: String, attachment: &mut Json| {
        if let Some(source) = source(attachment, &path, base)? {
            let claims = claims(attachment, &path)?;
            found.push(Found { path, source, claims });
        }
        Ok(())
    };
    each(resource, &mut visit)?;
    if found.len() > MOST {
        let text = format!("a resource carries at most {MOST} documents; make several of it");
        return Err(Outcome::new(Code::TooLarge, text));
    }
    Ok(found)
}

/// Points the attachments that [`take`] found, in its order, at their content.
pub fn point(resource: &mut Json, contents: &[Content], base: &str) -> Result<(), Outcome> {
    let mut contents = contents.iter();
    let mut visit = |path: String, attachment: &mut Json| {
        // `take` removed `data`, so what is ours is told by the marker it left or by the URL.
        if !is_ours(attachment, base) {
            return Ok(());
        }
        let content = contents.next().ok_or_else(|| broken(&path))?;
        attachment.set("url", format!("ipfs://{}", content.cid));
        attachment.set("size", content.size);
        seal_hash(attachment, &content.sha256);
        Ok(())
    };
    each(resource, &mut visit)
}

/// One attachment's content, sealed.
#[derive(Debug, Clone)]
pub struct Content {
    pub cid: Cid,
    /// Of the plaintext, in bytes.
    pub size: u64,
    /// Of the plaintext.
    pub sha256: [u8; 32],
}

/// Rewrites `ipfs://<cid>` to this gateway's URLs.
pub fn serve(resource: &mut Json, base: &str) {
    let mut visit = |_: String, attachment: &mut Json| {
        let cid = attachment.text("url").and_then(|url| url.strip_prefix("ipfs://"));
        if let Some(url) = cid.map(|cid| format!("{base}/Binary/{cid}")) {
            attachment.set("url", url);
        }
        Ok(())
    };
    // The visitor refuses nothing.
    let _: Result<(), Outcome> = each(resource, &mut visit);
}

/// The content type a resource gives the attachment with this CID.
pub fn content_type_of(resource: &Json, cid: &str) -> Option<String> {
    let mut resource = resource.clone();
    let mut found = None;
    let mut visit = |_: String, attachment: &mut Json| {
        if attachment.text("url").and_then(|url| url.strip_prefix("ipfs://")) == Some(cid) {
            found = attachment.text("contentType").map(str::to_owned);
        }
        Ok(())
    };
    let _: Result<(), Outcome> = each(&mut resource, &mut visit);
    found
}

/// Visits the places of R4 where our resource types carry an Attachment.
fn each(resource: &mut Json, visit: &mut dyn FnMut(String, &mut Json) -> Result<(), Outcome>) -> Result<(), Outcome> {
    let kind = resource.text("resourceType").unwrap_or_default().to_owned();
    let (list, member) = match kind.as_str() {
        "DocumentReference" => ("content", "attachment"),
        "Claim" => ("supportingInfo", "valueAttachment"),
        "Patient" => ("photo", ""),
        _ => return Ok(()),
    };
    for (i, item) in resource.list_mut(list).iter_mut().enumerate() {
        if member.is_empty() {
            visit(format!("{kind}.{list}[{i}]"), item)?;
        } else if let Some(attachment) = item.get_mut(member) {
            visit(format!("{kind}.{list}[{i}].{member}"), attachment)?;
        }
    }
    Ok(())
}

fn source(attachment: &mut Json, path: &str, base: &str) -> Result<Option<Source>, Outcome> {
    if let Some(data) = attachment.remove("data") {
        let Json::Text(data) = data else {
            return Err(element(path, "data", "base64"));
        };
        let bytes = decode(&data).ok_or_else(|| element(path, "data", "base64"))?;
        // Where both are given, R4 says the data are the content; the URL would point nowhere of ours.
        attachment.set("url", "ipfs://");
        return Ok(Some(Source::Inline(bytes)));
    }
    let Some(url) = attachment.text("url") else {
        return Ok(None);
    };
    if let Some(cid) = url.strip_prefix("ipfs://") {
        let cid = Cid::try_from(cid).map_err(|_| element(path, "url", "a CID after ipfs://"))?;
        return Ok(Some(Source::Kept(cid)));
    }
    let Some(id) = reference::path_of(url, "Binary", base) else {
        return Ok(None);
    };
    let unknown = || {
        element(
            path,
            "url",
            "a Binary of this server that you uploaded, or of this record",
        )
    };
    if let Some(staged) = id.strip_prefix("staged-") {
        return Ok(Some(Source::Staged(Uuid::try_parse(staged).map_err(|_| unknown())?)));
    }
    Ok(Some(Source::Kept(Cid::try_from(id).map_err(|_| unknown())?)))
}

fn claims(attachment: &Json, path: &str) -> Result<Claims, Outcome> {
    let hash = match attachment.get("hash") {
        None => None,
        Some(Json::Text(text)) => {
            let hash = decode(text).filter(|hash| hash.len() == 20);
            Some(hash.ok_or_else(|| element(path, "hash", "the base64 of a SHA-1 (28 characters)"))?)
        }
        Some(_) => return Err(element(path, "hash", "the base64 of a SHA-1 (28 characters)")),
    };
    let size = match attachment.get("size") {
        None => None,
        Some(size) => Some(
            size.as_u64()
                .ok_or_else(|| element(path, "size", "a whole number of bytes"))?,
        ),
    };
    Ok(Claims { hash, size })
}

fn is_ours(attachment: &Json, base: &str) -> bool {
    attachment
        .text("url")
        .is_some_and(|url| url.starts_with("ipfs://") || reference::path_of(url, "Binary", base).is_some())
}

fn seal_hash(attachment: &mut Json, sha256: &[u8; 32]) {
    let ours = Json::from([("url", SHA256.into()), ("valueString", hex::encode(sha256).into())]);
    let mut extensions = match attachment.remove("extension") {
        Some(Json::List(extensions)) => extensions,
        _ => vec![],
    };
    extensions.retain(|extension| extension.text("url") != Some(SHA256));
    extensions.push(ours);
    attachment.set("extension", extensions);
}

/// FHIR's base64Binary: the standard alphabet, whitespace allowed, padding as sent.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    if text.bytes().any(|b| b.is_ascii_whitespace()) {
        let tight: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        return LENIENT.decode(tight).ok();
    }
    LENIENT.decode(text).ok()
}

fn element(path: &str, name: &str, wanted: &str) -> Outcome {
    let path = format!("{path}.{name}");
    Outcome::new(Code::InvalidElement, format!("{path} must be {wanted}")).at(path)
}

fn broken(path: &str) -> Outcome {
    Outcome::new(Code::Internal, "an attachment was lost on its way; nothing was stored").at(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "http://127.0.0.1:8080/fhir/R4";
    const CID: &str = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";

    fn document(attachment: &str) -> Json {
        let text = format!(r#"{{"resourceType":"DocumentReference","content":[{{"attachment":{attachment}}}]}}"#);
        Json::parse(text.as_bytes()).unwrap()
    }

    fn taken(attachment: &str) -> Result<Vec<Found>, Outcome> {
        take(&mut document(attachment), BASE)
    }

    #[test]
    fn bytes_are_taken_from_wherever_the_client_put_them() {
        let inline = taken(r#"{"contentType":"text/plain","data":"aGVs\nbG8","size":5}"#).unwrap();
        assert_eq!(inline[0].source, Source::Inline(b"hello".to_vec()));
        assert_eq!(inline[0].claims.size, Some(5));
        assert_eq!(inline[0].path, "DocumentReference.content[0].attachment");
        let id = Uuid::from_u128(7);
        let staged = taken(&format!(r#"{{"url":"Binary/staged-{id}"}}"#)).unwrap();
        assert_eq!(staged[0].source, Source::Staged(id));
        let kept = taken(&format!(r#"{{"url":"{BASE}/Binary/{CID}"}}"#)).unwrap();
        assert_eq!(kept[0].source, Source::Kept(CID.parse().unwrap()));
        assert!(taken(r#"{"url":"https://pacs.example/study/1"}"#).unwrap().is_empty());
        assert!(taken(r#"{"title":"on paper"}"#).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_pointed_at() {
        for (attachment, path) in [
            (r#"{"data":"a*b"}"#, "data"),
            (r#"{"data":7}"#, "data"),
            (r#"{"data":"aGk=","hash":"AAAA"}"#, "hash"),
            (r#"{"data":"aGk=","size":-1}"#, "size"),
            (r#"{"url":"Binary/staged-7"}"#, "url"),
            (r#"{"url":"Binary/7"}"#, "url"),
            (r#"{"url":"ipfs://7"}"#, "url"),
        ] {
            let refused = taken(attachment).unwrap_err();
            let expected = format!("DocumentReference.content[0].attachment.{path}");
            assert_eq!(refused.expression, Some(expected), "{attachment}");
        }
    }

    #[test]
    fn a_taken_attachment_points_at_its_content_and_is_served_by_us() {
        let mut json = document(r#"{"contentType":"text/plain","data":"aGk=","url":"urn:x"}"#);
        let found = take(&mut json, BASE).unwrap();
        assert_eq!(found.len(), 1);
        let content = Content {
            cid: CID.parse().unwrap(),
            size: 2,
            sha256: [7; 32],
        };
        point(&mut json, &[content], BASE).unwrap();
        let text = String::from_utf8(json.to_bytes()).unwrap();
        assert!(!text.contains("aGk="));
        assert!(text.contains(&format!("ipfs://{CID}")) && text.contains(&"07".repeat(32)));
        assert_eq!(content_type_of(&json, CID).as_deref(), Some("text/plain"));
        serve(&mut json, BASE);
        assert!(
            String::from_utf8(json.to_bytes())
                .unwrap()
                .contains(&format!("{BASE}/Binary/{CID}"))
        );
    }

    #[test]
    fn a_claims_evidence_is_found_too() {
        let mut claim = Json::parse(
            br#"{"resourceType":"Claim","supportingInfo":[{"valueString":"x"},{"valueAttachment":{"data":"aGk="}}]}"#,
        )
        .unwrap();
        let found = take(&mut claim, BASE).unwrap();
        assert_eq!(found[0].path, "Claim.supportingInfo[1].valueAttachment");
    }
}
