/**
 * @file Loaded by a job's process before its command: when the line to the studio is cut, on purpose or because the studio was ended, the
 * command ends as by Ctrl-C, a tuning run with a checkpoint.
 */

import process from "node:process";

if (!process.connected) process.exit(130);
process.once("disconnect", () => {
  // Nobody reads any more, which must not keep the checkpoint from being written.
  process.stderr.on("error", () => {});
  if (!process.emit("SIGINT")) process.exit(130);
});
process.channel?.unref();
