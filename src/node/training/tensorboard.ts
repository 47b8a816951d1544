/** @file TensorBoard event files: records of TFRecord's framing, each an Event message of tensorflow's event.proto. */

import { hostname } from "node:os";
import { join } from "node:path";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { openAppendLog } from "../files/append-log.ts";
import { makeFolder } from "../files/write.ts";

export interface EventLog {
  /** Adds one value of each named series at `step`. */
  append(step: number, values: Readonly<Record<string, number>>): void;
  close(): void;
}

/** Opens a new event file in `folder`; TensorBoard joins those of a run that was resumed. */
export function openEventLog(folder: string): EventLog {
  makeFolder(folder);
  const seconds = Math.floor(Date.now() / 1000);
  const log = openAppendLog(join(folder, `events.out.tfevents.${seconds}.${hostname()}.${process.pid}`));
  const write = (encode: (event: BinaryWriter) => void) => {
    const event = new BinaryWriter().tag(1, WireType.Bit64).double(Date.now() / 1000);
    encode(event);
    log.append(frameRecord(event.finish()));
  };
  write((event) => event.tag(3, WireType.LengthDelimited).string("brain.Event:2"));
  return {
    append(step, values) {
      write((event) => {
        event.tag(2, WireType.Varint).int64(step);
        event.tag(5, WireType.LengthDelimited).fork();
        for (const [name, value] of Object.entries(values)) {
          event.tag(1, WireType.LengthDelimited).fork();
          event.tag(1, WireType.LengthDelimited).string(name);
          event.tag(2, WireType.Bit32).float(value);
          event.join();
        }
        event.join();
      });
    },
    close: log.close,
  };
}

/** Length, its masked checksum, the data and theirs. */
function frameRecord(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(data.length + 16);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc32c(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc32c(data), true);
  return record;
}

function maskedCrc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = (crc >>> 8) ^ crc32cTable[(crc ^ byte) & 255]!;
  crc = ~crc;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** CRC-32C of each byte (Castagnoli's polynomial, reflected). */
const crc32cTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});
