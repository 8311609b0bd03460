"""A hospital's afternoon with SMART's own Python client: `fhirclient_hospital.py <stack.json> <patient address>`."""

import base64

from fhirclient import client
from fhirclient.models.binary import Binary
from fhirclient.models.documentreference import DocumentReference
from fhirclient.models.patient import Patient
from requests.exceptions import HTTPError

from hospital import DOCUMENTS, NOTES, Hospital, base64_of, same, sample

hospital = Hospital()
smart = client.FHIRClient(
    {
        "app_id": hospital.client["clientId"],
        "api_base": hospital.fhir,
        "jwt_token": hospital.assertion(),
        "scope": "system/*.cruds",
    }
)
smart.prepare()
smart.authorize()
assert smart.ready, "prepare() reads metadata, authorize() redeems the assertion"
server = smart.server

created = Patient(hospital.patient()).create(server)
found = Patient.where({"identifier": f"urn:chartseal:account|{hospital.account}"}).perform_resources(server)
same([p.id for p in found], [created["id"]], "the patient found by the account")
patient = created["id"]

for name, media, loinc, title in DOCUMENTS:
    binary = Binary({"resourceType": "Binary", "contentType": media, "data": base64_of(name)}).create(server)
    attachment = {"contentType": media, "url": f"Binary/{binary['id']}"}
    DocumentReference(hospital.document(patient, loinc, title, attachment)).create(server)
for number in range(NOTES):
    DocumentReference(hospital.note(patient, number)).create(server)

pages = DocumentReference.where({"patient": patient, "_count": "20"}).perform_resources_iter(server)
documents = list(pages)
same(len({d.id for d in documents}), len(DOCUMENTS) + NOTES, "documents on all pages")
for name, media, loinc, _ in DOCUMENTS:
    [document] = DocumentReference.where({"patient": patient, "type": f"http://loinc.org|{loinc}"}).perform_resources(server)
    url = document.content[0].attachment.url
    same(server.request_data(url, headers={"Accept": media}), sample(name), f"{name}, raw")
    wrapped = Binary.read(url.rsplit("/", 1)[1], server)
    same(base64.b64decode(wrapped.data), sample(name), f"{name}, inside a Binary")

document.description = "seen twice"
document.update(server)
fresh = DocumentReference.read(document.id, server)
same((fresh.meta.versionId, fresh.description), ("2", "seen twice"), "the second version")
first = server.request_json(f"DocumentReference/{document.id}/_history/1")
same("description" in first, False, "the first version's description")


def put_with(version):
    # fhirclient sends no If-Match by itself; its server object takes headers from whoever asks.
    headers = server.auth.signed_headers({"If-Match": f'W/"{version}"'})
    headers |= {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
    answer = server.session.put(f"{hospital.fhir}/DocumentReference/{document.id}", json=fresh.as_json(), headers=headers)
    server.raise_for_status(answer)
    return answer.json()["meta"]["versionId"]


try:
    put_with(1)
    raise AssertionError("a stale version was overwritten")
except HTTPError as refused:
    same(refused.response.status_code, 412, "a stale If-Match")
same(put_with(2), "3", "an If-Match that is not stale")
print(f"fhirclient: {len(documents)} documents stored, paged, versioned and read back")
