/** A second, naive implementation of safetensors for the tests: whole files in memory, plain JSON. It shares no code with src. */

export interface NaiveTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

const sizes: Readonly<Record<string, number>> = { BOOL: 1, U8: 1, I8: 1, F8_E5M2: 1, F8_E4M3: 1, I16: 2, U16: 2, F16: 2, BF16: 2, I32: 4, U32: 4, F32: 4, F64: 8, I64: 8, U64: 8 };

/** A file of a header, given as text, and data; `length` may lie. */
export const fileOf = (json: string, data: Uint8Array, length?: bigint): Uint8Array => {
  const header = Buffer.from(json);
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(length ?? BigInt(header.length));
  return Uint8Array.from(Buffer.concat([start, header, data]));
};

/** The contents of a file, or null if it is no valid one. */
export const naiveRead = (file: Uint8Array): Map<string, NaiveTensor> | null => {
  const bytes = Buffer.from(file);
  if (bytes.length < 8) return null;
  const length = Number(bytes.readBigUInt64LE());
  if (length > 1e8 || 8 + length > bytes.length) return null;
  const json = bytes.subarray(8, 8 + length), data = bytes.subarray(8 + length);
  if (json[0] !== 123 || Buffer.compare(Buffer.from(json.toString()), json) !== 0) return null;
  let header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
  try {
    header = JSON.parse(json.toString());
  } catch {
    return null;
  }
  const tensors = new Map<string, NaiveTensor>();
  const covered = new Uint8Array(data.length);
  for (const [name, tensor] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const size = sizes[tensor?.dtype];
    if (size === undefined || !Array.isArray(tensor.shape) || !Array.isArray(tensor.data_offsets) || tensor.data_offsets.length !== 2) return null;
    const [begin, end] = tensor.data_offsets;
    if (![...tensor.shape, begin, end].every((n) => Number.isInteger(n) && n >= 0) || end > data.length) return null;
    if (tensor.shape.reduce((a, b) => a * b, size) !== end - begin) return null;
    for (let i = begin; i < end; i++) {
      if (covered[i] === 1) return null;
      covered[i] = 1;
    }
    tensors.set(name, { dtype: tensor.dtype, shape: tensor.shape, data: data.subarray(begin, end) });
  }
  return covered.includes(0) ? null : tensors;
};

/** What the bytes of a weight are worth as f32, by the definition of the format. */
export const naiveValues = ({ dtype, data }: NaiveTensor): Float32Array => {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  if (dtype === 'F32') return Float32Array.from({ length: data.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
  const [exponentBits, mantissaBits] = dtype === 'F16' ? [5, 10] : [8, 7];
  const bias = 2 ** (exponentBits - 1) - 1;
  return Float32Array.from({ length: data.length / 2 }, (_, i) => {
    const bits = view.getUint16(2 * i, true);
    const exponent = (bits >> mantissaBits) % 2 ** exponentBits, fraction = (bits % 2 ** mantissaBits) / 2 ** mantissaBits;
    const sign = bits >> 15 === 1 ? -1 : 1;
    if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Infinity : NaN;
    return exponent === 0 ? sign * fraction * 2 ** (1 - bias) : sign * (1 + fraction) * 2 ** (exponent - bias);
  });
};
