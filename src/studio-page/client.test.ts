import { expect, test } from "vitest";
import { upload } from "./client.ts";

test("a file that is too large is not sent, and the person is told what to do", async () => {
  const file = { name: "all.jsonl", size: 5e9 } as File;
  const never = () => expect.fail("It was sent.");
  await expect(upload(file, 1e9, never)).rejects.toThrow(
    "all.jsonl has 5.00 GB, and the studio takes 1.00 GB at most; move it into a folder of the studio's, and choose it there.",
  );
});
