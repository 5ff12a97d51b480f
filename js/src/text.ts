// The text coders of wasm-bindgen's glue, which would make them as it is loaded: where they are
// missing (Jest's jsdom, SES), the import itself would fail. These are made at their first use, and do
// without the platform's. The build puts them in for its globals.

/** @internal */
class LazyDecoder {
  #decode: ((bytes: Uint8Array) => string) | undefined;

  decode(bytes?: Uint8Array): string {
    // The glue calls it once without any, for the sake of an old Safari.
    return bytes ? (this.#decode ??= findDecoder())(bytes) : '';
  }
}

/** @internal */
class LazyEncoder {
  #encode: ((text: string) => Uint8Array) | undefined;

  encode(text: string): Uint8Array {
    return (this.#encode ??= findEncoder())(text);
  }

  encodeInto(text: string, into: Uint8Array): { read: number; written: number } {
    const bytes = this.encode(text);
    into.set(bytes);
    return { read: text.length, written: bytes.length };
  }
}

/** @internal */
export { LazyDecoder as TextDecoder, LazyEncoder as TextEncoder };

const sample = { text: 'aä€😀', bytes: [97, 195, 164, 226, 130, 172, 240, 159, 152, 128] };

function findDecoder(): typeof decodeByUri {
  try {
    const decoder = new globalThis.TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
    if (decoder.decode(new Uint8Array(sample.bytes)) === sample.text) return (bytes) => decoder.decode(bytes);
  } catch {}
  return decodeByUri;
}

function findEncoder(): typeof encodeByUri {
  try {
    const encoder = new globalThis.TextEncoder();
    if (`${encoder.encode(sample.text)}` === `${sample.bytes}`) return (text) => encoder.encode(text);
  } catch {}
  return encodeByUri;
}

/** The language itself knows UTF-8 in addresses. */
function decodeByUri(bytes: Uint8Array): string {
  return decodeURIComponent(Array.from(bytes, (byte) => `%${(byte + 256).toString(16).slice(1)}`).join(''));
}

function encodeByUri(text: string): Uint8Array {
  // Half a surrogate pair has no encoding; TextEncoder replaces it, too.
  const wellFormed = text.replace(/\p{Surrogate}/gu, '\ufffd');
  const bytes = encodeURIComponent(wellFormed).matchAll(/%(..)|./g);
  return Uint8Array.from(bytes, ([letter, hex]) => (hex ? parseInt(hex, 16) : letter.charCodeAt(0)));
}
