/** `waferstream inspect FILE`: the tensors of a checkpoint and its sparsity. Not here: the table (formats/inspect.ts). */
import { describeCheckpoint, inspectCheckpoint } from '../index.js';
import type { Options } from './options.js';
import { print, printJson } from './progress.js';
import { sparsityShare } from './sparsity-table.js';

export const inspect = async (options: Options, file: string): Promise<number> => {
  const found = await inspectCheckpoint(file);
  if (options.json === true) {
    for (const row of found.rows) printJson({ type: 'tensor', ...row });
    for (const row of found.sparse) printJson({ type: 'sparse', ...row, sparsity: sparsityShare(row) });
    printJson({ type: 'summary', path: found.path, ...found.totals, masks: found.masks, metadata: found.metadata });
  } else print(describeCheckpoint(found));
  return 0;
};
