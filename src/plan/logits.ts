/** Whether the logits of a micro-batch are held or made block by block, where nobody says. Not here: how either is done (compiler/forward.ts). */
import type { Logits } from '../compiler/program.js';
import type { Model } from '../model/graph.js';
import { NotEmulated } from '../util/errors.js';
import { MiB } from '../util/units.js';

/** Most bytes of logits, over all wafers, that are held without being asked for. */
const logitsBytesMax = 64 * MiB;

/** `mustHold`: tiles that work one by one hold their logits, and so does a loss over a sparse weight. @throws NotEmulated */
export const chooseLogits = (model: Model, wanted: Logits | 'auto', lanes: number, isSparse: (parameter: number) => boolean, mustHold = false): Logits => {
  const loss = model.layers[model.layers.length - 1], last = model.layers[model.layers.length - 2];
  if (mustHold || last?.kind !== 'linear') return 'held';
  if (isSparse(last.weight)) {
    if (wanted === 'streamed') throw new NotEmulated({ what: 'logits that are streamed over a sparse weight', where: 'logits', value: model.parameters[last.weight]?.name, hint: "let the filter of sparsity leave it out, or hold the logits (logits: 'held')" });
    return 'held';
  }
  return wanted !== 'auto' ? wanted : (loss?.features ?? 0) * lanes * 4 > logitsBytesMax ? 'streamed' : 'held';
};
