/** One value that outlives the tab, in IndexedDB. */

const name = "slimtune-example";

const settle = <T>(request: IDBRequest<T>) =>
  new Promise<T>((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

async function values(mode: IDBTransactionMode): Promise<IDBObjectStore> {
  const request = indexedDB.open(name);
  request.onupgradeneeded = () => request.result.createObjectStore(name);
  return (await settle(request)).transaction(name, mode).objectStore(name);
}

export const remember = async (value: unknown) => settle((await values("readwrite")).put(value, name));
export const recall = async <T>() => settle<T | undefined>((await values("readonly")).get(name));
export const forget = async () => settle((await values("readwrite")).delete(name));
