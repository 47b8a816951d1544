/** @file What outlives the tab, by name, in IndexedDB. */

const database = "slimtune-studio-tab";

const settle = <T>(request: IDBRequest<T>) =>
  new Promise<T>((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

async function begin(mode: IDBTransactionMode): Promise<IDBTransaction> {
  const request = indexedDB.open(database);
  request.onupgradeneeded = () => request.result.createObjectStore(database);
  return (await settle(request)).transaction(database, mode);
}

/** What was kept under this name; undefined if nothing was. */
export async function recall<T>(name: string): Promise<T | undefined> {
  return settle<T | undefined>((await begin("readonly")).objectStore(database).get(name));
}

/** Keeps a value; it is kept when the promise is fulfilled. @throws DOMException if the browser gives no room. */
export async function keep(name: string, value: unknown): Promise<void> {
  return change((values) => values.put(value, name));
}

/** Forgets all that was kept. */
export async function forget(): Promise<void> {
  return change((values) => values.clear());
}

async function change(make: (values: IDBObjectStore) => void): Promise<void> {
  const transaction = await begin("readwrite");
  make(transaction.objectStore(database));
  await new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}
