import { expect, test } from "vitest";
import { FOR_A_MADE_PHRASE, type Kit, newPassphrase, openKit, readKit, sealKit, written } from "../../src/custody/kit";
import { newSecret } from "../../src/custody/tree";

const kit = (): Kit => ({
  chainId: 31337,
  consent: "0x2222222222222222222222222222222222222222",
  account: "0x1111111111111111111111111111111111111111",
  holds: "root",
  secret: newSecret(),
});

test("a kit opens with its passphrase and with no other", { timeout: 60_000 }, async () => {
  const [made, phrase] = [kit(), newPassphrase()];
  const file = await sealKit(made, phrase, FOR_A_MADE_PHRASE);
  expect(await openKit(file, ` ${phrase}\n`)).toEqual(made);
  await expect(openKit(file, newPassphrase())).rejects.toThrow("do not belong together");
  file[file.length - 1]! ^= 1;
  await expect(openKit(file, phrase)).rejects.toThrow("do not belong together");
});

test("a reader's kit is an age identity, and says whose it is", () => {
  const key: Kit = { ...kit(), holds: "key" };
  const text = written(key);
  expect(text).toMatch(/^# chartseal-key\/1 \{.*\}\nAGE-SECRET-KEY-1[A-Z0-9]{58}\n$/);
  expect(readKit(text)).toEqual(key);
  const [line, identity] = text.split("\n") as [string, string];
  const root = text.replace("AGE-SECRET-KEY-1", "AGE-SECRET-KEY-PQ-1");
  for (const bad of [line, `${line}\n`, `${line}\n${identity}\n${identity}\n`, `${line}\n${identity.slice(0, -1)}\n`, root, text.replace("}", ',"more":1}'), text.replace("chartseal-key/1", "chartseal-key/2")]) {
    expect(() => readKit(bad), bad).toThrow("not a recovery kit");
  }
});

test("what is no kit of ours is refused", () => {
  const text = written(kit());
  expect(readKit(text).chainId).toBe(31337);
  for (const bad of ["{}", "[]", "null", "x", text.replace("chartseal-root/1", "chartseal-root/2"), text.replace(/"root":"0x../, '"root":"0x'), text.replace("{", '{"more":1,')]) {
    expect(() => readKit(bad), bad).toThrow("not a recovery kit");
  }
});

test("a passphrase has five groups of letters that are not easily mistaken", () => {
  const phrases = new Set(Array.from({ length: 200 }, newPassphrase));
  expect(phrases.size).toBe(200);
  for (const phrase of phrases) expect(phrase).toMatch(/^([a-km-np-z2-9]{5}-){4}[a-km-np-z2-9]{6}$/);
});
