/** @file The view "Jobs". */

export function Jobs() {
  return <h1>Jobs</h1>;
}
