import fc from "fast-check";

// Property tests draw the same cases in every run; SLIMTUNE_SEED=<n> draws others.
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(process.env.SLIMTUNE_SEED ?? 2026) });
