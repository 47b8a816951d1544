/** @file Workers share the cores, so models of the default tests compute on one thread, in processes that tests start too. */

import process from "node:process";

const code = `
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";
os.availableParallelism = () => 1;
syncBuiltinESMExports();`;
const oneThread = `data:text/javascript,${encodeURIComponent(code)}`;

await import(oneThread);
process.env.NODE_OPTIONS = `--import=${oneThread}`;
