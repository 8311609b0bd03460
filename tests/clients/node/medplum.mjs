// A hospital's afternoon with Medplum's client, nothing of its defaults changed: `medplum.mjs <stack.json> <patient address>`.
import assert from 'node:assert/strict'
import { ClientStorage, MedplumClient, MemoryStorage } from '@medplum/core'
import { DOCUMENTS, NOTES, account, assertion, client, document, note, patient, sample, stack } from './hospital.mjs'

const storage = new ClientStorage(new MemoryStorage())
const medplum = new MedplumClient({ baseUrl: stack.gateway, clientId: client.clientId, storage, fetch })
await medplum.startJwtAssertionLogin(assertion())

const { id } = await medplum.createResource(patient)
const found = await medplum.searchResources('Patient', { identifier: `urn:chartseal:account|${account}` })
assert.deepEqual(found.map((p) => p.id), [id])

for (const { name, media, loinc, title } of DOCUMENTS) {
  const binary = await medplum.createBinary({ data: sample(name), contentType: media, filename: name })
  const attachment = { contentType: media, url: `Binary/${binary.id}` }
  await medplum.createResource(document(id, loinc, title, attachment))
}
// Medplum's own way round: the DocumentReference first, without content, then the bytes, then the two together.
const { name, media, loinc, title } = DOCUMENTS[0]
const additionalFields = { ...document(id, loinc, title, {}), type: { coding: [{ system: 'http://loinc.org', code: '11505-5' }] } }
delete additionalFields.content
const own = await medplum.createDocumentReference({ data: sample(name), contentType: media, filename: name, additionalFields })
const blob = await medplum.download(own.content[0].attachment.url)
assert.ok(Buffer.from(await blob.arrayBuffer()).equals(sample(name)), 'createDocumentReference')

for (let number = 0; number < NOTES; number += 1) await medplum.createResource(note(id, number))

const ids = new Set()
for await (const page of medplum.searchResourcePages('DocumentReference', { patient: `Patient/${id}`, _count: 20 })) {
  page.forEach((d) => ids.add(d.id))
}
assert.equal(ids.size, DOCUMENTS.length + 1 + NOTES)

let newest
for (const { name, loinc } of DOCUMENTS) {
  newest = await medplum.searchOne('DocumentReference', { patient: `Patient/${id}`, type: `http://loinc.org|${loinc}` })
  const blob = await medplum.download(newest.content[0].attachment.url)
  assert.ok(Buffer.from(await blob.arrayBuffer()).equals(sample(name)), `${name}, raw`)
}

const update = (version) =>
  medplum.updateResource({ ...newest, description: `after ${version}` }, { headers: { 'If-Match': `W/"${version}"` } })
assert.equal((await update(1)).meta.versionId, '2')
const refused = await update(1).then(() => assert.fail('a stale version was overwritten'), (error) => error.outcome)
assert.equal(refused.issue[0].code, 'conflict')
const first = await medplum.readVersion('DocumentReference', newest.id, '1')
assert.equal(first.description, undefined)
console.log(`@medplum/core: ${ids.size} documents stored, paged, versioned and read back`)
