import { createRoot } from "react-dom/client";
import { App } from "./app";
import "./style.css";
import { startLanguage } from "./words/language";

if (__SAMPLE_WALLET__) {
  const { announceSamples } = await import("./wallet/samples");
  announceSamples();
}

await startLanguage();

const root = document.getElementById("root");
if (root) createRoot(root).render(<App />);
