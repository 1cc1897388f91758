// The digits to train with: packed with gzip, unpacked here, checked by their sum.

import { checkContent, DataError, load } from "../shared/data.js";

/** {train, validation, test}, each {images: [Float32Array (784) in [0, 1]], labels}. */
export async function readDigits(folder, progress) {
  if (typeof DecompressionStream === "undefined") {
    throw new DataError("this browser cannot unpack the digits (DecompressionStream is missing)");
  }
  const [manifest, packed] = await load(folder, "digits", progress, { file: "digits.bin.gz", size: "packed" });
  const content = await unpacked(packed);
  checkContent(manifest, content);
  return parts(manifest, new Uint8Array(content));
}

async function unpacked(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer().catch(() => {
    throw new DataError("digits.bin.gz is damaged or incomplete");
  });
}

/** The labels come first, one byte each, then the pixels. */
export function parts(manifest, bytes) {
  const counts = Object.entries(manifest.parts);
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  let start = 0;
  const result = {};
  for (const [name, count] of counts) {
    const image = (i) => bytes.subarray(total + 784 * i, total + 784 * (i + 1));
    result[name] = {
      images: Array.from({ length: count }, (_, i) => Float32Array.from(image(start + i), (x) => x / 255)),
      labels: Array.from(bytes.subarray(start, start + count)),
    };
    start += count;
  }
  return result;
}
