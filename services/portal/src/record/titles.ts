// What the records of a list are called. A title stands inside the sealed record, so each of them is opened.

import { type Gateway, Problem } from "../api/gateway";
import type { Bundle, RecordRow, Resource } from "../api/types";
import { Caught } from "../custody/caught";
import { typeWords } from "../words/scopes";
import { coded, isText, list } from "./details";
import { t } from "../words/language";

/** What a record is called. */
export function titleOf(resource: Resource): string {
  if (isText(resource.description)) return resource.description;
  if (resource.resourceType === "Claim") return t("Claim {number}", { number: claimNumber(resource) }).trim();
  return coded(resource.type) || typeWords(resource.resourceType);
}

export function claimNumber(resource: Resource): string {
  return list(resource.identifier).map((id) => id.value).find(isText) ?? "";
}

export interface Titles {
  /** By the record's id. */
  titles: Map<string, string>;
  /** Why a record is not shown, by its id. */
  caught: Map<string, unknown>;
}

/** One search for each kind of record. A kind with a record that does not hold is opened one by one: the others are named. */
export async function titlesOf(gateway: Gateway, rows: RecordRow[]): Promise<Titles> {
  const found: Titles = { titles: new Map(), caught: new Map() };
  const name = (resource: Resource) => resource.id && found.titles.set(`0x${resource.id}`, titleOf(resource));
  await Promise.all(
    [...new Set(rows.map((row) => row.resourceType))].map(async (type) => {
      try {
        const { entry } = await gateway.search<Bundle>(type, { _count: "100" });
        for (const { resource } of entry ?? []) if (resource) name(resource);
      } catch (failed) {
        if (!isOfOne(failed)) throw failed;
        for (const row of rows.filter((one) => one.resourceType === type)) {
          try {
            name(await gateway.get<Resource>(`/fhir/R4/${type}/${row.recordId.slice(2)}`));
          } catch (why) {
            if (!isOfOne(why)) throw why;
            found.caught.set(row.recordId, why);
          }
        }
      }
    }),
  );
  return found;
}

/** Whether a failure says something of one record, and nothing of the others. */
function isOfOne(failed: unknown): boolean {
  return failed instanceof Caught || (failed instanceof Problem && failed.code === "content-corrupt");
}
