/**
 * Which tensors of a file are which parameter: names and layouts of both families, or the project's own.
 *
 *   gpt     wte.weight [V][d]                   ◀─▶  transformer.wte.weight [V][d]              as it is; c_attn, c_fc, c_proj lie [inputs][outputs] in both
 *   llama   …self_attn.qkv_proj.weight [d][q+2k] ◀─▶  q_proj [q][d], k_proj [k][d], v_proj [k][d]  turned, side by side
 *           …mlp.gate_up_proj.weight [d][2h]     ◀─▶  gate_proj [h][d], up_proj [h][d]             turned, side by side
 *           other linear weights [in][out]       ◀─▶  [out][in]                                    turned
 *   plain   any model                            ◀─▶  the same name, the same shape
 *
 * Not here: files (checkpoint.ts).
 */
import type { LayerOf, Model, ParameterSpec } from '../../model/graph.js';
import { assert } from '../../util/errors.js';
import { familyOf } from './family.js';

/** A tensor of a file and its place inside a parameter. */
export interface StoredPart {
  readonly name: string;
  /** In the file. */
  readonly shape: readonly number[];
  readonly parameter: ParameterSpec;
  /** Null: the parameter as it is. Else the file's rows are the parameter's columns from this one on. */
  readonly firstColumn: number | null;
  /** A table of positions: a file may have more rows, of which the first count. */
  readonly mayBeLonger: boolean;
}

export interface Mapping {
  readonly kind: 'gpt' | 'llama' | 'plain';
  readonly parts: readonly StoredPart[];
  /** What stands before all names but the output layer's; files without it are read too. */
  readonly prefix: string;
  /** The name under which a file may repeat a tied table, and that table. */
  readonly tied: { readonly name: string; readonly table: ParameterSpec } | null;
  /** Names of tensors that are no weights. */
  readonly noWeights: RegExp | null;
}

const same = (name: string, parameter: ParameterSpec, mayBeLonger = false): StoredPart => ({ name, shape: parameter.shape, parameter, firstColumn: null, mayBeLonger });

/** Consecutive columns of a linear weight, each part as rows of its own tensor. */
const turned = (parameter: ParameterSpec, parts: readonly (readonly [name: string, columns: number])[]): StoredPart[] => {
  const [inputs = 0, outputs] = parameter.shape;
  let firstColumn = 0;
  const list = parts.map(([name, columns]) => {
    const part = { name, shape: [columns, inputs], parameter, firstColumn, mayBeLonger: false };
    firstColumn += columns;
    return part;
  });
  assert(firstColumn === outputs, `the parts of ${parameter.name} have ${firstColumn} columns`);
  return list;
};

const tiedOf = (model: Model): Mapping['tied'] => {
  const head = model.layers.find((layer): layer is LayerOf<'linear'> => layer.kind === 'linear' && layer.tied);
  const table = head === undefined ? undefined : model.parameters[head.weight];
  return head === undefined || table === undefined ? null : { name: `${head.name}.weight`, table };
};

const gptParts = (model: Model, parameter: ParameterSpec): StoredPart[] => {
  const { name } = parameter;
  if (name === 'lm_head.weight') return turned(parameter, [[name, parameter.shape[1] ?? 0]]);
  return [same(`transformer.${name}`, parameter, model.layers.some((layer) => layer.kind === 'embedding' && layer.positions === parameter.index))];
};

const llamaParts = (model: Model, parameter: ParameterSpec): StoredPart[] => {
  const { name, role } = parameter, [, columns = 0] = parameter.shape;
  if (role !== 'weight') return [same(name, parameter)];
  const beside = (part: string): string => name.replace(/(qkv|gate_up)_proj/, part);
  if (name.endsWith('.gate_up_proj.weight')) return turned(parameter, [[beside('gate_proj'), columns / 2], [beside('up_proj'), columns / 2]]);
  if (!name.endsWith('.qkv_proj.weight')) return turned(parameter, [[name, columns]]);
  const rotary = model.layers[parameter.layer + 1];
  assert(rotary?.kind === 'rotary', `${name} is not read by rotary positions`);
  const { heads, kvHeads, headSize } = rotary;
  return turned(parameter, [[beside('q_proj'), heads * headSize], [beside('k_proj'), kvHeads * headSize], [beside('v_proj'), kvHeads * headSize]]);
};

/** Every parameter under its own name. */
export const plainMapping = (model: Model): Mapping => ({ kind: 'plain', parts: model.parameters.map((parameter) => same(parameter.name, parameter)), prefix: '', tied: null, noWeights: null });

/** The mapping of the model's family, parts in graph order; the plain one for other graphs. */
export const mappingOf = (model: Model): Mapping => {
  const family = familyOf(model)?.family;
  if (family === undefined) return plainMapping(model);
  const partsOf = family === 'gpt' ? gptParts : llamaParts;
  return {
    kind: family,
    parts: model.parameters.flatMap((parameter) => partsOf(model, parameter)),
    prefix: family === 'gpt' ? 'transformer.' : 'model.',
    tied: tiedOf(model),
    noWeights: family === 'gpt' ? /(^|\.)attn\.(masked_)?bias$/ : /(^|\.)rotary_emb\.inv_freq$/,
  };
};
