// The gateway over HTTP, same origin only.

/** A refusal, in the gateway's words. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    /** The stable word, such as `not-live`; `offline` if nothing answered. */
    readonly code: string,
    detail: string,
  ) {
    super(detail);
  }
}

/** The gateway, asked by nobody or by who holds a token. The token lives here, in memory, and nowhere else. */
export class Gateway {
  constructor(
    private readonly token?: string,
    /** Called when the gateway no longer knows the token. */
    private readonly signedOut?: () => void,
  ) {}

  get<T>(path: string): Promise<T> {
    return this.json<T>("GET", path);
  }

  /** With a fresh Idempotency-Key, so that an answer lost on the way does not make a second one. */
  post<T>(path: string, body: unknown): Promise<T> {
    return this.json<T>("POST", path, JSON.stringify(body), {
      "content-type": "application/json",
      "idempotency-key": crypto.randomUUID(),
    });
  }

  put<T>(path: string, body: unknown): Promise<T> {
    return this.json<T>("PUT", path, JSON.stringify(body), { "content-type": "application/json" });
  }

  /** Bytes as they are. */
  attach<T>(path: string, bytes: Uint8Array<ArrayBuffer>): Promise<T> {
    return this.json<T>("PUT", path, bytes, { "content-type": "application/octet-stream" });
  }

  /** A FHIR search by POST: what is searched for stays out of URLs. */
  search<T>(type: string, terms: Record<string, string>): Promise<T> {
    return this.json<T>("POST", `/fhir/R4/${type}/_search`, new URLSearchParams(terms).toString(), {
      "content-type": "application/x-www-form-urlencoded",
    });
  }

  /** A document's bytes. `url` may be absolute: its origin must then be ours. */
  async bytes(url: string): Promise<Blob> {
    const response = await this.send("GET", url, undefined, { accept: "*/*" });
    return response.blob();
  }

  async signOut(): Promise<void> {
    await this.send("DELETE", "/v1/sessions");
  }

  private async json<T>(method: string, path: string, body?: string | Uint8Array<ArrayBuffer>, headers?: Record<string, string>): Promise<T> {
    const response = await this.send(method, path, body, headers);
    return (await response.json()) as T;
  }

  private async send(method: string, url: string, body?: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) {
    const path = own(url);
    if (this.token) headers.authorization = `Bearer ${this.token}`;
    let response: Response;
    try {
      const init: RequestInit = { method, headers, credentials: "omit", cache: "no-store", redirect: "error" };
      if (body !== undefined) init.body = body;
      response = await fetch(path, init);
    } catch {
      throw new Problem(0, "offline", "The gateway does not answer. Check your connection and try again.");
    }
    if (response.ok) return response;
    if (response.status === 401) this.signedOut?.();
    throw await refusal(response);
  }
}

/** Where the gateway is. */
export function origin(): string {
  return __ORIGIN__ || location.origin;
}

/** The path of a URL of ours. A record can name any URL: the token goes nowhere else. */
export function own(url: string, at: string = origin()): string {
  const parsed = new URL(url, at);
  if (parsed.origin !== at) {
    throw new Problem(0, "elsewhere", "This document lies on another server, which this page does not open.");
  }
  return parsed.pathname + parsed.search;
}

async function refusal(response: Response): Promise<Problem> {
  // RFC 9457, or FHIR's OperationOutcome.
  const body = (await response.json().catch(() => ({}))) as {
    code?: string;
    detail?: string;
    issue?: { diagnostics?: string; details?: { text?: string; coding?: { code?: string }[] } }[];
  };
  const issue = body.issue?.[0];
  const code = body.code ?? issue?.details?.coding?.[0]?.code ?? String(response.status);
  return new Problem(response.status, code, body.detail ?? issue?.diagnostics ?? issue?.details?.text ?? "");
}
