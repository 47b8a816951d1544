/** @file What a command prints in a test. */

import { beforeEach, vi } from "vitest";

/** What the command printed since the test began: on standard output, and on standard error. */
export let out = "";
export let err = "";

export function clearOut(): void {
  out = "";
}

export function clearErr(): void {
  err = "";
}

/** Keeps in each test of the file what is printed, in place of printing it. */
export function captureOutput(): void {
  beforeEach(() => {
    clearOut();
    clearErr();
    vi.spyOn(process.stdout, "write").mockImplementation((text) => {
      out += text;
      return true;
    });
    vi.spyOn(process.stderr, "write").mockImplementation((text) => {
      err += text;
      return true;
    });
    vi.spyOn(console, "error").mockImplementation((text) => {
      err += `${text}\n`;
    });
  });
}
