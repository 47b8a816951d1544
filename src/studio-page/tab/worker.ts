/** @file The worker's script: it tunes and writes. */

import { hostWorker } from "../../web/worker-host.ts";

hostWorker();
