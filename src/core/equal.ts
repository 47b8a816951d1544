/** @file Whether two values of JSON are the same. */

/** Whether two values, with all that is in them, are equal; the order of an object's keys is not looked at. */
export function areEqual(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return Object.is(a, b);
  if (Array.isArray(a) || Array.isArray(b))
    return (
      Array.isArray(a) &&
      Array.isArray(b) &&
      a.length === b.length &&
      a.every((element, i) => areEqual(element, b[i]))
    );
  const others = new Map(Object.entries(b));
  const entries = Object.entries(a);
  return (
    entries.length === others.size &&
    entries.every(([key, value]) => others.has(key) && areEqual(value, others.get(key)))
  );
}
