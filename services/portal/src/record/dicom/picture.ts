// The first frame of an uncompressed picture, as a canvas takes it.

import { type Elements, type DicomFile, EXPLICIT, IMPLICIT, numberOf, PIXELS, textOf, wordOf } from "./file";

export interface Picture {
  width: number;
  height: number;
  /** Four bytes a pixel. */
  pixels: Uint8ClampedArray<ArrayBuffer>;
  frames: number;
}

const ROWS = 0x00280010;
const COLUMNS = 0x00280011;
const LARGEST = 64_000_000;

/** Undefined where there is no picture, or it is of a kind that is not read here. */
export function pictureOf({ elements, syntax }: DicomFile): Picture | undefined {
  const [width, height, data] = [wordOf(elements, COLUMNS), wordOf(elements, ROWS), elements.get(PIXELS)];
  if (!width || !height || !data || width * height > LARGEST || ![IMPLICIT, EXPLICIT].includes(syntax)) return undefined;
  const pixels = textOf(elements, 0x00280004) === "RGB" ? colours(elements, data, width * height) : greys(elements, data, width * height);
  return pixels && { width, height, pixels, frames: Math.max(1, numberOf(elements, 0x00280008) ?? 1) };
}

function colours(elements: Elements, data: Uint8Array, count: number): Picture["pixels"] | undefined {
  if (wordOf(elements, 0x00280100) !== 8 || wordOf(elements, 0x00280002) !== 3 || data.length < count * 3) return undefined;
  // One colour after the other for each pixel, or one plane after the other.
  const planes = wordOf(elements, 0x00280006) === 1;
  const pixels = new Uint8ClampedArray(count * 4);
  for (let at = 0; at < count; at++) {
    for (let colour = 0; colour < 3; colour++) pixels[at * 4 + colour] = data[planes ? colour * count + at : at * 3 + colour]!;
    pixels[at * 4 + 3] = 255;
  }
  return pixels;
}

function greys(elements: Elements, data: Uint8Array, count: number): Picture["pixels"] | undefined {
  const kind = textOf(elements, 0x00280004);
  const [allocated, stored] = [wordOf(elements, 0x00280100), wordOf(elements, 0x00280101)];
  if (!/^MONOCHROME[12]$/.test(kind) || (wordOf(elements, 0x00280002) ?? 1) !== 1) return undefined;
  if ((allocated !== 8 && allocated !== 16) || !stored || stored > allocated || data.length < (count * allocated) / 8) return undefined;
  const signed = wordOf(elements, 0x00280103) === 1;
  const [slope, intercept] = [numberOf(elements, 0x00281053) ?? 1, numberOf(elements, 0x00281052) ?? 0];
  const values = new Float32Array(count);
  // Bits above those stored are something else; a sign stands in the highest of those stored.
  const unused = 32 - stored;
  for (let at = 0; at < count; at++) {
    const word = allocated === 8 ? data[at]! : data[at * 2]! | (data[at * 2 + 1]! << 8);
    values[at] = (signed ? (word << unused) >> unused : (word << unused) >>> unused) * slope + intercept;
  }
  const [low, high] = range(elements, values);
  const scale = 255 / Math.max(high - low, 1e-6);
  const pixels = new Uint8ClampedArray(count * 4);
  for (let at = 0; at < count; at++) {
    const grey = (values[at]! - low) * scale;
    pixels.fill(kind === "MONOCHROME1" ? 255 - grey : grey, at * 4, at * 4 + 3);
    pixels[at * 4 + 3] = 255;
  }
  return pixels;
}

/** What is shown from black to white: the file's own window, or everything there is. */
function range(elements: Elements, values: Float32Array): [number, number] {
  const [centre, width] = [numberOf(elements, 0x00281050), numberOf(elements, 0x00281051)];
  if (centre !== undefined && width !== undefined && width >= 1) return [centre - width / 2, centre + width / 2];
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}
