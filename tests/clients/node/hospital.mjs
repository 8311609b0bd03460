// What both JavaScript clients need: a running system, one enrolled patient, the sample documents, a client assertion.
import { createPrivateKey, randomUUID, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'

const [stackFile, address] = process.argv.slice(2)
export const stack = JSON.parse(readFileSync(stackFile, 'utf8'))
export const client = stack.clients.find(({ name }) => name.startsWith('hospital'))
export const account = `eip155:${stack.chainId}:${address}`
export const DOCUMENTS = [
  { name: 'knee.xml', media: 'text/xml', loinc: '11504-8', title: 'Surgical operation note' },
  { name: 'congress.pdf', media: 'application/pdf', loinc: '34133-9', title: 'Summary of episode note' },
  { name: 'CT_small.dcm', media: 'application/dicom', loinc: '18748-4', title: 'Diagnostic imaging study' },
]
// Notes beside the three documents: together more than two pages of the server's own size.
export const NOTES = 50

export const sample = (name) => readFileSync(new URL(`../../data/documents/${name}`, import.meta.url))

/** A JWT (RFC 7523) signed with the client's ES384 key. */
export function assertion({ clientId, jwk } = client) {
  const now = Math.floor(Date.now() / 1000)
  const claims = { iss: clientId, sub: clientId, aud: stack.token, iat: now, exp: now + 240, jti: randomUUID() }
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = `${part({ alg: 'ES384', kid: jwk.kid, typ: 'JWT' })}.${part(claims)}`
  const key = createPrivateKey({ key: jwk, format: 'jwk' })
  return `${text}.${sign('sha384', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

// A sample patient, whose identity is the account it is tied to here.
const { id: _, ...martina } = JSON.parse(readFileSync(new URL('../../data/synthea/martina-patient.json', import.meta.url)))
export const patient = { ...martina, identifier: [{ system: 'urn:chartseal:account', value: account }] }

export const document = (patientId, loinc, title, attachment) => ({
  resourceType: 'DocumentReference',
  status: 'current',
  subject: { reference: `Patient/${patientId}` },
  date: '2026-11-22T10:00:00Z',
  type: { coding: [{ system: 'http://loinc.org', code: loinc }] },
  content: [{ attachment: { title, ...attachment } }],
})

export const note = (patientId, number) =>
  document(patientId, '34109-9', `Note ${number}`, {
    contentType: 'text/plain',
    data: Buffer.from(`Note ${number}`).toString('base64'),
  })
