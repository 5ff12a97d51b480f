// A toy wallet in IndexedDB, shared by all tabs. It has no transaction over reading and writing the
// balance, as no wallet has one over reading, asking the network and writing.

/** What the wallet has when it is new. */
const START = 100_000;

export class NotEnough extends Error {
  override message = 'not enough money';
}

export interface Payment {
  amount: number;
  signature: ArrayBuffer;
}

/** What the books say, and what was really paid. */
export interface Statement {
  balance: number;
  paid: number;
  /** What was paid out and is still in the balance: money that was spent twice. */
  lost: number;
}

/** What a payment needs. */
export interface Wallet {
  balance(): Promise<number>;
  sign(amount: number): Promise<Payment>;
  /** Sends the payment, and writes what the caller thinks is left. */
  send(payment: Payment, balance: number): Promise<void>;
}

export class StoredWallet implements Wallet {
  readonly #database: IDBDatabase;

  private constructor(database: IDBDatabase) {
    this.#database = database;
  }

  static async open(): Promise<StoredWallet> {
    return new StoredWallet(await database());
  }

  async balance(): Promise<number> {
    const stores = this.#database.transaction('wallet');
    return done<number>(stores.objectStore('wallet').get('balance'));
  }

  /**
   * Signs a payment with a key that it first derives from the passphrase: real work outside this thread,
   * which takes some ten milliseconds. (A timer would do as well, but browsers slow those of hidden tabs.)
   */
  async sign(amount: number): Promise<Payment> {
    const text = new TextEncoder();
    const salt = crypto.getRandomValues(new Uint8Array(16));
    const passphrase = await crypto.subtle.importKey('raw', text.encode('toy'), 'PBKDF2', false, [
      'deriveKey',
    ]);
    const derivation = { name: 'PBKDF2', hash: 'SHA-256', salt, iterations: 100_000 };
    const key = await crypto.subtle.deriveKey(
      derivation,
      passphrase,
      { name: 'HMAC', hash: 'SHA-256' },
      false,
      ['sign'],
    );
    return { amount, signature: await crypto.subtle.sign('HMAC', key, text.encode(`pay ${amount}`)) };
  }

  async send(payment: Payment, balance: number): Promise<void> {
    const stores = this.#database.transaction(['wallet', 'payments'], 'readwrite');
    stores.objectStore('payments').add(payment);
    stores.objectStore('wallet').put(balance, 'balance');
    await committed(stores);
  }

  async statement(): Promise<Statement> {
    const stores = this.#database.transaction(['wallet', 'payments']);
    const [balance, payments] = await Promise.all([
      done<number>(stores.objectStore('wallet').get('balance')),
      done<Payment[]>(stores.objectStore('payments').getAll()),
    ]);
    const paid = payments.reduce((sum, { amount }) => sum + amount, 0);
    return { balance, paid, lost: balance + paid - START };
  }

  /** Starts again from the beginning. */
  async refill(): Promise<void> {
    const stores = this.#database.transaction(['wallet', 'payments'], 'readwrite');
    stores.objectStore('payments').clear();
    stores.objectStore('wallet').put(START, 'balance');
    await committed(stores);
  }
}

async function database(): Promise<IDBDatabase> {
  const request = indexedDB.open('crosslock-demo', 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore('payments', { autoIncrement: true });
    request.result.createObjectStore('wallet').put(START, 'balance');
  };
  const database = await done(request);
  database.onversionchange = () => database.close();
  return database;
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function committed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}
