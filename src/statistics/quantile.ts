/** @file Quantiles of a sample. */

/**
 * The value that a share of a sample lies below, on straight lines between the values (Hyndman and Fan 1996, definition 7, which is
 * NumPy's default).
 *
 * @param ascending the sample, sorted; not empty
 * @param share from 0 to 1
 */
export function quantile(ascending: ArrayLike<number>, share: number): number {
  const place = share * (ascending.length - 1);
  const below = ascending[Math.floor(place)]!;
  const above = ascending[Math.ceil(place)]!;
  return below + (above - below) * (place - Math.floor(place));
}
