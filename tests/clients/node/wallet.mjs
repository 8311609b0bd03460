// A person with a wallet at the native API: signs in (EIP-4361) and signs decisions (EIP-712).
import { setTimeout as pause } from 'node:timers/promises'
import assert from 'node:assert/strict'
import { privateKeyToAccount } from 'viem/accounts'
import { createSiweMessage } from 'viem/siwe'

export class Person {
  #account
  #base
  #token

  static async signIn({ gateway, chainId }, key) {
    const person = new Person()
    person.#account = privateKeyToAccount(key)
    person.#base = gateway
    const { nonce } = await person.call('GET', '/v1/sessions/nonce')
    const message = createSiweMessage({
      address: person.#account.address,
      chainId,
      domain: new URL(gateway).host,
      issuedAt: new Date(Math.floor(Date.now() / 1000) * 1000),
      nonce,
      statement: 'Sign in to Chartseal.',
      uri: gateway,
      version: '1',
    })
    const signature = await person.#account.signMessage({ message })
    person.#token = (await person.call('POST', '/v1/sessions', { message, signature })).token
    return person
  }

  async call(method, path, body) {
    const headers = { 'content-type': 'application/json' }
    if (this.#token) headers.authorization = `Bearer ${this.#token}`
    const answer = await fetch(new URL(path, this.#base), { method, headers, body: body && JSON.stringify(body) })
    const text = await answer.text()
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`)
    return text ? JSON.parse(text) : undefined
  }

  /** Lays a decision out and signs it; resolves when the chain has confirmed it, or when it needs none. */
  async decide(kind, terms) {
    const intent = await this.call('POST', '/v1/intents', { kind, ...terms })
    for (const { as, typedData } of intent.sign) {
      const signature = await this.#account.signTypedData(typedData)
      await this.call('PUT', `/v1/intents/${intent.id}/signatures`, { as, signature })
    }
    await until(async () => {
      const { state, error } = await this.call('GET', `/v1/intents/${intent.id}`)
      assert.ok(state !== 'failed' && state !== 'expired', `${kind} ${state}: ${error}`)
      return state === 'confirmed'
    })
  }
}

/** Asks until the answer is yes, for two minutes at most. */
export async function until(ask) {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    if (await ask()) return
    await pause(200)
  }
  assert.fail('two minutes have passed')
}
