/**
 * One safetensors file, open: its header in memory, its data on the disk until it is asked for.
 *
 *   openShard ──▶ header checked ──▶ readElements: pieces of at most `pieceBytesMax`, widened to f32 as they come
 *
 * The file stays open, so that a file put in its place meanwhile cannot mix with it. Hosts are little-endian, as WebAssembly is.
 * Not here: several files and their index (open.ts).
 */
import { open, type FileHandle } from 'node:fs/promises';
import { bf16ToF32, f16ToF32 } from '../../tensor/half.js';
import { CorruptFile } from '../../util/errors.js';
import { MiB } from '../../util/units.js';
import { kindOf, refused } from '../files.js';
import { dtypeBytes, type WeightDtype } from './dtypes.js';
import { headerLength, lengthBytes, parseHeader, type Header, type HeaderTensor } from './header.js';

/** Most bytes that one read asks of the disk. */
export const pieceBytesMax = 4 * MiB;

export interface Shard {
  readonly path: string;
  readonly handle: FileHandle;
  readonly header: Header;
  readonly fileBytes: number;
  /** Of the first byte of data, from the start of the file. */
  readonly dataStart: number;
}

/** Fills `into` from `position` on, piece by piece. */
const readExactly = async (handle: FileHandle, into: Uint8Array, position: number, path: string): Promise<void> => {
  for (let at = 0; at < into.length; ) {
    const { bytesRead } = await handle.read(into, at, Math.min(pieceBytesMax, into.length - at), position + at).catch((error: unknown) => {
      throw refused(path, error);
    });
    if (bytesRead === 0) throw new CorruptFile({ what: 'the file became shorter while it was read', where: path, value: position + at, limit: position + into.length });
    at += bytesRead;
  }
};

/** Opens a file and checks its header against its size. @throws CorruptFile, InvalidConfig for what is no regular file */
export const openShard = async (path: string): Promise<Shard> => {
  if ((await kindOf(path)) === 'folder') throw new CorruptFile({ what: 'a folder where a file was expected', where: path });
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw refused(path, error);
  });
  try {
    const { size: fileBytes } = await handle.stat();
    const start = new Uint8Array(Math.min(lengthBytes, fileBytes));
    await readExactly(handle, start, 0, path);
    const json = new Uint8Array(headerLength(start, fileBytes, path));
    await readExactly(handle, json, lengthBytes, path);
    const dataStart = lengthBytes + json.length;
    return { path, handle, header: parseHeader(json, fileBytes - dataStart, path), fileBytes, dataStart };
  } catch (error) {
    await handle.close();
    throw error;
  }
};

/** into (all bytes of the tensor) ← its data as it stands. */
export const readTensorBytes = (shard: Shard, tensor: HeaderTensor, into: Uint8Array): Promise<void> => readExactly(shard.handle, into, shard.dataStart + tensor.begin, shard.path);

/** into (n) ← elements first … first+n of a tensor that holds weights, as f32. Both ends were checked by the caller. */
export const readElements = async (shard: Shard, tensor: HeaderTensor & { readonly dtype: WeightDtype }, first: number, into: Float32Array): Promise<void> => {
  const size = dtypeBytes[tensor.dtype];
  const position = shard.dataStart + tensor.begin + first * size;
  if (tensor.dtype === 'F32') return readExactly(shard.handle, new Uint8Array(into.buffer, into.byteOffset, into.byteLength), position, shard.path);
  const widen = tensor.dtype === 'F16' ? f16ToF32 : bf16ToF32;
  const piece = new Uint16Array(Math.min(pieceBytesMax / size, into.length));
  for (let at = 0; at < into.length; at += piece.length) {
    const part = piece.subarray(0, Math.min(piece.length, into.length - at));
    await readExactly(shard.handle, new Uint8Array(part.buffer, 0, part.byteLength), position + at * size, shard.path);
    widen(part, into.subarray(at, at + part.length));
  }
};
