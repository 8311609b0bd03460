// The gateway, except that what is sealed is opened here: it gives ciphertext, and this browser checks and opens it.

import { Gateway } from "../api/gateway";
import type { Bundle, RecordRow, Resource } from "../api/types";
import { Caught } from "./caught";
import type { Chain } from "./chain";
import { type Attachment, type Keys, openAttachment, type Opened } from "./record";
import { t } from "../words/language";

const CID = "urn:chartseal:extension:cid";
/** The most that the gateway lists at once. */
const PAGE = 200;

export class OwnGateway extends Gateway {
  private readonly documents = new Map<string, Attachment>();
  /** Records whose author was held against the Directory, by CID: the bytes under it are the same each time. */
  private readonly signed = new Set<string>();

  constructor(
    private readonly inner: Gateway,
    readonly chain: Chain,
    private readonly keys: () => Promise<Keys>,
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
    const rows = (await this.rows("newest")).filter((row) => row.resourceType === type);
    return this.bundle(rows) as T;
  }

  override async bytes(url: string): Promise<Blob> {
    const cid = url.startsWith("ipfs://") ? url.slice(7) : (/^\/fhir\/R4\/Binary\/(b[a-z2-7]+)$/.exec(new URL(url, location.origin).pathname)?.[1] ?? "");
    const document = this.documents.get(cid);
    if (!document) return this.inner.bytes(url);
    const sealed = await (await this.inner.bytes(`/ipfs/${cid}`)).arrayBuffer();
    return new Blob([await openAttachment(new Uint8Array(sealed), document)]);
  }

  /** Every version of every record that is to be read here, newest first; or the newest of each, where that is. */
  async rows(which: "all" | "newest" = "all"): Promise<RecordRow[]> {
    const path = `/v1/records?patient=${this.chain.patient}&limit=${PAGE}${which === "newest" ? "&newest=true" : ""}`;
    const all: RecordRow[] = [];
    for (;;) {
      const before = all.length > 0 ? `&before=${all.at(-1)!.sequence}` : "";
      const page = await this.inner.get<RecordRow[]>(path + before);
      all.push(...page);
      if (page.length < PAGE) return all;
    }
  }

  private async version(id: string, version: string | undefined): Promise<Resource> {
    const rows = (await this.rows(version ? "all" : "newest")).filter((row) => row.recordId === `0x${id}`);
    const row = version ? rows.find((one) => one.version === Number(version)) : rows[0];
    if (!row) throw new Error(t("There is no such record."));
    return this.resource(row, await this.keys());
  }

  private async history(id: string): Promise<Bundle> {
    return this.bundle((await this.rows()).filter((row) => row.recordId === `0x${id}`));
  }

  private async bundle(rows: RecordRow[]): Promise<Bundle> {
    const keys = await this.keys();
    const resources = await Promise.all(rows.map((row) => this.resource(row, keys)));
    return { total: resources.length, entry: resources.map((resource) => ({ resource })) };
  }

  private async resource(row: RecordRow, keys: Keys): Promise<Resource> {
    const { statement, attachments, resource } = await this.open(row, keys);
    for (const document of attachments) this.documents.set(document.cid, document);
    const lastUpdated = new Date(statement.authoredAt * 1000).toISOString();
    const meta = { versionId: String(statement.version), lastUpdated, extension: [{ url: CID, valueString: row.cid }] };
    return { ...read(resource), id: statement.id.slice(2), meta };
  }

  /** Bytes against the CID, statement against the place, signature against the Directory. */
  async open(row: RecordRow, keys: Keys): Promise<Opened> {
    const sealed = new Uint8Array(await (await this.inner.bytes(`/ipfs/${row.cid}?format=raw`)).arrayBuffer());
    const opened = await keys.open(row, sealed);
    const { statement, signature } = opened;
    if (statement.id !== row.recordId || statement.version !== row.version) throw new Caught("misplaced-record");
    if (!this.signed.has(row.cid)) await this.chain.signed(statement, signature);
    this.signed.add(row.cid);
    return opened;
  }
}

/** The FHIR resource of a record. */
export function read(resource: Uint8Array): Resource {
  return JSON.parse(new TextDecoder().decode(resource)) as Resource;
}
