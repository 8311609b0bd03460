import type { ComponentType } from "react";
import { Patients } from "./patients";
import { Ask } from "../ask";
import { Me } from "../me";

export { Decisions } from "../../parts/decide";
export { Register } from "../register";

export const pages: Record<string, ComponentType> = {
  "/doctor": Patients,
  "/doctor/ask": Ask,
  "/doctor/me": Me,
};
