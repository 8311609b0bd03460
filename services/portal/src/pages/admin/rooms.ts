import type { ComponentType } from "react";
import { Waiting } from "./waiting";
import { Accounts } from "./accounts";
import { System } from "./system";

export { Decisions } from "../../parts/decide";
export { Register } from "../register";

export const pages: Record<string, ComponentType> = {
  "/administrator": Waiting,
  "/administrator/accounts": Accounts,
  "/administrator/system": System,
};
