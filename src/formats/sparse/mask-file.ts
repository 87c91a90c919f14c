/**
 * The file of masks beside a checkpoint in the dense layout: which positions of each sparse weight are stored, a bit each.
 *
 *   folder/model.safetensors  + folder/sparsity.safetensors      x.safetensors + x.sparsity.safetensors
 *
 * The dense file can be read by any program: absent weights are zeros in it. The bits tell a stored zero from an absent one. Both files carry the digest of the masks, so that files of two
 * savings are never taken for one. Not here: weights (hugging-face/checkpoint.ts), the compact layout (compact.ts).
 */
import { access, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { NamedMask } from '../../model/sparsity.js';
import { CorruptFile, InvalidConfig } from '../../util/errors.js';
import { shown } from '../json.js';
import { quoted } from '../safetensors/header.js';
import { openSafetensors } from '../safetensors/open.js';
import { indexEnding } from '../safetensors/shard-index.js';
import { stageSafetensors, type StagedCheckpoint } from '../safetensors/write.js';
import { bitmapBytes, digestOfMasks, packMask, shapesOf, shapesText, sparseVersion, type PackedMask } from './masks.js';

const format = 'waferstream-masks';
/** The digest's key in the metadata of the file of weights. */
export const masksKey = 'waferstream-masks';

const ending = '.safetensors', ownName = `sparsity${ending}`;

/** Whether a file of that name holds masks. */
export const isMaskFileName = (path: string): boolean => basename(path) === ownName || path.endsWith(`.${ownName}`);

/** Where the masks of a file of weights, or of an index, stand. */
export const maskFileOf = (path: string): string => {
  const name = basename(path), stem = name.endsWith(indexEnding) ? name.slice(0, -indexEnding.length) : basename(name, ending);
  return join(dirname(path), stem === 'model' ? ownName : `${stem}.${ownName}`);
};

const exists = (path: string): Promise<boolean> => access(path).then(() => true, () => false);

/** @throws InvalidConfig if a file of another kind stands where masks are written or removed */
const checkOwn = async (path: string): Promise<void> => {
  if (!(await exists(path))) return;
  const found = await openSafetensors(path).then(async (file) => {
    await file.close();
    return file.metadata.get('format');
  }, () => null);
  if (found !== format) throw new InvalidConfig({ what: 'not a file of masks, where they would stand', where: path, value: shown(found), limit: format, hint: 'move it away, or write to another place' });
};

/** Writes the masks beside their place. @throws InvalidConfig */
export const stageMasks = async (path: string, masks: readonly NamedMask[]): Promise<StagedCheckpoint & { readonly digest: string }> => {
  await checkOwn(path);
  const packed = masks.map(packMask), digest = digestOfMasks(packed);
  const staged = await stageSafetensors(path, packed.map((mask) => ({ name: mask.name, shape: [mask.bits.length], dtype: 'U8' as const, data: mask.bits })), { metadata: { format, version: sparseVersion, shapes: shapesText(packed), digest } });
  return { ...staged, digest };
};

/** Masks of what stood there before must not stay beside weights that have none. @throws InvalidConfig */
export const removeMasks = async (path: string): Promise<void> => {
  await checkOwn(path);
  await rm(path, { force: true }).catch((cause: unknown) => {
    throw new InvalidConfig({ what: 'masks of an older checkpoint cannot be removed', where: path, value: String(cause), hint: 'remove them' }, { cause });
  });
};

/** The masks of one file, each as its bits. @throws CorruptFile naming the tensor and what is wrong */
const readMaskFile = async (path: string): Promise<{ readonly masks: readonly PackedMask[]; readonly digest: string }> => {
  await using file = await openSafetensors(path);
  const found = file.metadata.get('format');
  if (found !== format) throw new CorruptFile({ what: 'not a file of masks', where: path, value: shown(found), limit: format, hint: 'move it away' });
  const shapes = shapesOf(file.metadata, path), names = new Set(shapes.map(({ name }) => name));
  for (const { name, shape } of file.tensors.values()) {
    if (!names.has(name)) throw new CorruptFile({ what: `mask of ${quoted(name)}: not named in the metadata`, where: path, value: shape, limit: `the ${names.size} of 'shapes'` });
  }
  const masks: PackedMask[] = [];
  for (const sparse of shapes) {
    const { name, shape: [rows, columns] } = sparse, tensor = file.tensors.get(name), bytes = bitmapBytes(sparse);
    if (tensor === undefined) throw new CorruptFile({ what: `mask of ${quoted(name)}: missing`, where: path, limit: `${bytes} bytes` });
    if (tensor.dtype !== 'U8' || tensor.shape.length !== 1 || tensor.elements !== bytes) {
      throw new CorruptFile({ what: `mask of ${quoted(name)}: a bitmap of another length`, where: path, value: `${tensor.dtype} [${tensor.shape.join(', ')}]`, limit: `U8 [${bytes}] for ${rows} × ${columns} positions` });
    }
    const bits = new Uint8Array(bytes), used = (rows * columns) % 8;
    await file.readBytes(name, bits);
    if (used > 0 && (bits.at(-1) ?? 0) >> used !== 0) throw new CorruptFile({ what: `mask of ${quoted(name)}: bits beyond its last position`, where: path, value: bits.at(-1), limit: 2 ** used - 1 });
    masks.push({ ...sparse, bits });
  }
  const digest = digestOfMasks(masks), said = file.metadata.get('digest');
  if (said !== digest) throw new CorruptFile({ what: 'the masks are not those that were written: their digest differs', where: path, value: shown(said), limit: digest, hint: 'fetch the file again' });
  return { masks, digest };
};

/** The masks that belong to the weights of a file or index; none where there are none. `said`: their digest by the metadata of the weights. @throws CorruptFile */
export const readMasksOf = async (weights: string, said: string | undefined): Promise<readonly PackedMask[]> => {
  const path = maskFileOf(weights);
  if (!(await exists(path))) {
    if (said === undefined) return [];
    throw new CorruptFile({ what: 'the masks of sparse weights are missing', where: path, limit: said, hint: `fetch it beside ${basename(weights)}` });
  }
  const { masks, digest } = await readMaskFile(path);
  // Other programs write weights without the digest; they are held to the masks position by position.
  if (said !== undefined && said !== digest) throw new CorruptFile({ what: `not the masks of ${basename(weights)}: the two were not saved together`, where: path, value: digest, limit: shown(said), hint: 'save or fetch both again' });
  return masks;
};
