//! The bytes that are signed: the client's resource with what the server sets.

use alloy::primitives::B256;
use chartseal_record::{ContentHash, statement::Statement};
use chartseal_store::Record;

use super::Admitted;
use crate::{
    app::App,
    fhir::{
        attachment::{self, Content},
        date,
        json::Json,
        meta::drop_served,
        outcome::Outcome,
        reference::RecordId,
    },
    problem::Failure,
};

/// Everything of a statement but the resource.
pub struct Version {
    statement: Statement,
}

impl Version {
    /// The first version of a new record, or the one after `before`.
    pub fn after(app: &App, admitted: &Admitted, id: Option<B256>, before: Option<&Record>) -> Result<Self, Failure> {
        let (id, version, previous) = match (before, id) {
            (Some(before), _) => (before.record_id, before.version + 1, before.digest),
            (None, Some(id)) => (id, 1, B256::ZERO),
            (None, None) => (fresh_id()?, 1, B256::ZERO),
        };
        Ok(Self {
            statement: Statement {
                compartment: admitted.compartment,
                id,
                version,
                previous,
                resource: B256::ZERO,
                author: admitted.author,
                authored_at: app.clock.seconds(),
            },
        })
    }

    /// Sets id, meta and attachments, and gives the statement about the resulting bytes with them.
    pub fn compose(
        mut self,
        mut resource: Json,
        contents: &[Content],
        base: &str,
    ) -> Result<(Statement, Vec<u8>), Outcome> {
        attachment::point(&mut resource, contents, base)?;
        let bytes = self.with_meta(resource).to_bytes();
        self.statement.resource = ContentHash::of(&bytes).0;
        Ok((self.statement, bytes))
    }

    /// `resourceType`, `id` and `meta` first, as every FHIR server writes them.
    fn with_meta(&self, mut resource: Json) -> Json {
        let kind = resource.remove("resourceType").unwrap_or(Json::Null);
        resource.remove("id");
        let mut meta = match resource.remove("meta") {
            Some(meta @ Json::Object(_)) => meta,
            _ => Json::Object(vec![]),
        };
        drop_served(&mut meta);
        meta.set("versionId", self.statement.version.to_string());
        meta.set("lastUpdated", date::instant(self.statement.authored_at));
        let id = RecordId(self.statement.id).to_string();
        let mut members: Vec<(String, Json)> = vec![
            ("resourceType".into(), kind),
            ("id".into(), id.into()),
            ("meta".into(), meta),
        ];
        if let Json::Object(rest) = resource {
            members.extend(rest);
        }
        Json::Object(members)
    }
}

/// The id of a record that does not exist yet: 32 random bytes.
pub fn fresh_id() -> Result<B256, Failure> {
    let mut id = B256::ZERO;
    getrandom::fill(id.as_mut_slice()).map_err(|_| Failure::Random)?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;
    use chartseal_record::Compartment;

    use super::*;

    #[test]
    fn the_server_sets_id_and_meta_and_keeps_the_rest() {
        let statement = Statement {
            compartment: Compartment(B256::ZERO),
            id: B256::repeat_byte(1),
            version: 2,
            previous: B256::ZERO,
            resource: B256::ZERO,
            author: Address::ZERO,
            authored_at: 1_795_341_600,
        };
        let sent = br#"{"status":"active","id":"mine","meta":{"profile":["p"],"versionId":"9"},"resourceType":"Claim","total":1.10}"#;
        let version = Version { statement };
        let (statement, bytes) = version
            .compose(Json::parse(sent).unwrap(), &[], "http://x/fhir/R4")
            .unwrap();
        let expected = format!(
            r#"{{"resourceType":"Claim","id":"{}","meta":{{"profile":["p"],"versionId":"2","lastUpdated":"2026-11-22T10:00:00Z"}},"status":"active","total":1.10}}"#,
            "01".repeat(32)
        );
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), expected);
        assert_eq!(statement.resource, ContentHash::of(&bytes).0);
    }
}
