"""A hospital's afternoon with fhirpy: `fhirpy_hospital.py <stack.json> <patient address>`."""

import base64

import requests
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound

from hospital import DOCUMENTS, NOTES, Hospital, base64_of, same, sample

hospital = Hospital()
# fhirpy leaves the token to its user.
token = requests.post(
    hospital.stack["token"],
    data={
        "grant_type": "client_credentials",
        "scope": hospital.client["scope"],
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": hospital.assertion(),
    },
    timeout=60,
).json()["access_token"]


def client(**headers):
    return SyncFHIRClient(hospital.fhir, authorization=f"Bearer {token}", extra_headers=headers)


fhir = client()
patient = fhir.resource("Patient", **hospital.patient())
patient.save()
found = fhir.resources("Patient").search(identifier=f"urn:chartseal:account|{hospital.account}").get()
same(found.id, patient.id, "the patient found by the account")
same(fhir.reference("Patient", patient.id).to_resource()["birthDate"], "1953-05-22", "the patient read")

for name, media, loinc, title in DOCUMENTS:
    binary = fhir.resource("Binary", contentType=media, data=base64_of(name))
    binary.save()
    attachment = {"contentType": media, "url": f"Binary/{binary.id}"}
    fhir.resource("DocumentReference", **hospital.document(patient.id, loinc, title, attachment)).save()
for number in range(NOTES):
    fhir.resource("DocumentReference", **hospital.note(patient.id, number)).save()

everything = fhir.resources("DocumentReference").search(patient=patient.id)
same(everything.count(), len(DOCUMENTS) + NOTES, "documents counted")
same(len({d.id for d in everything.limit(20).fetch_all()}), len(DOCUMENTS) + NOTES, "documents on all pages")
for name, _, loinc, _ in DOCUMENTS:
    document = everything.search(type=f"http://loinc.org|{loinc}").get()
    url = document["content"][0]["attachment"]["url"]
    wrapped = fhir.execute(f"Binary/{url.rsplit('/', 1)[1]}", method="get")
    same(base64.b64decode(wrapped["data"]), sample(name), f"{name}, inside a Binary")
    raw = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=60)
    same(raw.content, sample(name), f"{name}, raw")

document["description"] = "seen twice"
document.save()
same(document["meta"]["versionId"], "2", "the second version")
document.refresh()
same(document["description"], "seen twice", "the second version, read again")
first = fhir.execute(f"DocumentReference/{document.id}/_history/1", method="get")
same("description" in first, False, "the first version's description")

path = f"DocumentReference/{document.id}"
try:
    client(**{"If-Match": 'W/"1"'}).execute(path, method="put", data=document.serialize())
    raise AssertionError("a stale version was overwritten")
except OperationOutcome as refused:
    same(refused.resource["issue"][0]["code"], "conflict", "a stale If-Match")
except Exception as refused:  # fhirpy has one class for 412 and names it after conditional creates.
    same(type(refused).__name__, "MultipleResourcesFound", "a stale If-Match")
same(client(**{"If-Match": 'W/"2"'}).execute(path, method="put", data=document.serialize())["meta"]["versionId"], "3", "If-Match")
try:
    fhir.reference("DocumentReference", "0" * 64).to_resource()
    raise AssertionError("there is no such document")
except ResourceNotFound:
    pass
print(f"fhirpy: {len(DOCUMENTS) + NOTES} documents stored, paged, versioned and read back")
