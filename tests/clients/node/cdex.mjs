// A Da Vinci CDex data request with fhir-kit-client: `PATIENT_KEY=0x… cdex.mjs <stack.json> <patient address>`.
import assert from 'node:assert/strict'
import { Client } from 'fhir-kit-client'
import { account, assertion, client as hospitalSystem, document, patient as martina, stack } from './hospital.mjs'
import { Person, until } from './wallet.mjs'

const CDEX = 'http://hl7.org/fhir/us/davinci-cdex/CodeSystem/cdex-temp'
const HREX = 'http://hl7.org/fhir/us/davinci-hrex/CodeSystem/hrex-temp'
const insurerSystem = stack.clients.find(({ name }) => name.startsWith('insurer'))
const insurer = stack.accounts.find(({ role }) => role === 'insurer').address

async function connected(system) {
  const fhir = new Client({ baseUrl: stack.fhir })
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    scope: system.scope,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion(system),
  })
  fhir.bearerToken = (await (await fetch(stack.token, { method: 'POST', body: form })).json()).access_token
  return fhir
}

const [hospital, payer] = [await connected(hospitalSystem), await connected(insurerSystem)]
const person = await Person.signIn(stack, process.env.PATIENT_KEY)
const metadata = await payer.capabilityStatement()
const offered = metadata.rest[0].resource.find(({ type }) => type === 'Task')
assert.deepEqual(offered.interaction.map(({ code }) => code), ['create', 'read', 'update', 'search-type'])

const { id: chart } = await hospital.create({ resourceType: 'Patient', body: martina })
const note = { contentType: 'text/plain', data: Buffer.from('Cough for three weeks').toString('base64') }
const { id: noteId } = await hospital.create({
  resourceType: 'DocumentReference',
  body: document(chart, '34109-9', 'Note', note),
})

const concept = (system, code, display) => ({ coding: [{ system, code, display }] })
const purpose = {
  type: concept(CDEX, 'purpose-of-use'),
  valueCodeableConcept: concept('http://terminology.hl7.org/CodeSystem/v3-ActReason', 'CLMATTCH'),
}
const byCode = {
  code: concept(CDEX, 'data-request-code'),
  input: [{ type: concept(HREX, 'data-code'), valueCodeableConcept: concept('http://loinc.org', '34109-9', 'Note') }, purpose],
}
const byQuery = {
  code: concept(CDEX, 'data-request-query'),
  input: [
    { type: concept(HREX, 'data-query'), valueString: `DocumentReference?patient=${chart}&type=http://loinc.org|34109-9` },
    purpose,
  ],
}

/** Asks the patient for notes. */
async function ask(data, seconds = 86_400) {
  const body = {
    resourceType: 'Task',
    meta: { profile: ['http://hl7.org/fhir/us/davinci-cdex/StructureDefinition/cdex-task-data-request'] },
    status: 'requested',
    intent: 'order',
    for: { reference: `Patient/${chart}` },
    authoredOn: new Date().toISOString(),
    reasonCode: { text: 'Support prior claim' },
    reasonReference: { identifier: { system: 'http://hospital.example/claims', value: 'Claim123' } },
    restriction: { period: { end: new Date(Date.now() + seconds * 1000).toISOString() } },
    ...data,
  }
  const task = await payer.create({ resourceType: 'Task', body })
  assert.equal(task.status, 'accepted')
  assert.equal(task.businessStatus.text, 'waiting for patient approval')
  return { id: task.id, request: `0x${task.id}` }
}

const read = (id) => payer.read({ resourceType: 'Task', id })
const becomes = (id, status) => until(async () => (await read(id)).status === status)

const declined = await ask(byCode)
const [shown] = await person.call('GET', '/v1/requests?state=open')
assert.equal(shown.reason, 'Support prior claim. About claim Claim123. Asked for: Note (34109-9).')
assert.equal(shown.purpose, 'CLMATTCH')
await person.decide('decline', { request: declined.request })
assert.equal((await read(declined.id)).status, 'rejected')
assert.equal((await read(declined.id)).statusReason.text, 'declined by the patient')

const late = await ask(byCode, 3)
await becomes(late.id, 'rejected')
assert.match((await read(late.id)).statusReason.text, /^expired/)

const taken = await ask(byQuery)
const back = await payer.update({ resourceType: 'Task', id: taken.id, body: { ...(await read(taken.id)), status: 'cancelled' } })
assert.equal(back.status, 'cancelled')

const approved = await ask(byQuery)
await person.decide('grant', { request: approved.request })
await becomes(approved.id, 'completed')
const { output } = await read(approved.id)
assert.deepEqual(output.map(({ valueReference }) => valueReference.reference), [`DocumentReference/${noteId}`])
const given = await payer.read({ resourceType: 'DocumentReference', id: noteId })
const binary = await payer.request(given.content[0].attachment.url, { headers: { accept: 'application/fhir+json' } })
assert.equal(Buffer.from(binary.data, 'base64').toString(), 'Cough for three weeks')
const found = await payer.search({ resourceType: 'Task', searchParams: { status: 'completed', 'patient.identifier': `urn:chartseal:account|${account}` } })
assert.deepEqual(found.entry.map(({ resource }) => resource.id), [approved.id])

await person.decide('revoke', { grantee: insurer, scope: 'clinical' })
const revoked = await read(approved.id)
assert.equal(revoked.status, 'failed')
assert.equal(revoked.statusReason.text, 'the patient revoked the grant')
await assert.rejects(payer.read({ resourceType: 'DocumentReference', id: noteId }), ({ response }) => response.status === 404)
console.log('fhir-kit-client: asked by Task; declined, expired, cancelled, completed with a note, and failed after revocation')
