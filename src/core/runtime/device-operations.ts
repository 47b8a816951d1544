/** @file What is done with tensors that a device holds, between programs of a model. */

import { add } from "../graph/operators/elementwise.ts";
import { flattenRows } from "../graph/operators/matmul.ts";
import { addAt, gather, zerosLike } from "../graph/operators/movement.ts";
import { type Dim, input, type Tensor } from "../graph/tensor.ts";
import {
  type AnyTensor,
  type Device,
  type DeviceOperations,
  type DeviceTensor,
  int64,
  type Program,
} from "./device.ts";

/** Its programs are compiled when first needed, and stay as long as the device. */
export function createDeviceOperations(
  compileKeeping: NonNullable<Device["compileKeeping"]>,
): DeviceOperations {
  const programs = new Map<string, Promise<Program<AnyTensor>>>();
  const run = async (key: string, build: () => Tensor, feeds: Record<string, AnyTensor>) => {
    const program = programs.get(key) ?? compileKeeping({ result: build() }, () => true);
    programs.set(key, program);
    return (await (await program).run(feeds)).result as DeviceTensor;
  };
  const hidden = (name: string, width: Dim = "H") => input(name, "float32", ["B", "S", width]);
  return {
    upload: (x) => run(`upload ${x.dtype}`, () => input("x", x.dtype, ["N"]), { x }),
    async add(a, b) {
      const operand = (name: string) => input(name, "float32", ["N"]);
      const sum = await run("add", () => add(operand("a"), operand("b")), { a, b });
      a.dispose();
      b.dispose();
      return sum;
    },
    rowsAt: (x, positions) =>
      run(
        `rows ${x.dims[2]}`,
        () => gather(flattenRows(hidden("x", x.dims[2]!)), input("positions", "int64", ["N"])),
        {
          x,
          positions: int64(positions, [positions.length]),
        },
      ),
    async addRows(sum, like, positions, rows) {
      const length = like.dims[1]!;
      const places = Int32Array.from({ length: 2 * positions.length }, (_, i) => {
        const position = positions[i >> 1]!;
        return i % 2 === 0 ? Math.floor(position / length) : position % length;
      });
      const result = await run(
        `add rows ${sum !== undefined}`,
        () => {
          const before = sum ? hidden("before") : zerosLike(hidden("before"));
          return addAt(before, input("places", "int64", ["N", 2]), input("rows", "float32", ["N", "H"]));
        },
        { before: sum ?? like, places: int64(places, [positions.length, 2]), rows },
      );
      sum?.dispose();
      rows.dispose();
      return result;
    },
  };
}
