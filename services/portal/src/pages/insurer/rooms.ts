import type { ComponentType } from "react";
import { Claims } from "./claims";
import { Ask } from "../ask";
import { Me } from "../me";

export { Decisions } from "../../parts/decide";
export { Register } from "../register";

export const pages: Record<string, ComponentType> = {
  "/insurer": Claims,
  "/insurer/ask": Ask,
  "/insurer/me": Me,
};
