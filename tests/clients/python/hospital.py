"""What both Python clients need: a running system, one enrolled patient, the sample documents, a client assertion."""

import base64
import json
import os
import sys
import time
import uuid
from pathlib import Path

import jwt

DATA = Path(__file__).parents[2] / "data"
DOCUMENTS = [
    ("knee.xml", "text/xml", "11504-8", "Surgical operation note"),
    ("congress.pdf", "application/pdf", "34133-9", "Summary of episode note"),
    ("CT_small.dcm", "application/dicom", "18748-4", "Diagnostic imaging study"),
]
# Notes beside the three documents: together more than two pages of the server's own size.
NOTES = 50
ACCOUNT = "urn:chartseal:account"


class Hospital:
    """The sample hospital's system, as `stack.json` describes it, and the patient it is asked to look after."""

    def __init__(self):
        stack, self.address = sys.argv[1:]
        self.stack = json.loads(Path(stack).read_text())
        self.fhir = self.stack["fhir"]
        self.client = next(c for c in self.stack["clients"] if c["name"].startswith("hospital"))
        self.account = f"eip155:{self.stack['chainId']}:{self.address}"

    def assertion(self):
        """A JWT (RFC 7523) signed with the client's ES384 key."""
        jwk = self.client["jwk"]
        now = int(time.time())
        claims = {
            "iss": self.client["clientId"],
            "sub": self.client["clientId"],
            "aud": self.stack["token"],
            "iat": now,
            "exp": now + 240,
            "jti": str(uuid.uuid4()),
        }
        return jwt.encode(claims, jwt.PyJWK(jwk).key, algorithm="ES384", headers={"kid": jwk["kid"]})

    def identifier(self):
        return {"system": ACCOUNT, "value": self.account}

    def patient(self):
        """A sample patient, whose identity is the account it is tied to here."""
        patient = json.loads((DATA / "synthea" / "martina-patient.json").read_text())
        del patient["id"]
        return patient | {"identifier": [self.identifier()]}

    def document(self, patient, loinc, title, attachment):
        return {
            "resourceType": "DocumentReference",
            "status": "current",
            "subject": {"reference": f"Patient/{patient}"},
            "date": "2026-11-22T10:00:00Z",
            "type": {"coding": [{"system": "http://loinc.org", "code": loinc}]},
            "content": [{"attachment": {"title": title, **attachment}}],
        }

    def note(self, patient, number):
        text = base64.b64encode(f"Note {number}".encode()).decode()
        attachment = {"contentType": "text/plain", "data": text}
        return self.document(patient, "34109-9", f"Note {number}", attachment)


def sample(name):
    return (DATA / "documents" / name).read_bytes()


def base64_of(name):
    return base64.b64encode(sample(name)).decode()


def same(found, expected, what):
    assert found == expected, f"{what}: {found!r} instead of {expected!r}"
