import { expect, test } from "vitest";
import { createSharedClock } from "./meter.ts";

test("time is shared by those who are there, and all of it is given to somebody", () => {
  let time = 0;
  const clock = createSharedClock(() => time);
  const leaveFirst = clock.enter();
  time = 2;
  const leaveSecond = clock.enter();
  time = 6;
  const first = leaveFirst();
  time = 7;
  const second = leaveSecond();
  expect([first, second]).toEqual([4, 3]);
  time = 20;
  const leave = clock.enter();
  time = 21;
  expect(leave()).toBe(1);
});
