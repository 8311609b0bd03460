// A hospital's afternoon with fhir-kit-client: `fhir-kit-client.mjs <stack.json> <patient address>`.
import assert from 'node:assert/strict'
import { Client } from 'fhir-kit-client'
import { DOCUMENTS, NOTES, account, assertion, client, document, note, patient, sample, stack } from './hospital.mjs'

const fhir = new Client({ baseUrl: stack.fhir })
const { tokenUrl } = await fhir.smartAuthMetadata()
assert.equal(String(tokenUrl), stack.token)
const form = new URLSearchParams({
  grant_type: 'client_credentials',
  scope: client.scope,
  client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  client_assertion: assertion(),
})
// The library discovers the endpoint and leaves the token to its user.
const { access_token: token } = await (await fetch(tokenUrl, { method: 'POST', body: form })).json()
fhir.bearerToken = token

const { id } = await fhir.create({ resourceType: 'Patient', body: patient })
const search = (resourceType, searchParams, options) => fhir.search({ resourceType, searchParams, options })
const found = await search('Patient', { identifier: `urn:chartseal:account|${account}` }, { postSearch: true })
assert.deepEqual(found.entry.map((e) => e.resource.id), [id])

for (const { name, media, loinc, title } of DOCUMENTS) {
  const body = { resourceType: 'Binary', contentType: media, data: sample(name).toString('base64') }
  const binary = await fhir.create({ resourceType: 'Binary', body })
  const attachment = { contentType: media, url: `Binary/${binary.id}` }
  await fhir.create({ resourceType: 'DocumentReference', body: document(id, loinc, title, attachment) })
}
for (let number = 0; number < NOTES; number += 1) {
  await fhir.create({ resourceType: 'DocumentReference', body: note(id, number) })
}

const ids = new Set()
let page = await search('DocumentReference', { patient: id, _count: 20 })
while (page) {
  page.entry.forEach((e) => ids.add(e.resource.id))
  page = await fhir.nextPage({ bundle: page })
}
assert.equal(ids.size, DOCUMENTS.length + NOTES)

let newest
for (const { name, loinc } of DOCUMENTS) {
  const bundle = await search('DocumentReference', { patient: id, type: `http://loinc.org|${loinc}` })
  newest = bundle.entry[0].resource
  const { url } = newest.content[0].attachment
  const binary = await fhir.request(url)
  assert.ok(Buffer.from(binary.data, 'base64').equals(sample(name)), `${name}, inside a Binary`)
  const raw = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
  assert.ok(Buffer.from(await raw.arrayBuffer()).equals(sample(name)), `${name}, raw`)
}

const update = (version) => {
  const options = { headers: { 'If-Match': `W/"${version}"` } }
  const body = { ...newest, description: 'seen twice' }
  return fhir.update({ resourceType: 'DocumentReference', id: newest.id, body, options })
}
assert.equal((await update(1)).meta.versionId, '2')
const refused = await update(1).then(() => assert.fail('a stale version was overwritten'), (error) => error.response)
assert.deepEqual([refused.status, refused.data.resourceType], [412, 'OperationOutcome'])
const first = await fhir.vread({ resourceType: 'DocumentReference', id: newest.id, version: '1' })
assert.equal(first.description, undefined)
console.log(`fhir-kit-client: ${ids.size} documents stored, paged, versioned and read back`)
