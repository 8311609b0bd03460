import type { ComponentType } from "react";
import { Overview } from "./overview";
import { Records } from "./records";
import { Requests } from "./requests";
import { Access } from "./access";
import { Journal } from "./journal";
import { Keys } from "./keys";

export { Decisions } from "../../parts/decide";
export { Register } from "../register";

export const pages: Record<string, ComponentType> = {
  "/patient": Overview,
  "/patient/records": Records,
  "/patient/requests": Requests,
  "/patient/access": Access,
  "/patient/journal": Journal,
  "/patient/keys": Keys,
};
