//! Every refusal on a FHIR route, as an `OperationOutcome` with a stable code in `details.coding[0].code`.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{json::Malformed, media::FHIR_JSON};
use crate::problem::{Code, Problem};

/// The system of the codes; the native API says the same as `urn:chartseal:problem:<code>`.
pub const SYSTEM: &str = "urn:chartseal:problem";

/// What a FHIR client is told instead of a resource.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub problem: Problem,
    /// FHIRPath of the element at fault.
    pub expression: Option<String>,
}

impl Outcome {
    /// A refusal with a stable code and a sentence: what happened, what was expected, what to do.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Problem::new(code, text).into()
    }

    /// The same, pointing at an element.
    pub fn at(self, expression: impl Into<String>) -> Self {
        Self {
            expression: Some(expression.into()),
            ..self
        }
    }

    /// The resource as it is sent.
    pub fn resource(&self) -> Value {
        let code = self.problem.code;
        let mut issue = json!({
            "severity": "error",
            "code": issue_type(code),
            "details": { "coding": [{ "system": SYSTEM, "code": code.as_str() }], "text": self.problem.detail },
        });
        if let Some(expression) = &self.expression {
            issue["expression"] = json!([expression]);
        }
        json!({ "resourceType": "OperationOutcome", "issue": [issue] })
    }
}

/// The word of R4's issue-type value set that says most about a refusal.
fn issue_type(code: Code) -> &'static str {
    match code {
        Code::Malformed | Code::MalformedResource => "structure",
        Code::InvalidElement => "required",
        Code::Invalid | Code::InvalidSearch | Code::ContentHashMismatch | Code::OutOfRange => "value",
        Code::Unauthenticated => "login",
        Code::Forbidden | Code::NoWriteGrant | Code::NotLive | Code::OwnKey | Code::DraftRequired => "forbidden",
        Code::BadSignature | Code::OutOfTime => "security",
        Code::NotFound => "not-found",
        Code::NotSupported
        | Code::NotImplemented
        | Code::NotAcceptable
        | Code::UnsupportedMediaType
        | Code::NotAllowed => "not-supported",
        Code::NotEnrolled | Code::NotRegistered | Code::UnregisteredAuthor => "business-rule",
        Code::AlreadyRegistered | Code::Replayed => "duplicate",
        Code::WrongState | Code::NotAnchored | Code::Stale | Code::KeyReused | Code::StillAtWork => "conflict",
        Code::TooLarge => "too-long",
        Code::TooMany | Code::TooOften => "throttled",
        Code::EpochMoved | Code::Unavailable => "transient",
        Code::ContentCorrupt | Code::Internal => "exception",
    }
}

impl IntoResponse for Outcome {
    fn into_response(self) -> Response {
        let code = self.problem.code;
        let body = self.resource().to_string();
        let mut response = (code.status(), [(header::CONTENT_TYPE, FHIR_JSON)], body).into_response();
        self.problem.advise(response.headers_mut());
        response
    }
}

impl From<Problem> for Outcome {
    fn from(problem: Problem) -> Self {
        Self {
            problem,
            expression: None,
        }
    }
}

impl From<Malformed> for Problem {
    fn from(error: Malformed) -> Self {
        let code = match error {
            Malformed::TooMany => Code::TooLarge,
            Malformed::Syntax { .. } | Malformed::NotAnObject | Malformed::Duplicate | Malformed::TooDeep => {
                Code::MalformedResource
            }
        };
        Self::new(code, error.to_string())
    }
}

impl From<Malformed> for Outcome {
    fn from(error: Malformed) -> Self {
        Problem::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::to_bytes, http::StatusCode};

    use super::*;

    #[tokio::test]
    async fn a_refusal_is_an_operation_outcome_with_a_stable_code() {
        let outcome = Outcome::new(Code::NotEnrolled, "no such patient").at("DocumentReference.subject");
        let response = outcome.into_response();
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(
            response.headers()["content-type"],
            "application/fhir+json; charset=utf-8"
        );
        let body: Value = serde_json::from_slice(&to_bytes(response.into_body(), 4096).await.unwrap()).unwrap();
        assert_eq!(body["resourceType"], "OperationOutcome");
        let issue = &body["issue"][0];
        assert_eq!(issue["code"], "business-rule");
        assert_eq!(issue["details"]["coding"][0]["system"], SYSTEM);
        assert_eq!(issue["details"]["coding"][0]["code"], "patient-not-enrolled");
        assert_eq!(issue["expression"][0], "DocumentReference.subject");
    }

    #[test]
    fn an_unauthenticated_caller_is_told_how_to_authenticate() {
        let response = Outcome::new(Code::Unauthenticated, "send a token").into_response();
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
    }
}
