import type { Message, Text } from "./language";

// English stands in the pages. Here are only the sentences with plural forms.
export const en: Partial<Record<Message, Text>> = {
  "{n} open requests": { one: "1 open request", other: "{n} open requests" },
  "{n} have access": { one: "1 has access", other: "{n} have access" },
  "{verb} ({n} signatures)": { one: "{verb} (1 signature)", other: "{verb} ({n} signatures)" },
};
