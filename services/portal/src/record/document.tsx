import { lazy, Suspense, useEffect, useState } from "react";
import { fromBase64 } from "../api/base64";
import type { Gateway } from "../api/gateway";
import { Loading, Show, useLoad } from "../parts/load";
import { Ccda } from "./ccda";
import { locale, t } from "../words/language";

export interface Attachment {
  contentType?: string;
  title?: string;
  url?: string;
  data?: string;
  size?: number;
}

/** Bytes up to here are read as text; a browser shows longer ones badly. */
export const LONGEST_TEXT = 2_000_000;

/** Read by a program of its own, which is loaded when there is one to read. */
const Dicom = lazy(() => import("./dicom/view"));

/** One document, shown by what it says it is. It is opened when it is asked for: opening stands in the patient's journal. */
export function Document({ gateway, attachment }: { gateway: Gateway; attachment: Attachment }) {
  const blob = useLoad(() => bytesOf(gateway, attachment), [gateway, attachment.url, attachment.data]);
  return <Show of={blob}>{(found) => <Shown blob={found} attachment={attachment} />}</Show>;
}

export async function bytesOf(gateway: Gateway, attachment: Attachment): Promise<Blob> {
  if (attachment.data !== undefined) {
    return new Blob([fromBase64(attachment.data)]);
  }
  if (!attachment.url) throw new Error(t("The record names a document and not where it is."));
  return gateway.bytes(attachment.url);
}

/** What a document says it is, without its parameters. */
export function typeOf(attachment: Attachment): string {
  return (attachment.contentType ?? "").split(";")[0]!.trim().toLowerCase();
}

export function textual(type: string): boolean {
  return type.startsWith("text/") || type.endsWith("/xml") || type.endsWith("+xml") || type === "application/json";
}

function Shown({ blob, attachment }: { blob: Blob; attachment: Attachment }) {
  const type = typeOf(attachment);
  const title = attachment.title ?? t("Document");
  return (
    <figure className="document">
      <Body blob={blob} type={type} title={title} />
      <figcaption>
        {title} · {size(blob.size)} · <Save blob={blob} title={title} type={type} />
      </figcaption>
    </figure>
  );
}

function Body({ blob, type, title }: { blob: Blob; type: string; title: string }) {
  // Never SVG or HTML: those are programs.
  if (["image/png", "image/jpeg", "image/gif", "image/webp"].includes(type)) return <Picture blob={blob} type={type} title={title} />;
  if (type === "application/pdf") return <Pdf blob={blob} title={title} />;
  if (textual(type) && blob.size <= LONGEST_TEXT) return <Text blob={blob} xml={/xml/.test(type)} />;
  if (type === "application/dicom") return <Suspense fallback={<Loading />}><Dicom blob={blob} title={title} /></Suspense>;
  return <p className="quiet">{t("This page cannot show this kind of document ({type}). Save it to open it elsewhere.", { type: type || t("unknown") })}</p>;
}

function useUrl(blob: Blob, type: string): string | undefined {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    // The type is ours, so that the browser never guesses another.
    const made = URL.createObjectURL(new Blob([blob], { type }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [blob, type]);
  return url;
}

function Picture({ blob, type, title }: { blob: Blob; type: string; title: string }) {
  const url = useUrl(blob, type);
  return url ? <img src={url} alt={title} /> : null;
}

function Pdf({ blob, title }: { blob: Blob; title: string }) {
  const url = useUrl(blob, "application/pdf");
  // Browsers of most phones have no place for a PDF within a page.
  if (!navigator.pdfViewerEnabled) return <p className="quiet">{t("This browser cannot show a PDF here. Save it to open it.")}</p>;
  return url ? <iframe src={`${url}#view=FitH&navpanes=0`} title={title} /> : null;
}

function Text({ blob, xml }: { blob: Blob; xml: boolean }) {
  const text = useLoad(() => blob.text(), [blob]);
  return <Show of={text}>{(read) => (xml ? <Ccda xml={read} /> : <pre className="text">{read}</pre>)}</Show>;
}

function Save({ blob, title, type }: { blob: Blob; title: string; type: string }) {
  const url = useUrl(blob, "application/octet-stream");
  const ending = { "application/pdf": ".pdf", "application/dicom": ".dcm", "text/xml": ".xml", "text/plain": ".txt", "image/png": ".png", "image/jpeg": ".jpg" }[type];
  const name = title.replace(/[^\p{L}\p{N} ._-]/gu, "").trim() || "document";
  return <a href={url} download={`${name}${ending ?? ""}`}>{t("Save")}</a>;
}

function size(bytes: number): string {
  const kilo = bytes / 1024;
  const in_ = (n: number, unit: string) => new Intl.NumberFormat(locale(), { style: "unit", unit, maximumFractionDigits: 1 }).format(n);
  return kilo < 1 ? in_(bytes, "byte") : kilo < 1024 ? in_(kilo, "kilobyte") : in_(kilo / 1024, "megabyte");
}
