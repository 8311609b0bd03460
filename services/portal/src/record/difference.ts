// What changed from one version to the next: of a resource row by row, of a text word by word.

import type { Resource } from "../api/types";
import { rowsOf } from "./details";

export interface Change {
  name: string;
  /** Absent where it was added. */
  before?: string;
  /** Absent where it was taken out. */
  after?: string;
}

/** Rows that differ, in the order of the newer version, then those that only the older one had. */
export function changesOf(before: Resource, after: Resource): Change[] {
  const [old, now] = [byName(before), byName(after)];
  return [...new Set([...now.keys(), ...old.keys()])].flatMap((name) => changed(name, old.get(name) ?? [], now.get(name) ?? []));
}

function byName(resource: Resource): Map<string, string[]> {
  const rows = new Map<string, string[]>();
  for (const [name, value] of rowsOf(resource)) rows.set(name, [...(rows.get(name) ?? []), value]);
  return rows;
}

/** Values of one name: as many as before are compared in their order, another number by what is new and what is gone. */
function changed(name: string, before: string[], after: string[]): Change[] {
  if (before.length === after.length) {
    return after.flatMap((value, place) => (value === before[place] ? [] : [{ name, before: before[place]!, after: value }]));
  }
  return [
    ...without(before, after).map((value) => ({ name, before: value })),
    ...without(after, before).map((value) => ({ name, after: value })),
  ];
}

function without(these: string[], those: string[]): string[] {
  const left = [...those];
  return these.filter((one) => {
    const at = left.indexOf(one);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

export interface Part {
  kind: "same" | "gone" | "new";
  text: string;
}

/** Cells of the table that finds the longest common part; beyond, texts are compared by lines, and then not at all. */
const LARGEST = 4_000_000;

/** Two texts, word by word where that can be done in a moment. */
export function differences(before: string, after: string): Part[] {
  const words = (text: string) => text.match(/\s+|[^\s]+/g) ?? [];
  const lines = (text: string) => text.match(/[^\n]*\n|[^\n]+/g) ?? [];
  return compared(words(before), words(after)) ?? compared(lines(before), lines(after)) ?? joined([["gone", before], ["new", after]]);
}

function compared(before: string[], after: string[]): Part[] | undefined {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  while (end < before.length - start && end < after.length - start && before.at(-1 - end) === after.at(-1 - end)) end++;
  const [old, now] = [before.slice(start, before.length - end), after.slice(start, after.length - end)];
  if ((old.length + 1) * (now.length + 1) > LARGEST) return undefined;
  return joined([
    ["same", before.slice(0, start).join("")],
    ...middle(old, now),
    ["same", after.slice(after.length - end).join("")],
  ]);
}

/** Along the longest common subsequence. */
function middle(old: string[], now: string[]): [Part["kind"], string][] {
  const wide = now.length + 1;
  const longest = new Uint32Array((old.length + 1) * wide);
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--) {
      longest[i * wide + j] = old[i] === now[j] ? longest[(i + 1) * wide + j + 1]! + 1 : Math.max(longest[(i + 1) * wide + j]!, longest[i * wide + j + 1]!);
    }
  }
  const parts: [Part["kind"], string][] = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) parts.push(["same", old[i++]!]), j++;
    else if (j >= now.length || (i < old.length && longest[(i + 1) * wide + j]! >= longest[i * wide + j + 1]!)) parts.push(["gone", old[i++]!]);
    else parts.push(["new", now[j++]!]);
  }
  return parts;
}

/** Neighbours of one kind as one; between two words that changed, what was there stands before what is. */
function joined(parts: [Part["kind"], string][]): Part[] {
  const found: Part[] = [];
  for (const [kind, text] of parts) {
    if (text === "") continue;
    const last = found.at(-1);
    if (last?.kind === kind) last.text += text;
    else found.push({ kind, text });
  }
  return found;
}
