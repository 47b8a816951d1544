/** @file `slimtune federate`: one model tuned on data that stay with their owners. */

import type { Command } from "commander";
import { addJoin } from "./join.ts";
import { addLeave } from "./leave.ts";
import { addServer } from "./server.ts";
import { addSimulate } from "./simulate.ts";
import { addStatus } from "./status.ts";
import { addStep } from "./step.ts";

export function addFederateCommands(program: Command): void {
  const federate = program
    .command("federate")
    .description("Tune one model on data that stay with their owners: adapters are sent, and averaged.");
  addSimulate(federate);
  addServer(federate);
  addJoin(federate);
  addStatus(federate);
  addLeave(federate);
  addStep(federate);
  // Each needs what the program's commands have.
  for (const command of federate.commands)
    command.option("--verbose", "show stack traces of errors").exitOverride();
}
