import type { Deployment, Hex, Role } from "../api/types";
import { type Message, t } from "./language";
import { capital } from "./scopes";

/** What an account is called here. The Directory holds no names: organisations of this gateway have one, others their address. */
export class Names {
  constructor(
    private readonly deployment: Deployment | undefined,
    private readonly own: Hex | undefined,
  ) {}

  of(address: string, role?: Role | null): string {
    if (this.own && same(address, this.own)) return t("you");
    const organisation = this.deployment?.organisations.find((o) => same(o.account, address));
    if (organisation) return organisation.name;
    return role ? t(THE[role], { address: short(address) }) : short(address);
  }

  /** For what is signed: the whole address, behind its name if it has one. */
  whole(address: string): string {
    const name = this.of(address);
    return name === short(address) ? address : `${capital(name)} (${address})`;
  }
}

const THE: Record<Role, Message> = {
  patient: "the patient {address}",
  doctor: "the doctor {address}",
  hospital: "the hospital {address}",
  insurer: "the insurance company {address}",
};

export const ROLES: Record<Role, Message> = {
  patient: "patient",
  doctor: "doctor",
  hospital: "hospital",
  insurer: "insurance company",
};

export function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** 0x1234…abcd: enough to compare with a card, never enough to sign by. */
export function short(address: string): string {
  return address.length === 42 ? `${address.slice(0, 6)}…${address.slice(-4)}` : address;
}
