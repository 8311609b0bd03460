import { useEffect, useRef } from "react";
import { Show, useLoad } from "../../parts/load";
import { fhirDate } from "../../words/when";
import { type Message, t } from "../../words/language";
import { Terms } from "../details";
import { type DicomFile, read, textOf } from "./file";
import { type Picture, pictureOf } from "./picture";

/** A medical image: its head in words, and its picture where it is not compressed. */
export default function Dicom({ blob, title }: { blob: Blob; title: string }) {
  const opened = useLoad(() => open(blob), [blob]);
  return (
    <Show of={opened}>
      {(found) =>
        found ? (
          <>
            {found.picture ? <Canvas picture={found.picture} title={title} /> : <p className="quiet">{t("This page shows no picture of this file. Save it and open it in an image viewer.")}</p>}
            {found.picture && found.picture.frames > 1 && <p className="quiet">{t("The first of {frames} pictures. Save the file to see the others.", { frames: found.picture.frames })}</p>}
            <Terms rows={rowsOf(found.file)} />
          </>
        ) : (
          <p className="quiet">{t("A medical image (DICOM). Save it and open it in an image viewer.")}</p>
        )
      }
    </Show>
  );
}

async function open(blob: Blob): Promise<{ file: DicomFile; picture: Picture | undefined } | undefined> {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  try {
    const file = read(bytes);
    return { file, picture: pictureOf(file) };
  } catch {
    return undefined;
  }
}

function Canvas({ picture: { width, height, pixels }, title }: { picture: Picture; title: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    canvas.current?.getContext("2d")?.putImageData(new ImageData(pixels, width, height), 0, 0);
  }, [pixels, width, height]);
  return <canvas ref={canvas} width={width} height={height} role="img" aria-label={title} />;
}

const MODALITIES: Record<string, Message> = {
  CT: "CT scan",
  MR: "MRI scan",
  US: "Ultrasound",
  CR: "X-ray",
  DX: "X-ray",
  NM: "Nuclear medicine",
  SR: "Report of an examination",
  RTPLAN: "Plan of a radiotherapy",
};

function rowsOf({ elements }: DicomFile): [string, string][] {
  const text = (tag: number) => textOf(elements, tag);
  const modality = text(0x00080060);
  const rows: [Message, string][] = [
    ["Kind", Object.hasOwn(MODALITIES, modality) ? t(MODALITIES[modality]!) : modality],
    ["Examination", text(0x00081030) || text(0x0008103e)],
    ["Part of the body", text(0x00180015)],
    ["Date", day(text(0x00080020))],
    // Family^given, and other scripts behind "=".
    ["Name", text(0x00100010).split("=")[0]!.split("^").filter(Boolean).join(" ")],
    ["Born", day(text(0x00100030))],
    ["Made at", text(0x00080080)],
    ["Device", [text(0x00080070), text(0x00081090)].filter(Boolean).join(", ")],
  ];
  return rows.filter(([, value]) => value !== "").map(([name, value]) => [t(name), value]);
}

/** `20260131` as a date of the reader's language. */
function day(text: string): string {
  const parts = /^(\d{4})\.?(\d\d)\.?(\d\d)$/.exec(text);
  return parts ? fhirDate(`${parts[1]}-${parts[2]}-${parts[3]}`) : text;
}
