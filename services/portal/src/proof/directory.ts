// Who is registered, folded from the Directory's events: the chain is the list.

import { createPublicClient, custom, parseAbi } from "viem";
import type { Deployment, Hex, Role } from "../api/types";
import type { Provider } from "../wallet/provider";

export interface Listed {
  address: Hex;
  role: Role;
  status: "active" | "suspended" | "retired";
}

const EVENTS = parseAbi([
  "event Registered(address indexed who, uint8 indexed role, address registrar, uint16 suite, bytes encryptionKey, address custodian, uint8 custody, bytes32 credential, uint64 credentialExpiry, string endpoint)",
  "event StatusChanged(address indexed who, uint8 status, address registrar)",
]);

const ROLE = [undefined, "patient", "doctor", "hospital", "insurer"] as const;
const STATUS = [undefined, "active", "suspended", "retired"] as const;

/** Newest first. */
export async function listed(deployment: Deployment, provider: Provider): Promise<Listed[]> {
  const client = createPublicClient({ transport: custom(provider) });
  const logs = await client.getLogs({
    address: deployment.contracts.directory,
    events: EVENTS,
    fromBlock: BigInt(deployment.firstBlock),
    toBlock: "latest",
    strict: true,
  });
  const accounts = new Map<Hex, Listed>();
  for (const log of logs) {
    if (log.eventName === "Registered") {
      const role = ROLE[log.args.role];
      if (role) accounts.set(log.args.who, { address: log.args.who, role, status: "active" });
    } else {
      const [account, status] = [accounts.get(log.args.who), STATUS[log.args.status]];
      if (account && status) account.status = status;
    }
  }
  return [...accounts.values()].reverse();
}
