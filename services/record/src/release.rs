//! What a custodian hands out beside the release of a grant of one record, in JSON.

use alloy_primitives::{B256, Bytes};
use serde::{Deserialize, Serialize};

use crate::content::{self, ContentHash};

/// Which record a grant is of, and what opens it with the release. The chain has none of it.
///
/// It is the custodian's word until the record is open: then its statement and the salt must make the grant's commitment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedRecord {
    /// CID of the sealed record.
    #[serde(with = "content::as_text")]
    pub cid: ContentHash,
    /// Of the grant's commitment.
    pub salt: B256,
    /// The record's file key, HPKE-sealed under the release key.
    pub wrap: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_the_format_says_and_another_codec_names_no_record() {
        let record = ReleasedRecord {
            cid: ContentHash::of(b"sealed"),
            salt: B256::repeat_byte(2),
            wrap: Bytes::from_static(&[3, 4]),
        };
        let json = serde_json::to_value(&record).unwrap();
        let (cid, salt) = (record.cid.to_string(), record.salt);
        assert_eq!(json, serde_json::json!({ "cid": cid, "salt": salt, "wrap": "0x0304" }));
        assert_eq!(serde_json::from_value::<ReleasedRecord>(json.clone()).unwrap(), record);
        let mut other = json;
        other["cid"] = content::cid_of_digest(content::DAG_PB, record.cid.0).to_string().into();
        assert!(serde_json::from_value::<ReleasedRecord>(other).is_err());
    }
}
