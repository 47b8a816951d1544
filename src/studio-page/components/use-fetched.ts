/** @file What a view asks the server for, fetched when it is shown and anew when its question changes. */

import { type ReadonlySignal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { generation } from "../state/live.ts";

export interface Fetched<T> {
  /** The last answer, which stays while a new one is on its way. */
  readonly value?: T;
  /** Why there is none, in a sentence. */
  readonly problem?: string;
  readonly isLoading: boolean;
}

/**
 * Asks when the view is shown, when one of `of` has changed, and when the server is back.
 *
 * @param fetchValue an answer that comes after a later question is thrown away
 */
export function useFetched<T>(
  fetchValue: () => Promise<T>,
  of: readonly unknown[] = [],
): ReadonlySignal<Fetched<T>> {
  const fetched = useSignal<Fetched<T>>({ isLoading: true });
  useEffect(() => {
    let isCurrent = true;
    const { value } = fetched.peek();
    fetched.value = { ...(value !== undefined && { value }), isLoading: true };
    fetchValue().then(
      (value) => {
        if (isCurrent) fetched.value = { value, isLoading: false };
      },
      (error: Error) => {
        if (isCurrent) fetched.value = { problem: error.message, isLoading: false };
      },
    );
    return () => {
      isCurrent = false;
    };
  }, [...of, generation.value]);
  return fetched;
}
