import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  noUsage,
  type Reading,
  type ResourceUsage,
  resourceUsageSchema,
  watchResources,
} from "./resource-watch.ts";

// Models of these tests compute on one thread, but the process has all cores.
vi.mock("node:os", async (importOriginal) => {
  const os = await importOriginal<typeof import("node:os")>();
  return { ...os, availableParallelism: () => os.cpus().length };
});

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const start: Reading = {
  seconds: 100,
  memoryBytes: 1000,
  highestMemoryBytes: 5000,
  cpuSeconds: 7,
  cores: 4,
  energyJoules: 20,
};

/** A process whose state the test sets. */
function fakeProcess() {
  let reading = start;
  return {
    read: () => reading,
    change(changes: Partial<Reading>) {
      reading = { ...reading, ...changes };
    },
  };
}

test("averages are weighted by time, however irregular the readings are", () => {
  const { read, change } = fakeProcess();
  const watch = watchResources(noUsage, read);
  change({ seconds: 101, memoryBytes: 3000, cpuSeconds: 8, energyJoules: 50 });
  vi.advanceTimersByTime(1000);
  // The event loop was busy for nine seconds.
  change({ seconds: 110, memoryBytes: 3000, cpuSeconds: 44, energyJoules: 140 });
  vi.advanceTimersByTime(1000);
  change({ seconds: 112, memoryBytes: 1000, cpuSeconds: 45 });
  expect(watch.usage()).toEqual({
    seconds: 12,
    memory_byte_seconds: 2000 * 1 + 3000 * 9 + 2000 * 2,
    peak_memory_bytes: 3000,
    cpu_seconds: 38,
    core_seconds: 48,
    energy_joules: 120,
  });
  watch.stop();
});

test("it is read once a second until it is stopped, and keeps no process alive", () => {
  const read = vi.fn(() => start);
  const timers = vi.spyOn(globalThis, "setInterval");
  const watch = watchResources(noUsage, read);
  vi.advanceTimersByTime(3000);
  expect(read).toHaveBeenCalledTimes(4);
  expect((timers.mock.results[0]!.value as NodeJS.Timeout).hasRef()).toBe(false);
  watch.stop();
  vi.advanceTimersByTime(3000);
  expect(read).toHaveBeenCalledTimes(4);
});

test("a peak between two readings counts if the process never had more before", () => {
  const { read, change } = fakeProcess();
  const watch = watchResources(noUsage, read);
  change({ seconds: 101 });
  // The 5,000 bytes were before the watch began.
  expect(watch.usage().peak_memory_bytes).toBe(1000);
  change({ seconds: 102, highestMemoryBytes: 6000 });
  expect(watch.usage().peak_memory_bytes).toBe(6000);
});

test("energy is null as soon as some of it could not be read, and stays so", () => {
  const { read, change } = fakeProcess();
  const watch = watchResources(noUsage, read);
  change({ seconds: 101, energyJoules: null });
  expect(watch.usage().energy_joules).toBeNull();
  change({ seconds: 102, energyJoules: 30 });
  change({ seconds: 103, energyJoules: 40 });
  expect(watch.usage().energy_joules).toBeNull();
  expect(watchResources(watch.usage(), read).usage().energy_joules).toBeNull();
});

test("a watch goes on with the sums of one before, as a file keeps them, exactly", () => {
  const at = (second: number): Partial<Reading> => ({
    seconds: 100 + second,
    memoryBytes: 1000 + 17 * ((second * 7) % 13),
    cpuSeconds: 7 + 0.3 * second,
    energyJoules: 20 + 1.1 * second,
  });
  const whole = fakeProcess();
  const uninterrupted = watchResources(noUsage, whole.read);
  const parts = fakeProcess();
  let kept: ResourceUsage = noUsage;
  let watch = watchResources(kept, parts.read);
  for (let second = 1; second <= 10_000; second++) {
    whole.change(at(second));
    uninterrupted.usage();
    parts.change(at(second));
    kept = watch.usage();
    if (second % 1000 !== 0) continue;
    watch.stop();
    watch = watchResources(resourceUsageSchema.parse(JSON.parse(JSON.stringify(kept))), parts.read);
  }
  expect(kept).toEqual(uninterrupted.usage());
  expect(kept.seconds).toBe(10_000);
});

test("this process uses memory and time, and never more cores than there are", async () => {
  vi.useRealTimers();
  const watch = watchResources();
  const end = performance.now() + 50;
  while (performance.now() < end);
  const usage = watch.usage();
  watch.stop();
  expect(usage.seconds).toBeGreaterThan(0.049);
  expect(usage.memory_byte_seconds / usage.seconds).toBeGreaterThan(10e6);
  expect(usage.peak_memory_bytes).toBeGreaterThanOrEqual(usage.memory_byte_seconds / usage.seconds);
  expect(usage.cpu_seconds).toBeGreaterThan(0);
  expect(usage.cpu_seconds).toBeLessThan(1.1 * usage.core_seconds);
});
