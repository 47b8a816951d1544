/** @file The view "Reports". */

export function Reports() {
  return <h1>Reports</h1>;
}
