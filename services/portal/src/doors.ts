import type { Role } from "./api/types";
import type { Message } from "./words/language";

export interface Door {
  path: string;
  name: Message;
  /** Who comes in: registered roles, or for administrators a wallet without an account. */
  roles: (Role | null)[];
  says: Message;
  pages: [string, Message][];
}

export const DOORS: Door[] = [
  {
    path: "/patient",
    name: "Patient",
    roles: ["patient"],
    says: "See your records, decide who may read them, and see who looked.",
    pages: [
      ["/patient", "Overview"],
      ["/patient/records", "My records"],
      ["/patient/requests", "Requests"],
      ["/patient/access", "Who has access"],
      ["/patient/journal", "Who looked"],
      ["/patient/keys", "My keys"],
    ],
  },
  {
    path: "/doctor",
    name: "Doctor",
    roles: ["doctor", "hospital"],
    says: "Ask for access, read your patients’ records, write and correct.",
    pages: [
      ["/doctor", "My patients"],
      ["/doctor/ask", "Ask for access"],
      ["/doctor/me", "My information"],
    ],
  },
  {
    path: "/insurer",
    name: "Insurance company",
    roles: ["insurer"],
    says: "Look a claim up by its number, see its evidence and its proof.",
    pages: [
      ["/insurer", "Look up a claim"],
      ["/insurer/ask", "Ask for access"],
      ["/insurer/me", "Company information"],
    ],
  },
  {
    path: "/administrator",
    name: "Administrator",
    roles: [null],
    says: "Register accounts after checking their papers; suspend and reinstate.",
    pages: [
      ["/administrator", "Waiting"],
      ["/administrator/accounts", "Accounts"],
      ["/administrator/system", "System"],
    ],
  },
];

export function doorOf(path: string): Door | undefined {
  return DOORS.find((door) => path === door.path || path.startsWith(`${door.path}/`));
}

export function doorFor(role: Role | null): Door {
  return DOORS.find((door) => door.roles.includes(role)) ?? DOORS[0]!;
}
