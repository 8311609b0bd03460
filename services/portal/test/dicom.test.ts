import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { IMPLICIT, read, textOf } from "../src/record/dicom/file";
import { pictureOf } from "../src/record/dicom/picture";

const sample = (name: string) => new Uint8Array(readFileSync(join(import.meta.dirname, "../../../tests/data/documents", name)));

describe("samples of pydicom", () => {
  test("a CT slice: signed 16-bit greys", () => {
    const file = read(sample("CT_small.dcm"));
    expect(textOf(file.elements, 0x00080060)).toBe("CT");
    expect(textOf(file.elements, 0x00100010)).toBe("CompressedSamples^CT1");
    const { width, height, pixels, frames } = pictureOf(file)!;
    expect([width, height, frames, pixels.length]).toEqual([128, 128, 1, 128 * 128 * 4]);
    // The file names no window, so that its darkest value is black and its brightest is white.
    const greys = pixels.filter((_, at) => at % 4 === 0);
    expect([greys.reduce((a, b) => Math.min(a, b)), greys.reduce((a, b) => Math.max(a, b))]).toEqual([0, 255]);
    expect([...pixels.subarray(0, 4)]).toEqual([6, 6, 6, 255]);
  });

  test("a picture in colours", () => {
    const bytes = sample("examples_rgb_color.dcm");
    const { width, height, pixels } = pictureOf(read(bytes))!;
    expect([width, height]).toEqual([320, 240]);
    const last = bytes.subarray(-3);
    expect([...pixels.subarray(-4)]).toEqual([...last, 255]);
  });

  test("without a picture, or with a compressed one, the head is read all the same", () => {
    for (const [name, modality] of [["rtplan.dcm", "RTPLAN"], ["test-SR.dcm", "SR"], ["JPEG2000.dcm", "NM"]] as const) {
      const file = read(sample(name));
      expect(textOf(file.elements, 0x00080060), name).toBe(modality);
      expect(pictureOf(file), name).toBeUndefined();
    }
    expect(read(sample("rtplan.dcm")).syntax).toBe(IMPLICIT);
  });
});

describe("a file from a stranger", () => {
  test("what is no DICOM is refused", () => {
    for (const bytes of [new Uint8Array(), new Uint8Array(200), new TextEncoder().encode("%PDF-1.7 ".repeat(40))]) expect(() => read(bytes)).toThrow();
  });

  test("cut anywhere or changed anywhere, it is read or refused, and never walked past its end", { timeout: 60_000 }, () => {
    const whole = sample("test-SR.dcm");
    for (let end = 0; end < whole.length; end += 13) attempt(whole.slice(0, end));
    for (let at = 128; at < whole.length; at += 11) {
      const changed = whole.slice();
      changed[at] = 0xff;
      attempt(changed);
    }
  });

  test("sizes that the bytes do not have give no picture", () => {
    const bytes = sample("CT_small.dcm");
    const rows = find(bytes, 0x0028, 0x0010);
    bytes[rows + 8] = 0xff;
    expect(pictureOf(read(bytes))).toBeUndefined();
  });
});

function attempt(bytes: Uint8Array): void {
  try {
    const file = read(bytes);
    pictureOf(file);
    const end = bytes.byteOffset + bytes.length;
    expect([...file.elements.values()].every((value) => value.byteOffset + value.length <= end)).toBe(true);
  } catch (refused) {
    expect(refused).toBeInstanceOf(Error);
    expect(refused).not.toBeInstanceOf(TypeError);
  }
}

/** Where the element stands. */
function find(bytes: Uint8Array, group: number, element: number): number {
  const head = [group & 255, group >> 8, element & 255, element >> 8];
  const at = bytes.findIndex((_, start) => start > 132 && head.every((byte, place) => bytes[start + place] === byte));
  expect(at).toBeGreaterThan(132);
  return at;
}
