/**
 * The layout of a safetensors file to be written: the bytes of its header, and the order of its tensors.
 *
 *   tensors, any order ──▶ sorted by alignment, largest first, then by the bytes of their names ──▶ header, padded with spaces to 8 bytes
 *
 * The same bytes as the reference implementation's; its order of metadata keys is by chance, here they ascend.
 * Not here: data (write.ts).
 */
import { InvalidConfig } from '../../util/errors.js';
import { roundUp } from '../../util/units.js';
import { dtypeBytes, elementsOf, type IntegerDtype, type WeightDtype } from './dtypes.js';
import { headerBytesMax, lengthBytes, quoted } from './header.js';

/** A tensor of a file to be written. */
export interface PlannedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: WeightDtype | IntegerDtype;
}

export const bytesOfTensor = ({ shape, dtype }: PlannedTensor): number => (elementsOf(shape) ?? Infinity) * dtypeBytes[dtype];

/** By alignment, descending, then by name as UTF-8: the reference's order of these dtypes is their size, then the one that it lists last. */
const rank: Readonly<Record<PlannedTensor['dtype'], number>> = { F32: 0, U32: 1, BF16: 2, F16: 3, U16: 4, U8: 5 };
export const inFileOrder = <T extends PlannedTensor>(tensors: readonly T[]): T[] =>
  tensors
    .map((tensor) => ({ tensor, name: Buffer.from(tensor.name) }))
    .toSorted((a, b) => rank[a.tensor.dtype] - rank[b.tensor.dtype] || Buffer.compare(a.name, b.name))
    .map(({ tensor }) => tensor);

/** Refuses what a header cannot say. @throws InvalidConfig */
export const checkPlanned = (tensors: readonly PlannedTensor[], path: string): void => {
  const names = new Set<string>();
  for (const tensor of tensors) {
    const { name, shape } = tensor;
    const refuse = (what: string, value: unknown): InvalidConfig => new InvalidConfig({ what: `tensor ${quoted(name)}: ${what}`, where: path, value });
    if (name === '__metadata__' || !name.isWellFormed()) throw refuse('a name that the format cannot hold', name);
    if (names.has(name)) throw refuse('given twice', name);
    if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0) || !Number.isSafeInteger(bytesOfTensor(tensor))) throw refuse('no valid shape', shape);
    names.add(name);
  }
};

/** The first bytes of a file whose tensors stand in file order: length, JSON, spaces. @throws InvalidConfig if that is too long */
export const headerBytes = (tensors: readonly PlannedTensor[], metadata: Readonly<Record<string, string>>, path: string): Uint8Array => {
  const parts: string[] = [];
  const sorted = Object.entries(metadata).toSorted(([a], [b]) => (a < b ? -1 : 1));
  // Written by hand: an object would put names that look like numbers first.
  const object = (entries: readonly (readonly [string, string])[]): string => `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`;
  if (sorted.length > 0) parts.push(`"__metadata__":${object(sorted)}`);
  let at = 0;
  for (const tensor of tensors) {
    const end = at + bytesOfTensor(tensor);
    parts.push(`${JSON.stringify(tensor.name)}:${JSON.stringify({ dtype: tensor.dtype, shape: tensor.shape, data_offsets: [at, end] })}`);
    at = end;
  }
  const json = new TextEncoder().encode(`{${parts.join(',')}}`);
  const length = roundUp(json.length, 8);
  if (length > headerBytesMax) throw new InvalidConfig({ what: 'the header would be longer than a header may be', where: path, value: length, limit: headerBytesMax, hint: 'write fewer tensors a file' });
  const bytes = new Uint8Array(lengthBytes + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, lengthBytes);
  return bytes;
};
