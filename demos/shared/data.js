// Data files in pairs: NAME.bin with the numbers, and NAME.json that describes them.

/** A file is missing or damaged; the message says which, and how. */
export class DataError extends Error {}

const PATIENCE = 30; // seconds without a byte after which a download is given up

/**
 * The manifest NAME.json and the content NAME.bin of a pair of data files.
 *
 * folder: the address of the folder that holds them, ending in "/"; progress(bytes, of): called as
 * the content arrives; `of` is what the manifest says, or undefined while that is not there yet;
 * file: where the content has another name, and size: the entry of the manifest with its length.
 */
export async function load(
  folder,
  name,
  progress = () => {},
  { file = `${name}.bin`, size = "bytes" } = {},
) {
  let manifest;
  const damaged = () => new DataError(`${name}.json or ${file} is damaged or incomplete`);
  const described = async () => {
    const response = await reach(new URL(`${name}.json`, folder), `${name}.json`);
    manifest = await response.json().catch(() => Promise.reject(damaged()));
    if (!Number.isInteger(manifest?.bytes) || !Number.isInteger(manifest.crc32))
      throw new DataError(`${name}.json does not describe ${file}`);
  };
  const content = async () => {
    const stop = new AbortController();
    const response = await reach(new URL(file, folder), file, stop.signal);
    return collect(response, stop, (bytes) => progress(bytes, manifest?.[size])).catch(() => {
      if (!stop.signal.aborted) throw damaged();
      throw new DataError(`${file} stopped arriving for ${PATIENCE} seconds`);
    });
  };
  const [, buffer] = await Promise.all([described(), content()]);
  return [manifest, buffer];
}

async function reach(address, file, signal) {
  const response = await fetch(address, { signal }).catch(() => null);
  if (!response) throw new DataError(`${file} could not be reached`);
  if (!response.ok) throw new DataError(`${file} is missing (the server says ${response.status})`);
  return response;
}

/** The body of a response as an ArrayBuffer; arrived(bytes) is called with each part. */
async function collect(response, stop, arrived) {
  const reader = response.body.getReader();
  const parts = [];
  let bytes = 0;
  for (;;) {
    const patience = setTimeout(() => stop.abort(), 1000 * PATIENCE);
    const { done, value } = await reader.read().finally(() => clearTimeout(patience));
    if (done) break;
    parts.push(value);
    arrived((bytes += value.length));
  }
  return new Blob(parts).arrayBuffer();
}

/** The digits of digits.bin: [{index, label, prediction, pixels}], pixels (784) in [0, 1]. */
export function readDigits(manifest, buffer) {
  checkContent(manifest, buffer);
  if (!Array.isArray(manifest.digits)) throw new DataError("digits.json lists no digits");
  const bytes = new Uint8Array(buffer);
  return manifest.digits.map((digit, i) => ({
    ...digit,
    pixels: Float32Array.from(bytes.subarray(784 * i, 784 * (i + 1)), (byte) => byte / 255),
  }));
}

/** A DataError where the content has another length or checksum than its manifest says. */
export function checkContent(manifest, buffer) {
  if (buffer.byteLength !== manifest.bytes) {
    const problem = `has ${buffer.byteLength} bytes instead of ${manifest.bytes}`;
    throw new DataError(`${manifest.file} ${problem}`);
  }
  if (crc32(new Uint8Array(buffer)) !== manifest.crc32) {
    throw new DataError(`${manifest.file} is damaged: its checksum is wrong`);
  }
}

/** CRC-32 as in zlib. */
export function crc32(bytes) {
  const table = Uint32Array.from({ length: 256 }, (_, value) => {
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    return value;
  });
  let crc = ~0;
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ table[(crc ^ bytes[i]) & 255];
  return ~crc >>> 0;
}

