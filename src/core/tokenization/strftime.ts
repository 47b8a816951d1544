/** @file Times as Python's `strftime` writes them, in English, for chat templates that print the date. */

const months = "January February March April May June July August September October November December".split(
  " ",
);
const weekdays = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");

const directives: Readonly<Record<string, (time: Date) => string>> = {
  Y: (time) => String(time.getFullYear()),
  y: (time) => pad(time.getFullYear() % 100),
  m: (time) => pad(time.getMonth() + 1),
  B: (time) => months[time.getMonth()]!,
  b: (time) => months[time.getMonth()]!.slice(0, 3),
  d: (time) => pad(time.getDate()),
  j: (time) => pad(dayOfYear(time), 3),
  A: (time) => weekdays[time.getDay()]!,
  a: (time) => weekdays[time.getDay()]!.slice(0, 3),
  H: (time) => pad(time.getHours()),
  I: (time) => pad(time.getHours() % 12 || 12),
  p: (time) => (time.getHours() < 12 ? "AM" : "PM"),
  M: (time) => pad(time.getMinutes()),
  S: (time) => pad(time.getSeconds()),
  "%": () => "%",
};

/**
 * `time` in local time, formatted by Python's directives (those of dates and clock times); `%-d` drops leading zeros.
 * Other directives are left as they are.
 */
export function formatTime(time: Date, format: string): string {
  return format.replace(/%(-?)([A-Za-z%])/g, (directive, unpadded: string, letter: string) => {
    const written = directives[letter]?.(time) ?? directive;
    return unpadded ? written.replace(/^0+(?=\d)/, "") : written;
  });
}

/** The day of `time` in local time, such as "2025-01-31". */
export function isoDay(time: Date): string {
  return formatTime(time, "%Y-%m-%d");
}

function pad(value: number, width = 2): string {
  return String(value).padStart(width, "0");
}

/** 1 on the first of January. */
function dayOfYear(time: Date): number {
  const date = Date.UTC(time.getFullYear(), time.getMonth(), time.getDate());
  return (date - Date.UTC(time.getFullYear(), 0, 0)) / 86_400_000;
}
