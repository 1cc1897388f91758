// Data files in pairs: NAME.bin with the numbers, and NAME.json that describes them.

/** A file is missing or damaged; the message says which, and how. */
export class DataError extends Error {}

/**
 * The manifest NAME.json and the content NAME.bin of a pair of data files.
 *
 * folder: the address of the folder that holds them, ending in "/".
 */
export async function load(folder, name) {
  const responses = await Promise.all(
    [`${name}.json`, `${name}.bin`].map(async (file) => {
      const response = await fetch(new URL(file, folder)).catch(() => null);
      if (!response) throw new DataError(`${file} could not be reached`);
      if (!response.ok)
        throw new DataError(`${file} is missing (the server says ${response.status})`);
      return response;
    }),
  );
  try {
    return [await responses[0].json(), await responses[1].arrayBuffer()];
  } catch {
    throw new DataError(`${name}.json or ${name}.bin is damaged or incomplete`);
  }
}

/** The digits of digits.bin: [{index, label, prediction, pixels}], pixels (784) in [0, 1]. */
export function readDigits(manifest, buffer) {
  checkContent(manifest, buffer);
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

