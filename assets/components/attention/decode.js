// Reading the message that transformer_core/figures/wire.py packs.

const ALIGNMENT = 8;

/** Inflate the message and return the header, with its arrays ready to read. */
export async function decodePayload(message) {
  const stream = new Blob([message]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const start = Math.ceil((length + 4) / ALIGNMENT) * ALIGNMENT;
  const arrays = {};
  for (const [name, entry] of Object.entries(header.arrays)) {
    arrays[name] = readArray(buffer, start + entry.offset, entry);
  }
  header.keys = header.keys || header.queries;
  for (const strip of [header.queries, header.keys]) prepareStrip(strip);
  return { ...header, arrays };
}

export function prepareStrip(strip) {
  strip.length = strip.display.length;
  strip.isSpecial = new Set(strip.special);
  strip.isJoined = new Set(strip.joins);
}

function readArray(buffer, offset, entry) {
  const count = entry.shape.reduce((product, size) => product * size, 1);
  const types = { f4: Float32Array, i4: Int32Array, u2: Uint16Array, u1: Uint8Array };
  const codes =
    entry.dtype === "f2"
      ? halvesToFloats(new Uint16Array(buffer, offset, count))
      : new types[entry.dtype](buffer, offset, count);
  return { ...entry, codes };
}

/** IEEE half precision to single. */
export function halvesToFloats(halves) {
  const floats = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i += 1) {
    const half = halves[i];
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0) floats[i] = sign * fraction * 2 ** -24;
    else if (exponent === 31) floats[i] = fraction ? NaN : sign * Infinity;
    else floats[i] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return floats;
}

/** What each code of a quantised array stands for; code 0 is masked, exactly 0. */
export function levelsOf(array) {
  const size = array.dtype === "u1" ? 256 : 65536;
  const levels = new Float32Array(size);
  for (let code = 1; code < size; code += 1) {
    const share = (code - 1) / (size - 2);
    levels[code] = array.peak * (array.codec === "sqrt" ? share * share : share);
  }
  return levels;
}

/** Bytes from base64 text, for a picture inside an HTML file. */
export function bytesFromBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
