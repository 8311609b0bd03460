import { expect, test } from "vitest";
import { own, Problem } from "../src/api/gateway";
import { message } from "../src/wallet/sign-in";
import { inWords } from "../src/words/problems";

const HERE = "https://records.example";

test("the token goes to this origin only", () => {
  expect(own("https://records.example/fhir/R4/Binary/b?x=1", HERE)).toBe("/fhir/R4/Binary/b?x=1");
  for (const url of ["https://evil.example/", "//evil.example/", "http://records.example/", "https://records.example:8443/", "data:,x", "javascript:alert(1)"]) {
    expect(() => own(url, HERE), url).toThrow(Problem);
  }
});

test("the wallet is shown a text of EIP-4361", () => {
  const text = message("http://127.0.0.1:8080", "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266", 31337, "abcdef01", new Date("2027-01-15T07:59:00.123Z"));
  expect(text).toBe(
    "127.0.0.1:8080 wants you to sign in with your Ethereum account:\n0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266\n\nSign in to Chartseal.\n\nURI: http://127.0.0.1:8080\nVersion: 1\nChain ID: 31337\nNonce: abcdef01\nIssued At: 2027-01-15T07:59:00Z",
  );
});

test("a refusal is a sentence, whatever it was", () => {
  expect(inWords(new Problem(409, "already-registered", "x"))).toContain("registered already");
  expect(inWords(new Problem(422, "invalid", "until lies in the past"))).toBe("Until lies in the past.");
  expect(inWords({ code: 4001, message: "User rejected" })).toContain("Nothing was signed");
  expect(inWords(undefined)).toBe("Something went wrong. Try again.");
});
