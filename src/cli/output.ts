/** @file What commands print: to people on a terminal, to programs as JSON. */

import process, { stderr, stdout } from "node:process";
import { showControls } from "../core/control-characters.ts";

export interface Printing {
  /** Whether the text has colours, which are kept; {@link showControls} of names and data in it is the caller's. Default false. */
  readonly coloured?: boolean;
}

/** Writes {@link showControls} of a text to standard output. */
export function print(text: string, printing: Printing = {}): void {
  stdout.write(show(text, printing));
}

/** Writes {@link showControls} of a line to standard error. */
export function note(text: string, printing: Printing = {}): void {
  stderr.write(`${show(text, printing)}\n`);
}

const colour = new RegExp(`(${String.fromCharCode(27)}\\[\\d+m)`);

function show(text: string, { coloured = false }: Printing): string {
  if (!coloured) return showControls(text);
  return text
    .split(colour)
    .map((part, i) => (i % 2 === 0 ? showControls(part) : part))
    .join("");
}

/** What a model writes: as it is for programs, with {@link showControls} on a terminal. */
export function asWritten(stream: { readonly isTTY?: boolean }, text: string): string {
  return stream.isTTY ? showControls(text) : text;
}

/** Writes what a model writes to standard output. */
export function printAnswer(text: string): void {
  stdout.write(asWritten(stdout, text));
}

/** A status line on standard error that is rewritten in place on a terminal, and printed now and then elsewhere. */
export interface StatusLine {
  update(text: string): void;
  /** Ends the line, so that what follows begins a new one. */
  done(): void;
}

/** Milliseconds between two lines where the output is no terminal. */
const plainInterval = 15_000;

export function createStatusLine(): StatusLine {
  let lastPrinted = 0;
  let open = false;
  return {
    update(line) {
      const text = showControls(line);
      if (stderr.isTTY) {
        const width = stderr.columns ?? 80;
        stderr.write(`\r\x1b[K${text.length < width ? text : `${text.slice(0, width - 2)}…`}`);
        open = true;
      } else if (Date.now() - lastPrinted >= plainInterval) {
        stderr.write(`${text}\n`);
        lastPrinted = Date.now();
      }
    },
    done() {
      if (open) stderr.write("\n");
      open = false;
    },
  };
}

/** A number of bytes in the unit that suits it, such as "1.4 GB". */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${value >= 100 || power === 0 ? value.toFixed(0) : value.toPrecision(2)} ${units[power]}`;
}

/** Seconds as "2 h 05 min", "3 min 20 s" or "12 s". */
export function formatDuration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const pad = (value: number) => String(value).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} min`;
}

/**
 * Runs work that keeps each of its results at once: Ctrl-C ends the process without waiting for it.
 *
 * @param hint what is said then, such as where the results are
 * @param interrupt if given, it is aborted by the first Ctrl-C, so that others are told before the work fails and the process ends
 */
export async function withStatusLine<T>(
  hint: () => string,
  run: (status: StatusLine) => Promise<T>,
  interrupt?: AbortController,
): Promise<T> {
  const status = createStatusLine();
  const stop = () => {
    status.done();
    note(`Stopped: ${hint()}.`);
    process.exit(130);
  };
  const onSignal = () => {
    if (!interrupt || interrupt.signal.aborted) return stop();
    status.done();
    note("Stopping (press Ctrl-C again to stop at once).");
    interrupt.abort();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  try {
    return await run(status);
  } catch (error) {
    if (interrupt?.signal.aborted) stop();
    throw error;
  } finally {
    status.done();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

/** What is said while a model is asked. */
export interface AskingLine {
  update(text: string): void;
  /** Says what is to be done. From here on time is counted, and answers are kept. */
  begin(plan: string): void;
  /** Seconds since then. */
  seconds(): number;
}

/**
 * Runs work that keeps every answer at once, with {@link withStatusLine}.
 *
 * @param answers what is kept, such as "texts"
 */
export async function whileAsking<T>(
  folder: string,
  answers: string,
  run: (line: AskingLine) => Promise<T>,
): Promise<T> {
  let hint = `there are no ${answers} yet`;
  let started = performance.now();
  return withStatusLine(
    () => hint,
    (status) =>
      run({
        update: (text) => status.update(text),
        begin(plan) {
          hint = `the ${answers} so far are in ${folder}; give the same command again to go on`;
          started = performance.now();
          status.done();
          note(plan);
        },
        seconds: () => (performance.now() - started) / 1000,
      }),
  );
}
