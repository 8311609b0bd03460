// A DICOM file (PS3.10) as far as a person reads it: the elements of its top level. Sequences are stepped over. Whatever does
// not fit throws: the bytes are a stranger's.

/** Elements by tag, group and element in one number. */
export type Elements = ReadonlyMap<number, Uint8Array>;

export interface DicomFile {
  elements: Elements;
  /** How the elements and the picture are written. */
  syntax: string;
}

/** Bytes that are no DICOM file, or one that is not read here. */
export class Unreadable extends Error {}

export const IMPLICIT = "1.2.840.10008.1.2";
export const EXPLICIT = "1.2.840.10008.1.2.1";
const DEFLATED = "1.2.840.10008.1.2.1.99";
const BIG_ENDIAN = "1.2.840.10008.1.2.2";

const SYNTAX = 0x00020010;
const PIXELS = 0x7fe00010;
const ITEM = 0xfffee000;
const ITEM_END = 0xfffee00d;
const SEQUENCE_END = 0xfffee0dd;
const UNDEFINED = 0xffffffff;
const DEEPEST = 16;

/** Value representations whose length has four bytes, behind two that are reserved. */
const LONG = new Set(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"]);

export function read(bytes: Uint8Array): DicomFile {
  if (new TextDecoder().decode(bytes.subarray(128, 132)) !== "DICM") throw new Unreadable();
  const elements = new Map<number, Uint8Array>();
  const walker = new Walker(bytes, elements);
  // The head is explicit, whatever follows.
  const body = walker.walk(132, true, 0, (tag) => tag >>> 16 === 2);
  const syntax = new TextDecoder().decode(elements.get(SYNTAX) ?? new Uint8Array()).replace(/[\0 ]+$/, "");
  if (syntax === DEFLATED || syntax === BIG_ENDIAN) throw new Unreadable();
  walker.walk(body, syntax !== IMPLICIT, 0, () => true);
  return { elements, syntax };
}

class Walker {
  private readonly view: DataView;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly found: Map<number, Uint8Array>,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Elements from `at` on while `belongs`; gives where they end. Only those of the top level are kept. */
  walk(at: number, explicit: boolean, depth: number, belongs: (tag: number) => boolean): number {
    if (depth > DEEPEST) throw new Unreadable();
    while (at < this.bytes.length) {
      const tag = this.tag(at);
      if (tag === ITEM_END) return at + 8;
      if (!belongs(tag)) return at;
      const { vr, length, value } = this.head(at, explicit);
      if (length === UNDEFINED) {
        // Frames of a compressed picture, which end the file.
        if (tag === PIXELS) return this.bytes.length;
        at = this.sequence(value, explicit && vr !== "UN", depth + 1);
        continue;
      }
      if (value + length > this.bytes.length) throw new Unreadable();
      if (depth === 0 && vr !== "SQ") this.found.set(tag, this.bytes.subarray(value, value + length));
      at = value + length;
    }
    return at;
  }

  private sequence(at: number, explicit: boolean, depth: number): number {
    for (;;) {
      const [tag, length] = [this.tag(at), this.view.getUint32(at + 4, true)];
      if (tag === SEQUENCE_END) return at + 8;
      if (tag !== ITEM) throw new Unreadable();
      at = length === UNDEFINED ? this.walk(at + 8, explicit, depth, () => true) : at + 8 + length;
    }
  }

  private head(at: number, explicit: boolean): { vr: string; length: number; value: number } {
    if (!explicit) return { vr: "", length: this.view.getUint32(at + 4, true), value: at + 8 };
    const vr = String.fromCharCode(this.view.getUint8(at + 4), this.view.getUint8(at + 5));
    if (LONG.has(vr)) return { vr, length: this.view.getUint32(at + 8, true), value: at + 12 };
    return { vr, length: this.view.getUint16(at + 6, true), value: at + 8 };
  }

  private tag(at: number): number {
    return this.view.getUint16(at, true) * 0x10000 + this.view.getUint16(at + 2, true);
  }
}

/** Specific Character Set (0008,0005), as browsers name it. */
const CHARSETS: Record<string, string> = {
  "ISO_IR 100": "iso-8859-1",
  "ISO_IR 101": "iso-8859-2",
  "ISO_IR 109": "iso-8859-3",
  "ISO_IR 110": "iso-8859-4",
  "ISO_IR 144": "iso-8859-5",
  "ISO_IR 127": "iso-8859-6",
  "ISO_IR 126": "iso-8859-7",
  "ISO_IR 138": "iso-8859-8",
  "ISO_IR 148": "iso-8859-9",
  "ISO_IR 166": "windows-874",
  "ISO_IR 13": "shift_jis",
  "ISO_IR 192": "utf-8",
  GB18030: "gb18030",
  GBK: "gbk",
};

const CHARSET = 0x00080005;

/** An element as text, without its padding. */
export function textOf(elements: Elements, tag: number): string {
  const value = elements.get(tag);
  if (!value) return "";
  const named = tag === CHARSET ? "" : textOf(elements, CHARSET);
  const charset = Object.hasOwn(CHARSETS, named) ? CHARSETS[named]! : "iso-8859-1";
  return new TextDecoder(charset).decode(value).replace(/[\0 ]+$/, "").trim();
}

/** A 16-bit number. */
export function wordOf(elements: Elements, tag: number): number | undefined {
  const value = elements.get(tag);
  return value && value.length >= 2 ? value[0]! | (value[1]! << 8) : undefined;
}

/** The first of numbers written as text. */
export function numberOf(elements: Elements, tag: number): number | undefined {
  const number = Number.parseFloat(textOf(elements, tag).split("\\")[0]!);
  return Number.isFinite(number) ? number : undefined;
}

export { PIXELS };
