import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    pool: "forks",
    // By default a core is left free, which of two is half the machine. One more than there are cores computes while others wait for
    // processes, leases and sockets.
    maxWorkers: availableParallelism() + 1,
    setupFiles: ["./vitest.setup.ts"],
    projects: [
      {
        extends: true,
        test: {
          name: "default",
          include: ["{src,examples}/**/*.test.ts"],
          setupFiles: ["./vitest.one-thread.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      { extends: true, test: { name: "real", include: ["src/**/*.real.ts"], testTimeout: 3_600_000 } },
    ],
  },
});
