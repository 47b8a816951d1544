/** @file A server's side of a split behind bytes: what passes to and from it is encoded, counted and decoded, as over a connection. */

import { deserialize, serialize } from "node:v8";
import type { ByteCount } from "../../transport/transport.ts";
import type { CutBatch, PlainServer, ServerHalf, UShapedServer } from "./split-learning.ts";

/** What has passed since the count began. */
export interface CutTraffic extends ByteCount {
  /** Positions of training, padding included. */
  readonly positions: number;
  /** Labels of training that were sent. */
  readonly labels: number;
}

export interface CountedServer extends Pick<ServerHalf, "plain" | "uShaped"> {
  /** As its client sees it. */
  traffic(): CutTraffic;
}

/** A server whose client has nothing of it but what passes as bytes. */
export function countServer({ plain, uShaped }: Pick<ServerHalf, "plain" | "uShaped">): CountedServer {
  let [sent, received, positions, labels] = [0, 0, 0, 0];
  const send = <T>(message: T): T => {
    const bytes = serialize(message);
    sent += bytes.length;
    return deserialize(bytes);
  };
  const receive = <T>(message: T): T => {
    const bytes = serialize(message);
    received += bytes.length;
    return deserialize(bytes);
  };
  const countPositions = ({ layout }: CutBatch) => {
    positions += layout.rows * layout.length;
  };
  const countedPlain: PlainServer = {
    async accumulate(batch, given) {
      countPositions(batch);
      labels += given.labels.length;
      return receive(await plain.accumulate(send(batch), send(given)));
    },
    score: async (batch, given) => receive(await plain.score(send(batch), send(given))),
  };
  const countedUShaped: UShapedServer = {
    forward: async (batch) => receive(await uShaped.forward(send(batch))),
    async accumulate(batch, above) {
      countPositions(batch);
      const ask = async (state: Parameters<typeof above>[0]) => send(await above(receive(state)));
      return receive(await uShaped.accumulate(send(batch), ask));
    },
  };
  return {
    plain: countedPlain,
    uShaped: countedUShaped,
    traffic: () => ({ sent, received, positions, labels }),
  };
}
