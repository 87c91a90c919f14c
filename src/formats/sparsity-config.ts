/**
 * Sparsity out of a configuration file, YAML or JSON, with the ecosystem's names.
 *
 *   the file, its `sparsity`, or its `trainer.init.sparsity` ─▶ blocks (a list, or a block with `groups`, whose other keys are defaults) ─▶ Sparsity
 *
 * Unknown keys and values of another type are refused by their path, such as sparsity.update.freq. Not here: what the settings mean (model/sparsity.ts), the command line.
 */
import * as v from 'valibot';
import { sparsityGroup, type FieldNames, type HyperparameterLike, type Sparsity, type SparsityGroup, type SparsityOptions } from '../model/sparsity.js';
import { InvalidConfig } from '../util/errors.js';
import { isObject, shown } from './json.js';
import { readYaml } from './yaml.js';

const lower = (value: unknown): unknown => (typeof value === 'string' ? value.toLowerCase() : value);
const anyCase = <const T extends readonly string[]>(choices: T) => v.pipe(v.unknown(), v.transform(lower), v.picklist(choices, choices.join(', ')));
const number = v.number('a number');
const whole = v.pipe(number, v.safeInteger('a whole number'));
const listOf = <T extends v.GenericSchema>(item: T, what: string) => v.array(item, what);
/** An object of these keys alone. */
const keys = <E extends v.ObjectEntries>(entries: E) => v.strictObject(entries, `an object of ${Object.keys(entries).join(', ')}`);

const shapes = {
  constant: keys({ type: v.unknown(), value: number }),
  linear: keys({ type: v.unknown(), init: number, slope: number }),
  exp: keys({ type: v.unknown(), init: number, gamma: number, final: v.optional(number, 1) }),
  power: keys({ type: v.unknown(), init: number, beta: number }),
  cosine: keys({ type: v.unknown(), init: number, half_period: number, minimum: v.optional(number, 0) }),
  cycling: keys({ type: v.unknown(), values: listOf(number, 'a list of numbers') }),
} as const;
type Shape = keyof typeof shapes;
const shapeNames = Object.keys(shapes) as readonly Shape[];
const shapeOf = (value: unknown): Shape | undefined => shapeNames.find((name) => isObject(value) && lower(value.type) === name);

const accepted = {
  algorithm: anyCase(['static', 'gmp', 'set', 'rigl']),
  update: { every: keys({ freq: v.optional(whole), start: v.optional(whole), stop: v.nullish(whole) }), steps: keys({ steps: listOf(whole, 'a list of whole numbers') }) },
  init_method: anyCase(['random', 'topk', 'from_zeros', 'checkerboard']),
  param_filter: v.union([v.string(), v.array(v.string())], 'a name or a list of names, with * for any characters and ? for one'),
  pattern: v.pipe(v.string('unstructured, 4x1, or N:M such as 2:4'), v.transform((text) => text.toLowerCase()), v.regex(/^(unstructured|4x1|\d{1,4}:\d{1,4})$/, 'unstructured, 4x1, or N:M such as 2:4')),
  groups: whole,
} as const;

const blockKeys = ['algorithm', 'type', 'sparsity', 'update', 'drop_fraction', 'init_method', 'param_filter', 'balance_in_groups', 'balance_out_groups', 'pattern', 'groups'] as const;
type BlockKey = (typeof blockKeys)[number];
const isBlockKey = (key: string): key is BlockKey => blockKeys.some((known) => known === key);

/** A value with the path by which errors name it. */
interface Placed {
  readonly value: unknown;
  readonly path: string;
}
interface Block {
  readonly path: string;
  /** null: as if it were not there, whatever the default. */
  readonly keys: ReadonlyMap<BlockKey, Placed>;
}

const join = (path: string, key: string): string => (path === '' ? key : key.startsWith('[') ? path + key : `${path}.${key}`);

/** Takes a configuration apart; every error names the file and the path in it. */
class Reader {
  readonly #where: string;
  constructor(where: string) {
    this.#where = where;
  }

  invalid(path: string, value: unknown, limit: unknown, hint?: string): InvalidConfig {
    return new InvalidConfig({ what: path === '' ? 'the whole of it' : `field ${path}`, where: this.#where, value: value === undefined ? 'nothing' : shown(value), limit, ...(hint === undefined ? {} : { hint }) });
  }

  parse<T extends v.GenericSchema>(schema: T, { value, path }: Placed): v.InferOutput<T> {
    const result = v.safeParse(schema, value);
    if (result.success) return result.output;
    const [issue] = result.issues;
    const at = (issue.path ?? []).reduce((before, { key }) => join(before, typeof key === 'number' ? `[${key}]` : String(key)), path);
    const last = issue.path?.at(-1);
    throw this.invalid(at, last === undefined ? issue.input : last.value, issue.message);
  }

  hyperparameter(placed: Placed): HyperparameterLike {
    const { value, path } = placed;
    if (Array.isArray(value)) return this.parse(listOf(number, 'a list of numbers'), placed);
    if (!isObject(value)) return this.parse(v.number(`a number, a list of numbers, or an object whose type is ${shapeNames.join(', ')}`), placed);
    const shape = shapeOf(value);
    switch (shape) {
      case 'constant':
        return this.parse(shapes.constant, placed).value;
      case 'linear': {
        const { init, slope } = this.parse(shapes.linear, placed);
        return { kind: 'linear', init, slope };
      }
      case 'exp': {
        const { init, gamma, final } = this.parse(shapes.exp, placed);
        return { kind: 'exponential', init, gamma, final };
      }
      case 'power': {
        const { init, beta } = this.parse(shapes.power, placed);
        return { kind: 'power', init, beta };
      }
      case 'cosine': {
        const { init, half_period: halfPeriod, minimum } = this.parse(shapes.cosine, placed);
        return { kind: 'cosine', init, halfPeriod, minimum };
      }
      case 'cycling':
        return this.parse(shapes.cycling, placed).values;
      case undefined:
        throw this.invalid(join(path, 'type'), value.type, shapeNames.join(', '));
    }
  }

  update(placed: Placed): SparsityOptions['update'] {
    if (isObject(placed.value) && 'steps' in placed.value) return this.parse(accepted.update.steps, placed);
    const { freq, start, stop } = this.parse(accepted.update.every, placed);
    return { ...(freq === undefined ? {} : { freq }), ...(start === undefined ? {} : { start }), ...(stop === undefined ? {} : { stop }) };
  }

  /** The keys of a block, `type` under its other name. */
  #block({ value, path }: Placed): Block {
    if (typeof value === 'number') return { path, keys: new Map([['sparsity', { value, path: path === '' ? 'sparsity' : path }]]) };
    if (!isObject(value)) throw this.invalid(path, value, 'a sparsity, or an object of its settings');
    const keys = new Map<BlockKey, Placed>();
    for (const [key, inner] of Object.entries(value)) {
      const at = join(path, key), name = key === 'type' ? 'algorithm' : key;
      if (!isBlockKey(name)) throw this.invalid(at, inner, `one of the keys ${blockKeys.join(', ')}`);
      if (keys.has(name)) throw this.invalid(at, inner, 'either algorithm or type');
      keys.set(name, { value: inner, path: at });
    }
    const [one, other] = (['balance_in_groups', 'balance_out_groups'] as const).map((key) => keys.get(key));
    if (one !== undefined && other !== undefined && one.value !== null && other.value !== null) throw this.invalid(other.path, other.value, 'either balance_in_groups or balance_out_groups');
    return { path, keys };
  }

  /** Blocks of one value: a list, a block, or a block with groups, each of which has the outer keys as defaults. */
  blocks({ value, path }: Placed): Block[] {
    if (!Array.isArray(value)) return this.#groupsOf(this.#block({ value, path }));
    if (value.length === 0) throw this.invalid(path, value, 'at least one block');
    return value.flatMap((one: unknown, i) => this.#groupsOf(this.#block({ value: one, path: join(path, `[${i}]`) })));
  }

  #groupsOf(outer: Block): Block[] {
    const inner = outer.keys.get('groups');
    if (inner === undefined || inner.value === null) return [outer];
    if (!Array.isArray(inner.value) || inner.value.length === 0) throw this.invalid(inner.path, inner.value, 'a list of blocks');
    return inner.value.map((one: unknown, i) => {
      const own = this.#block({ value: one, path: join(inner.path, `[${i}]`) }), nested = own.keys.get('groups');
      if (nested !== undefined) throw this.invalid(nested.path, nested.value, 'no groups inside a group');
      return this.#inherit(outer, own);
    });
  }

  /** Defaults that have no effect on a group are not its own: they do not make it invalid. */
  #inherit(outer: Block, own: Block): Block {
    const keys = new Map([...outer.keys, ...own.keys]), algorithm = keys.get('algorithm');
    const name = algorithm === undefined || algorithm.value === null ? 'static' : this.parse(accepted.algorithm, algorithm), isOwn = (key: BlockKey): boolean => own.keys.has(key);
    if (!isOwn('update') && name === 'static') keys.delete('update');
    if (!isOwn('drop_fraction') && name !== 'set' && name !== 'rigl') keys.delete('drop_fraction');
    if (!isOwn('sparsity') && String(own.keys.get('pattern')?.value).includes(':')) keys.delete('sparsity');
    for (const [one, other] of [['balance_in_groups', 'balance_out_groups'], ['balance_out_groups', 'balance_in_groups']] as const) if (isOwn(one) && !isOwn(other)) keys.delete(other);
    keys.delete('groups');
    return { path: own.path, keys };
  }

  group(block: Block): SparsityGroup {
    const given = <T>(key: BlockKey, read: (placed: Placed) => T): T | undefined => {
      const placed = block.keys.get(key);
      return placed === undefined || placed.value === null ? undefined : read(placed);
    };
    const inputs = given('balance_in_groups', (p) => this.parse(accepted.groups, p)), outputs = given('balance_out_groups', (p) => this.parse(accepted.groups, p));
    const pattern = given('pattern', (p) => this.parse(accepted.pattern, p)), [n = '', m] = (pattern ?? '').split(':');
    const options = {
      algorithm: given('algorithm', (p) => this.parse(accepted.algorithm, p)),
      sparsity: given('sparsity', (p) => this.hyperparameter(p)),
      update: given('update', (p) => this.update(p)),
      dropFraction: given('drop_fraction', (p) => this.hyperparameter(p)),
      init: given('init_method', (p) => this.parse(accepted.init_method, p)),
      params: given('param_filter', (p) => this.parse(accepted.param_filter, p)),
      pattern: m !== undefined ? { n: Number(n), m: Number(m) } : pattern === '4x1' ? ('blocks' as const) : pattern === undefined ? undefined : ('unstructured' as const),
      balance: inputs !== undefined ? { axis: 'inputs' as const, groups: inputs } : outputs !== undefined ? { axis: 'outputs' as const, groups: outputs } : undefined,
    };
    try {
      return sparsityGroup(withoutUndefined(options), namesOf(block));
    } catch (error) {
      throw error instanceof InvalidConfig ? new InvalidConfig({ ...error.details, where: this.#where }, { cause: error }) : error;
    }
  }
}

type Given<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };
const withoutUndefined = <T extends object>(options: T): Given<T> => Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Given<T>;

const keyOf: Readonly<Record<keyof SparsityGroup, BlockKey>> = {
  algorithm: 'algorithm', params: 'param_filter', sparsity: 'sparsity', init: 'init_method', update: 'update', dropFraction: 'drop_fraction', pattern: 'pattern', balance: 'balance_in_groups',
};
const partOf: Readonly<Record<string, string>> = { halfPeriod: 'half_period' };

/** Fields by their paths in the file. */
const namesOf = ({ path, keys: given }: Block): FieldNames => (field, part) => {
  const key = field === 'balance' && given.get('balance_out_groups') !== undefined ? 'balance_out_groups' : keyOf[field], placed = given.get(key), at = `field ${placed?.path ?? join(path, key)}`;
  if (field === 'balance') return at;
  const inner = isObject(placed?.value) && part === undefined && shapeOf(placed.value) === 'constant' ? 'value' : part;
  if (inner === undefined) return at;
  return join(at, isObject(placed?.value) ? (partOf[inner] ?? inner) : inner.replace(/^values(?=\[)/, ''));
};

/** Whether a value is a block or a list of blocks, rather than a sparsity itself. */
const isBlocks = (value: unknown): boolean => (Array.isArray(value) ? value.some(isObject) : isObject(value) && shapeOf(value) === undefined);

/** The blocks in a whole configuration. */
const placeOf = (value: unknown, reader: Reader): Placed => {
  if (!isObject(value)) return { value, path: '' };
  const trainer = value.trainer, init = isObject(trainer) ? trainer.init : undefined, inTrainer = isObject(init) ? init.sparsity : undefined, own = value.sparsity;
  const other = Object.keys(value).find((key) => key !== 'sparsity' && isBlockKey(key));
  if (inTrainer !== undefined && own !== undefined) throw reader.invalid('sparsity', own, 'either sparsity or trainer.init.sparsity');
  if (inTrainer !== undefined) return { value: inTrainer, path: 'trainer.init.sparsity' };
  if (trainer !== undefined && own === undefined) throw reader.invalid('trainer.init.sparsity', undefined, 'a sparsity, or an object of its settings');
  return isBlocks(own) && other === undefined ? { value: own, path: 'sparsity' } : { value, path: '' };
};

/** Sparsity out of a parsed configuration; `where` names it in errors. @throws InvalidConfig naming the field by its path, the value, and what is accepted */
export const sparsityOfConfig = (value: unknown, where: string): Sparsity => {
  const reader = new Reader(where), placed = placeOf(value, reader);
  return reader.blocks(placed).map((block) => reader.group(block));
};

/** Reads a sparsity configuration in YAML 1.2 or JSON. @throws CorruptFile if it cannot be read or is neither; InvalidConfig for what it says */
export const readSparsityConfig = async (path: string): Promise<Sparsity> => {
  return sparsityOfConfig(await readYaml(path), path);
};
