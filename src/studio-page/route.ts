/** @file Which view is shown, as the address after "#" says: "#/run/ID", "#/runs?choose=A,B". */

import { computed, signal } from "@preact/signals";

export interface Route {
  /** Such as "run"; "start" if the address names none. */
  readonly view: string;
  /** What follows the view, such as a run's id. */
  readonly id: string;
  readonly query: URLSearchParams;
}

/** Reads what stands after the address's "#". */
export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#?\/?/, "").split("?");
  const [view = "", id = ""] = path.split("/");
  return { view: view || "start", id, query: new URLSearchParams(query) };
}

const hash = signal(globalThis.location?.hash ?? "");
globalThis.addEventListener?.("hashchange", () => {
  hash.value = location.hash;
});

export const route = computed(() => parseRoute(hash.value));

/** Shows another view, as a link to it does. */
export function goTo(address: string): void {
  location.hash = address;
}
