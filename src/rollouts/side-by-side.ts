/** @file Many tasks of which some are under way at a time. */

/**
 * Does tasks in their order. When one fails no other is begun, and its error is thrown once those under way are done.
 *
 * @param atATime tasks that are under way
 */
export async function doSideBySide(
  count: number,
  atATime: number,
  task: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const work = async () => {
    try {
      while (next < count) await task(next++);
    } catch (error) {
      next = count;
      throw error;
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: atATime }, work));
  for (const end of ended) if (end.status === "rejected") throw end.reason;
}
