// The gateway, except that what is sealed is opened here: it gives ciphertext, and this browser checks and opens it.

import { Gateway } from "../api/gateway";
import type { Bundle, RecordRow, Resource } from "../api/types";
import { digestOf, RAW } from "../proof/receipt";
import { Caught } from "./caught";
import type { Chain } from "./chain";
import { type Attachment, openAttachment, openRecord } from "./record";
import type { Ring } from "./ring";
import { t } from "../words/language";

const CID = "urn:chartseal:extension:cid";

export class OwnGateway extends Gateway {
  private readonly documents = new Map<string, Attachment>();
  /** Records whose author was held against the Directory, by CID: the bytes under it are the same each time. */
  private readonly signed = new Set<string>();

  constructor(
    private readonly inner: Gateway,
    private readonly chain: Chain,
    private readonly ring: () => Promise<Ring>,
  ) {
    super();
  }

  override get<T>(path: string): Promise<T> {
    const asked = /^\/fhir\/R4\/\w+\/([0-9a-f]{64})(\/_history)?(?:\/(\d+))?$/.exec(path);
    if (!asked) return this.inner.get<T>(path);
    const [, id, history, version] = asked;
    if (history && !version) return this.history(id!) as Promise<T>;
    return this.version(id!, version) as Promise<T>;
  }

  override post<T>(path: string, body: unknown): Promise<T> {
    return this.inner.post<T>(path, body);
  }

  override put<T>(path: string, body: unknown): Promise<T> {
    return this.inner.put<T>(path, body);
  }

  override attach<T>(path: string, content: Uint8Array<ArrayBuffer>): Promise<T> {
    return this.inner.attach<T>(path, content);
  }

  override signOut(): Promise<void> {
    return this.inner.signOut();
  }

  override async search<T>(type: string, _terms: Record<string, string>): Promise<T> {
    const newest = new Map<string, RecordRow>();
    for (const row of await this.rows()) if (row.resourceType === type && !newest.has(row.recordId)) newest.set(row.recordId, row);
    const ring = await this.ring();
    return bundle(await Promise.all([...newest.values()].map((row) => this.open(row, ring)))) as T;
  }

  override async bytes(url: string): Promise<Blob> {
    const cid = url.startsWith("ipfs://") ? url.slice(7) : (/^\/fhir\/R4\/Binary\/(b[a-z2-7]+)$/.exec(new URL(url, location.origin).pathname)?.[1] ?? "");
    const document = this.documents.get(cid);
    if (!document) return this.inner.bytes(url);
    const sealed = await (await this.inner.bytes(`/ipfs/${cid}`)).arrayBuffer();
    return new Blob([await openAttachment(new Uint8Array(sealed), document)]);
  }

  private rows(): Promise<RecordRow[]> {
    return this.inner.get<RecordRow[]>(`/v1/records?patient=${this.chain.patient}`);
  }

  private async version(id: string, version: string | undefined): Promise<Resource> {
    const rows = (await this.rows()).filter((row) => row.recordId === `0x${id}`);
    const row = version ? rows.find((one) => one.version === Number(version)) : rows[0];
    if (!row) throw new Error(t("There is no such record."));
    return this.open(row, await this.ring());
  }

  private async history(id: string): Promise<Bundle> {
    const [rows, ring] = await Promise.all([this.rows(), this.ring()]);
    return bundle(await Promise.all(rows.filter((row) => row.recordId === `0x${id}`).map((row) => this.open(row, ring))));
  }

  /** Bytes against the CID, statement against the place, signature against the Directory. */
  private async open(row: RecordRow, ring: Ring): Promise<Resource> {
    const sealed = new Uint8Array(await (await this.inner.bytes(`/ipfs/${row.cid}?format=raw`)).arrayBuffer());
    const found = ring.placeOf(row.scope);
    const opened = await openRecord(sealed, digestOf(row.cid, RAW), ring.secret(found, row.epoch), found);
    const { statement, signature } = opened;
    if (statement.id !== row.recordId || statement.version !== row.version) throw new Caught("misplaced-record");
    if (!this.signed.has(row.cid)) await this.chain.signed(statement, signature);
    this.signed.add(row.cid);
    for (const document of opened.attachments) this.documents.set(document.cid, document);
    const resource = JSON.parse(new TextDecoder().decode(opened.resource)) as Resource;
    const lastUpdated = new Date(statement.authoredAt * 1000).toISOString();
    const meta = { versionId: String(statement.version), lastUpdated, extension: [{ url: CID, valueString: row.cid }] };
    return { ...resource, id: statement.id.slice(2), meta };
  }
}

function bundle(resources: Resource[]): Bundle {
  return { total: resources.length, entry: resources.map((resource) => ({ resource })) };
}
