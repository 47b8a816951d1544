/** @file The view "Talk". */

export function Talk() {
  return <h1>Talk</h1>;
}
