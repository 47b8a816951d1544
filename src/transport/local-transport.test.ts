import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openLocalTransport } from "./local-transport.ts";
import { describeTransport } from "./transport-contract.fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "slimtune-transport-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("a folder", () => {
  describeTransport(async () => openLocalTransport(folder));

  test("that is damaged is refused in a sentence", async () => {
    const transport = openLocalTransport(folder);
    await transport.createSpace("damaged");
    await transport.createQueue("damaged", { leaseMs: 1000 });
    const hash = await transport.putBlob("damaged", new Uint8Array(5));
    writeFileSync(join(folder, "spaces/damaged/blobs", hash), "other");
    await expect(transport.getBlob("damaged", hash, 5)).rejects.toThrow(
      `The blob ${hash} of damaged was damaged: its content has another hash; have it sent again.`,
    );
    const damage = async (text: string) => {
      writeFileSync(join(folder, "spaces/damaged/documents/a.json"), text);
      await transport.readDocument("damaged", "a");
    };
    await expect(damage("{}")).rejects.toThrow(
      "is no document: it does not begin with its revision; remove it.",
    );
    await expect(damage("1\n{")).rejects.toThrow(
      'The document "a" of damaged is not valid JSON; have it written again.',
    );
    await expect(damage(`1\n${"[".repeat(200)}${"]".repeat(200)}`)).rejects.toThrow("nests more than 100");
    await expect(damage("x".repeat(600_000))).rejects.toThrow("at most");
    await transport.publish("damaged", "a", new Uint8Array(1));
    writeFileSync(join(folder, "queues/damaged/items/a.json"), '{"order":0}');
    await expect(transport.claim("damaged", { waitMs: 0 })).rejects.toThrow("a.json");
  });
});
