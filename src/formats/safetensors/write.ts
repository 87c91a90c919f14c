/**
 * Writing a safetensors checkpoint: one file, or several with their index.
 *
 *   tensors ──▶ cut into files of at most `shardBytesMax` in the order given ──▶ each file laid out (layout.ts)
 *           ──▶ all written beside their places and synced ──▶ renamed, the index last
 *
 * A reader sees an old file or the whole new one, never a part, and what cannot be written leaves everything as it was. Values go through f32ToBf16 and f32ToF16; a finite value
 * that would become infinite is refused. Not here: which parameter of a model is which tensor.
 */
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { f32ToBf16, f32ToF16 } from '../../tensor/half.js';
import { InvalidConfig, WaferstreamError } from '../../util/errors.js';
import { dtypeBytes, elementsOf, isIntegerDtype, type IntegerArrays, type IntegerDtype, type WeightDtype } from './dtypes.js';
import { quoted } from './header.js';
import { bytesOfTensor, checkPlanned, headerBytes, inFileOrder } from './layout.js';
import { indexEnding, shardsMax } from './shard-index.js';
import { pieceBytesMax } from './shard.js';

/** A tensor to write. Data given as a function is asked for when its turn comes and dropped after it. */
export interface TensorToWrite {
  readonly name: string;
  readonly shape: readonly number[];
  /** Row-major f32, as many as the shape says. */
  readonly data: Float32Array | (() => Float32Array | Promise<Float32Array>);
}

/** A tensor of whole numbers to write, as they stand. */
export interface IntegersToWrite {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: IntegerDtype;
  /** Row-major, of the dtype's width, as many as the shape says. */
  readonly data: IntegerArrays[IntegerDtype] | (() => IntegerArrays[IntegerDtype]);
}

export interface WriteOptions {
  /** Of all weights. Default F32. */
  readonly dtype?: WeightDtype;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Most bytes of data a file; above them the checkpoint is cut into several. A tensor is never cut. Default: one file. */
  readonly shardBytesMax?: number;
}

export interface WrittenCheckpoint {
  /** What to open: the file, or the index of several. */
  readonly path: string;
  readonly files: readonly string[];
  /** Of the data of all tensors. */
  readonly bytes: number;
}

/** Files that are written, but not in their places yet. */
export interface StagedCheckpoint {
  readonly written: WrittenCheckpoint;
  /** Puts all files into their places, the index last. @throws InvalidConfig */
  place(): Promise<void>;
  /** Removes what was written; does nothing after `place`. */
  discard(): Promise<void>;
}

type Planned = (TensorToWrite & { readonly dtype: WeightDtype }) | IntegersToWrite;
const ending = '.safetensors';

/** Files of tensors in the order given, each as full as the limit allows. */
const cut = (tensors: readonly Planned[], bytesMax: number): Planned[][] => {
  const files: Planned[][] = [[]];
  let bytes = 0;
  for (const tensor of tensors) {
    const size = bytesOfTensor(tensor);
    if (bytes > 0 && bytes + size > bytesMax) {
      files.push([]);
      bytes = 0;
    }
    files.at(-1)?.push(tensor);
    bytes += size;
  }
  return files;
};

const narrows = { F16: { narrow: f32ToF16, infinity: 0x7c00 }, BF16: { narrow: f32ToBf16, infinity: 0x7f80 } };

const writeAll = async (handle: FileHandle, bytes: Uint8Array): Promise<void> => {
  for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at, Math.min(pieceBytesMax, bytes.length - at))).bytesWritten;
};

const writeIntegers = (handle: FileHandle, { name, dtype, shape }: IntegersToWrite, data: IntegerArrays[IntegerDtype], path: string): Promise<void> => {
  const elements = elementsOf(shape);
  if (data.length !== elements || data.BYTES_PER_ELEMENT !== dtypeBytes[dtype]) {
    throw new InvalidConfig({ what: `tensor ${quoted(name)}: data of another length or width than its shape`, where: path, value: data.byteLength, limit: `${elements} ${dtype}` });
  }
  return writeAll(handle, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
};

const writeWeights = async (handle: FileHandle, { name, dtype, shape }: Exclude<Planned, IntegersToWrite>, data: Float32Array, path: string): Promise<void> => {
  const elements = elementsOf(shape);
  if (data.length !== elements) throw new InvalidConfig({ what: `tensor ${quoted(name)}: data of another length than its shape`, where: path, value: data.length, limit: elements });
  if (dtype === 'F32') return writeAll(handle, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  const { narrow, infinity } = narrows[dtype];
  const piece = new Uint16Array(Math.min(pieceBytesMax / dtypeBytes[dtype], data.length));
  for (let at = 0; at < data.length; at += piece.length) {
    const part = data.subarray(at, at + piece.length), bits = piece.subarray(0, part.length);
    narrow(part, bits);
    const lost = bits.findIndex((pattern, i) => (pattern & 0x7fff) === infinity && Number.isFinite(part[i]));
    if (lost >= 0) throw new InvalidConfig({ what: `tensor ${quoted(name)}: element ${at + lost} is too large for ${dtype}`, where: path, value: part[lost], hint: 'write F32' });
    await writeAll(handle, new Uint8Array(bits.buffer, 0, bits.byteLength));
  }
};

const isIntegers = (tensor: Planned): tensor is IntegersToWrite => isIntegerDtype(tensor.dtype);
const writeData = async (handle: FileHandle, tensor: Planned, path: string): Promise<void> =>
  isIntegers(tensor)
    ? writeIntegers(handle, tensor, typeof tensor.data === 'function' ? tensor.data() : tensor.data, path)
    : writeWeights(handle, tensor, typeof tensor.data === 'function' ? await tensor.data() : tensor.data, path);

/** A file that is written beside its place. */
interface StagedFile {
  readonly path: string;
  readonly partial: string;
}

/** Writes beside `path`; on failure nothing is left. */
const stageFile = async (path: string, fill: (handle: FileHandle) => Promise<void>): Promise<StagedFile> => {
  const partial = `${path}.${process.pid}.partial`;
  try {
    await using handle = await opened(partial);
    await fill(handle.file);
    await handle.file.sync();
  } catch (cause) {
    await rm(partial, { force: true }).catch(() => undefined);
    throw cause instanceof WaferstreamError ? cause : new InvalidConfig({ what: `cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`, where: path, hint: 'check folder, permission and space' }, { cause });
  }
  return { path, partial };
};

const discardAll = async (files: readonly StagedFile[]): Promise<void> => {
  for (const { partial } of files) await rm(partial, { force: true }).catch(() => undefined);
};

const placeAll = async (files: readonly StagedFile[]): Promise<void> => {
  for (const [i, { path, partial }] of files.entries()) {
    await rename(partial, path).catch(async (cause: unknown) => {
      await discardAll(files.slice(i));
      throw new InvalidConfig({ what: 'cannot be put in its place', where: path, value: String(cause), hint: 'check folder and permission' }, { cause });
    });
  }
};

const opened = async (path: string): Promise<{ readonly file: FileHandle } & AsyncDisposable> => {
  const file = await open(path, 'w');
  return { file, [Symbol.asyncDispose]: () => file.close() };
};

const stageTensors = (path: string, tensors: readonly Planned[], metadata: Readonly<Record<string, string>>): Promise<StagedFile> => {
  const ordered = inFileOrder(tensors);
  return stageFile(path, async (handle) => {
    await writeAll(handle, headerBytes(ordered, metadata, path));
    for (const tensor of ordered) await writeData(handle, tensor, path);
  });
};

const indexText = (files: ReadonlyMap<string, readonly Planned[]>, bytes: number): string => {
  const lines = [...files].flatMap(([file, tensors]) => tensors.map(({ name }) => [name, basename(file)] as const)).toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const map = lines.map(([name, file]) => `    ${JSON.stringify(name)}: ${JSON.stringify(file)}`).join(',\n');
  return `{\n  "metadata": {\n    "total_size": ${bytes}\n  },\n  "weight_map": {\n${map}\n  }\n}\n`;
};

/** The files of a checkpoint at `path` and what goes into each, the index without tensors. @throws InvalidConfig */
const planFiles = (path: string, tensors: readonly Planned[], shardBytesMax: number): { readonly files: ReadonlyMap<string, readonly Planned[]>; readonly index: string | null } => {
  const cuts = cut(tensors, shardBytesMax);
  if (cuts.length > shardsMax) throw new InvalidConfig({ what: 'the checkpoint would have too many files', where: path, value: cuts.length, limit: shardsMax, hint: 'raise shardBytesMax' });
  if (cuts.length === 1) return { files: new Map([[path, tensors]]), index: null };
  const stem = basename(path, ending), folder = dirname(path);
  const number = (n: number): string => String(n).padStart(5, '0');
  return { files: new Map(cuts.map((file, i) => [join(folder, `${stem}-${number(i + 1)}-of-${number(cuts.length)}${ending}`), file])), index: join(folder, `${stem}${indexEnding}`) };
};

/** As writeSafetensors, up to the moment at which the files get their names: for what must change together with other files. @throws InvalidConfig */
export const stageSafetensors = async (path: string, tensors: Iterable<TensorToWrite | IntegersToWrite>, options: WriteOptions = {}): Promise<StagedCheckpoint> => {
  const { dtype = 'F32', metadata = {}, shardBytesMax = Infinity } = options;
  if (!path.endsWith(ending)) throw new InvalidConfig({ what: 'the name of a safetensors file', where: path, value: basename(path), limit: `ends in ${ending}` });
  if (!(shardBytesMax >= 1)) throw new InvalidConfig({ what: 'shardBytesMax', where: path, value: shardBytesMax, limit: 'at least 1' });
  const planned = [...tensors].map((tensor): Planned => ('dtype' in tensor && isIntegerDtype(tensor.dtype) ? tensor : { ...(tensor as TensorToWrite), dtype }));
  checkPlanned(planned, path);
  if (!Object.entries(metadata).flat().every((text) => typeof text === 'string' && text.isWellFormed())) throw new InvalidConfig({ what: 'metadata must map strings to strings', where: path });
  const bytes = planned.reduce((sum, tensor) => sum + bytesOfTensor(tensor), 0);
  const { files, index } = planFiles(path, planned, shardBytesMax);
  const staged: StagedFile[] = [];
  try {
    for (const [file, contents] of files) staged.push(await stageTensors(file, contents, metadata));
    if (index !== null) staged.push(await stageFile(index, (handle) => writeAll(handle, new TextEncoder().encode(indexText(files, bytes)))));
  } catch (error) {
    await discardAll(staged);
    throw error;
  }
  return { written: { path: index ?? path, files: [...files.keys()], bytes }, place: () => placeAll(staged.splice(0)), discard: () => discardAll(staged.splice(0)) };
};

/**
 * Writes tensors to `path`, which ends in `.safetensors`. Where several files are needed they stand beside it, as
 * `model-00001-of-00003.safetensors` with `model.safetensors.index.json` for `model.safetensors`, and `path` itself is not written.
 *
 * @throws InvalidConfig for tensors that the format or the dtype cannot hold, and for a place that cannot be written.
 */
export const writeSafetensors = async (path: string, tensors: Iterable<TensorToWrite | IntegersToWrite>, options: WriteOptions = {}): Promise<WrittenCheckpoint> => {
  const { written, place } = await stageSafetensors(path, tensors, options);
  await place();
  return written;
};
