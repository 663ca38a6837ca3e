// What the phone keeps: its device key, the jobs as last seen, delivery keys for their window, what waits to be sent.
const NAME = "trunkline-courier";
const VERSION = 1;
let opened = null;

function database() {
  opened ??= new Promise((done, failed) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      const made = request.result;
      made.createObjectStore("device");
      made.createObjectStore("jobs");
      made.createObjectStore("keys");
      made.createObjectStore("outbox", { keyPath: "n", autoIncrement: true });
    };
    request.onsuccess = () => {
      // Another tab with a newer page may want to change the database: let it.
      request.result.onversionchange = () => {
        request.result.close();
        opened = null;
      };
      done(request.result);
    };
    request.onerror = () => failed(request.error);
  });
  return opened;
}

async function run(name, mode, work) {
  const base = await database();
  return new Promise((done, failed) => {
    const transaction = base.transaction(name, mode);
    const request = work(transaction.objectStore(name));
    transaction.oncomplete = () => done(request.result);
    transaction.onerror = transaction.onabort = () => failed(transaction.error);
  });
}

/** One value, or undefined. */
export const get = (store, key) => run(store, "readonly", (there) => there.get(key));

/** All values, in the order of their keys. */
export const all = (store) => run(store, "readonly", (there) => there.getAll());

/** Keep a value; the outbox numbers its own. Resolves once it is on the disk. */
export const put = (store, value, key) => run(store, "readwrite", (there) => there.put(value, key));

/** Forget a value. */
export const drop = (store, key) => run(store, "readwrite", (there) => there.delete(key));

/** Forget everything of a store. */
export const clear = (store) => run(store, "readwrite", (there) => there.clear());
